// The chunk tier's one object: chunk-hash list, index, pack (the image as it is). Edges keep it like any payload; a
// terminal fetches its start and then ranges. Layout: docs/formats/chunks.md.
#pragma once

#include "core/chunklist.h"
#include "delta/chunks/chunk_index.h"

namespace till::delta {

struct ChunkFile {
  uint64_t list_bytes = 0;  // the index begins here
  crypto::Sha256Digest list_sha256{};
  uint64_t index_bytes = 0;
  crypto::Sha256Digest index_sha256{};  // what the signed entry names
  ChunkIndex index;
  uint64_t pack_offset() const { return list_bytes + index_bytes; }
};

// Opens one and checks index and list (not the pack's bytes). kCorrupt, kUnsupported, kLimit, kIo.
Result<ChunkFile> OpenChunkFile(Source& file);

// Writes one for an image. Reads it three times; memory: the index and the list.
Result<ChunkFile> WriteChunkFile(Source& image, unsigned average_log2, Sink& out);

}  // namespace till::delta
