// Squashfs metadata: runs of blocks of at most 8 KiB plain, each behind a u16 of its coded length, read as one stream
// of plain bytes that remembers which block each byte came from.
#pragma once

#include <map>

#include "delta/container/coded_block.h"

namespace till::delta {

inline constexpr uint32_t kSquashfsMetadataBytes = 8192;

// One run of metadata blocks: a table, or the part of one.
struct MetadataRun {
  Bytes plain;
  std::vector<CodedBlock> blocks;              // of the compressed blocks
  std::vector<Extent> extents;                 // of all of them; Extent::block indexes `blocks` here
  std::map<uint64_t, size_t> plain_offset_of;  // block's coded offset in the image → where it starts in `plain`
};

// Reads blocks from `start` until `end` (or until `max_plain_bytes` are there, or a block is broken: what was read
// before stands).
MetadataRun ReadMetadata(ByteView image, RecodeCodec codec, uint64_t start, uint64_t end, uint64_t max_plain_bytes);

}  // namespace till::delta
