// Finds where the packed bytes of the base stand again in what travels as packed: coded blocks that are not made again,
// and what lies between blocks and resembles nothing there. This is the floor of every payload: no byte-level tool sees
// more than these bytes and the base's.
//   Memory: 5 x the base's length (suffix array), at most 5 x 64 MiB, and its gram set; the packed bytes once more.
#pragma once

#include "delta/diff/content.h"
#include "delta/diff/diff.h"

namespace till::delta {

struct PackedStretch {
  uint64_t offset = 0;  // in the target image
  uint64_t length = 0;
};

// `stretches` ascend and do not overlap; nor do the alignments. Both sides are raw. kCanceled, kLimit.
Result<std::vector<Alignment>> AlignPacked(ByteView base, ByteView target, const std::vector<PackedStretch>& stretches,
                                           const DiffOptions& options);

}  // namespace till::delta
