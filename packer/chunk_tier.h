// The chunk tier on files: made for a release, and played as a terminal with any base would.
#pragma once

#include <string>

#include "packer/release_record.h"

namespace till::packer {

// Averages of 4 KiB: of 1 to 64 KiB the least bytes on pair S of the corpus, and within 0.3 % of it on M
// (docs/packing.md).
inline constexpr unsigned kChunkAverageLog2 = 12;

// Fills what the record says of the object; its file is written whole.
Status MakeChunkObject(const std::string& image_path, Sink& out, unsigned average_log2, PayloadRecord& record);

// What a terminal with this base would do.
struct ChunkCost {
  uint64_t index_bytes = 0;    // fetched first
  uint64_t missing_bytes = 0;  // fetched from the pack
  uint64_t ranges = 0;         // requests for that
  uint64_t arena_bytes = 0;
  uint64_t image_bytes = 0;
  // Bytes that travel, with 500 for each request.
  uint64_t total_bytes() const { return index_bytes + missing_bytes + (ranges + 1) * 500; }
};

// Where the image goes, and what reads it back while it is written; null: nothing can, and repeats are read again from
// the object.
struct ChunkOutput {
  Sink* sink = nullptr;  // null: only the plan is made, that of a terminal which reads back
  Source* written = nullptr;
};

// `base_path` "" = a terminal that holds nothing.
Result<ChunkCost> PlayChunks(const std::string& base_path, const std::string& object_path, const ChunkOutput& output);

}  // namespace till::packer
