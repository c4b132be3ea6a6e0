// Makes payloads: the way from one image to another, or one image whole.
//   A delta opens both images (delta/container), aligns what they hold, plans block by block under a profile, packs
//   frames, and is then applied by the terminal's own applier under the arena it declares: what comes out is proven.
//   Deterministic: the same images, options and pinned codecs give the same bytes at any number of threads.
//   Memory: both images by the caller's views; their changed parts opened (the base whole when something has no twin);
//   5 x the longest file of the base (suffix array), at most 5 x 64 MiB; the payload.
#pragma once

#include <functional>
#include <string_view>

#include "core/bytes.h"
#include "delta/diff/profile.h"
#include "delta/format/format.h"

namespace till::delta {

struct DiffProgress {
  const char* stage;  // "match", "prove", "pack", "apply"
  uint64_t done_bytes;
  uint64_t total_bytes;
};

struct DiffOptions {
  const Profile* profile = nullptr;  // of the terminals; nullptr: mt7688-64m
  int zstd_level = 22;
  // Exactly equal bytes in a row from which COPY is used instead of DIFF. The residual model codes equal bytes for next
  // to nothing, ops it does not: pair M took 132,645 bytes at 512, 127,181 at 2048, 126,566 at 4096, 125,825 at 16384;
  // what is copied costs a terminal no model. Minor version 1 (zstd) asks for 512.
  uint64_t min_copy_bytes = 4096;
  unsigned threads = 1;  // the payload does not depend on it
  bool apply_to_prove = true;
  // Called now and then; false cancels (kCanceled).
  std::function<bool(const DiffProgress&)> progress;
};

// What the planner did with the blocks of the target's containers.
struct DiffCounts {
  uint32_t blocks = 0;
  uint32_t copied_blocks = 0;  // the base has them, coded
  uint32_t remade_blocks = 0;
  uint32_t raw_blocks = 0;  // sent as they are: not reproducible, or cheaper
  uint64_t remade_plain_bytes = 0;
  uint64_t base_decodes = 0;  // as an applier counts them
  uint64_t base_decoded_bytes = 0;
};

struct DeltaResult {
  Bytes payload;  // the whole file: chunk-hash list and body
  PayloadHeader header;
  DiffCounts counts;
};

// kLimit when no delta fits the profile's memory; kCanceled.
Result<DeltaResult> MakeDeltaWithCounts(ByteView base, ByteView target, const DiffOptions& options = {});
Result<Bytes> MakeDelta(ByteView base, ByteView target, const DiffOptions& options = {});
// Of minor version 1, which every terminal reads: bytes against bytes, nothing opened; and an image without any base.
Result<Bytes> MakePlainDelta(ByteView base, ByteView target, const DiffOptions& options = {});
Result<Bytes> MakeFull(ByteView target, const DiffOptions& options = {});

}  // namespace till::delta
