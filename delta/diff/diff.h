// Makes payloads: the way from one image to another, or one image whole.
//   Deterministic: the same images, options and libzstd give the same bytes.
//   Memory: both images are in memory by the caller's views; besides them 4 x base (suffix array) + base (index of
//   8-byte grams, at most 128 MiB) + the payload. Base up to 2 GiB - 1 (libdivsufsort's 32-bit indices): kLimit.
#pragma once

#include <functional>

#include "core/bytes.h"
#include "delta/format/format.h"

namespace till::delta {

struct DiffProgress {
  const char* stage;  // "index", "match", "pack"
  uint64_t done_bytes;
  uint64_t total_bytes;
};

struct DiffOptions {
  int zstd_level = 22;
  unsigned cache_blocks = 3;  // opened blocks of the base an applier holds
  unsigned threads = 1;       // the payload does not depend on it
  // Exactly equal bytes in a row from which COPY is used instead of DIFF. Zeros in the diff stream cost zstd less than
  // ops do: an expanded kernel took 376,345 bytes at 48, 364,327 at 128, 352,879 at 512 (2026-11).
  uint64_t min_copy_bytes = 512;
  // Called now and then; false cancels (kCanceled).
  std::function<bool(const DiffProgress&)> progress;
};

// The whole payload file: chunk-hash list and body.
Result<Bytes> MakeDelta(ByteView base, ByteView target, const DiffOptions& options = {});
Result<Bytes> MakeFull(ByteView target, const DiffOptions& options = {});

}  // namespace till::delta
