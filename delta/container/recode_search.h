// Finds the encoder and parameters that made a coded block, by making it again.
//   What the block itself tells (dictionary, lc/lp/pb, filter, window) is taken from it; preset, level and strategy are
//   tried, the usual ones first. A block counts only when all its bytes come out again, up to kMaxFixBytes repaired
//   ones. Thread rule: Search() is stateless.
#pragma once

#include <optional>

#include "delta/container/expanded_image.h"

namespace till::delta {

inline constexpr uint32_t kMaxFixBytes = 32;

// `coded` differs from what the recode makes of the plain bytes in [offset, +length) of each.
struct BlockFix {
  uint32_t offset = 0;
  uint32_t length = 0;
};

struct Remake {
  Recode recode;
  std::vector<BlockFix> fixes;
};

// Whether this recode makes `coded` of `plain`.
std::optional<Remake> TryRecode(const Recode& recode, ByteView plain, ByteView coded);
// All that could have made it, the likeliest first.
std::vector<Recode> RecodeCandidates(const CodedBlock& block, ByteView coded);

}  // namespace till::delta
