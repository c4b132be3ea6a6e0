// What an opened image consists of: coded blocks, raw gaps between them, and the files whose contents they hold.
//   Offsets and lengths are bytes. Values only; the image itself belongs to the caller.
#pragma once

#include <string>
#include <vector>

#include "core/bytes.h"
#include "delta/format/recode.h"

namespace till::delta {

// A stretch of the image that one codec makes from plain bytes, small enough to be made again on a terminal.
struct CodedBlock {
  uint64_t offset = 0;  // in the image
  uint32_t coded_bytes = 0;
  // Upper bound until it is decoded (a squashfs block does not tell), then exact.
  uint32_t plain_bytes = 0;
  RecodeCodec codec = RecodeCodec::kXz;
  bool bare = false;  // zlib: raw deflate, without zlib's own header
  // What the container's compressor options say of how it was coded; only a hint where to search first.
  uint8_t stated_level = 0;       // 0: nothing; lz4: 1 fast, 2 high compression
  uint8_t stated_strategies = 0;  // zlib: a bit for each strategy that was tried
};

struct Extent {
  enum class Kind : uint8_t { kRaw, kBlock, kHole };
  Kind kind = Kind::kRaw;
  uint32_t block = 0;   // kBlock: index into ExpandedImage::blocks()
  uint64_t offset = 0;  // kRaw: in the image; kBlock: in its plain bytes
  uint64_t length = 0;
};

// A file, or a table that is treated as one (its path then starts with ':', which no path in an image does).
struct ContainedFile {
  std::string path;                  // "/usr/lib/libssl.so.3"
  std::vector<std::string> aliases;  // hard links, and nothing else
  uint32_t mode = 0;
  uint64_t size = 0;
  std::vector<Extent> extents;  // in the file's order; they sum up to size
};

}  // namespace till::delta
