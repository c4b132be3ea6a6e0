// Finds which stretches of the target resemble which stretches of the base.
//   Method after bsdiff 4 (Percival 2003, "Naive differences of executable code"): longest exact matches from a suffix
//   array, kept when they beat the current alignment by more than 6 bytes, then grown on both sides while at least
//   half of the bytes agree. Added: a bitmap of the base's 8-byte grams answers most hopeless searches with one look
//   (in new compressed blocks nearly all are), and compared lengths are capped, which takes bsdiff's quadratic cases.
//   Memory: 4 x base for the suffix array, up to 128 MiB for the bitmap. Deterministic.
#pragma once

#include "delta/diff/diff.h"

namespace till::delta {

// target[target_offset, +length) resembles base[base_offset, +length). Matches come in target order and do not
// overlap in the target; what lies between them is new.
struct Match {
  uint64_t target_offset;
  uint64_t base_offset;
  uint64_t length;
};

// kLimit when the base is too long for the index, kCanceled.
Result<std::vector<Match>> FindMatches(ByteView base, ByteView target, const DiffOptions& options);

}  // namespace till::delta
