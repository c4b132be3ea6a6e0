// Patches of bsdiff 4.3 (Colin Percival, 2003), the trade's own format: for those who come from bspatch, or go back to
// it. Debian's bspatch applies what is made here, and what Debian's bsdiff made is applied here.
//   Layout, numbers of 8 bytes little endian with the sign in the highest bit: "BSDIFF40", coded bytes of control and
//   of diff, bytes of the target; then three bzip2 streams: control (triples: bytes of diff, bytes of extra, how far
//   the base's position moves), diff (added to the base's bytes), extra. It names neither base nor target: a wrong base
//   gives a wrong image. Nothing is opened and made again. Host only. Errors: kCorrupt, kLimit (a target longer than
//   allowed), kUnsupported (no such patch), kIo.
#pragma once

#include "core/io.h"
#include "delta/diff/diff.h"

namespace till::delta {

// Three decoders of bzip2 with the largest blocks, in their small kind, and what passes through.
inline constexpr uint64_t kBsdiff40ApplyBytes = 7'864'320;

// Memory: that of the matches, and the patch. kLimit, kCanceled.
Result<Bytes> MakeBsdiff40(ByteView base, ByteView target, const DiffOptions& options);

struct Bsdiff40Header {
  uint64_t control_coded_bytes = 0;
  uint64_t diff_coded_bytes = 0;
  uint64_t target_bytes = 0;
};
// kUnsupported when the file does not begin like one.
Result<Bsdiff40Header> ReadBsdiff40Header(Source& patch);

// Rebuilds the target in order. Takes kBsdiff40ApplyBytes of memory and time in proportion to the target, whatever the
// patch says; it refuses a target of more than `max_target_bytes` before the first byte.
Status ApplyBsdiff40(Source& base, Source& patch, uint64_t max_target_bytes, Sink& target);

}  // namespace till::delta
