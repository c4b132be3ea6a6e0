// Which blocks of the base an applier must open, and keeping that few: each opening costs it a decoding, and it holds
// only a few opened blocks at a time (least recently used out first).
#pragma once

#include <set>

#include "delta/diff/content.h"
#include "delta/diff/plan.h"

namespace till::delta {

class OpenedBlocks {
 public:
  explicit OpenedBlocks(unsigned capacity) : capacity_(capacity) {}
  // Answers whether the block had to be opened.
  bool Use(uint32_t block);
  // Whether the block is there and still will be when one more was opened.
  bool Keeps(uint32_t block) const;

 private:
  std::vector<uint32_t> held_;  // most recently used last
  unsigned capacity_;
};

// Bytes a target block takes unchanged from a base block it is aligned with, below which that is not worth opening it.
inline constexpr uint64_t kWorthOpeningBytes = 12'288;

// `alignments` are those of one target block, in its order. Answers the base blocks it may read: those `opened` keeps
// anyway and those that give it most, not more than fit the cache.
std::set<uint32_t> ChooseSources(const ExpandedImage& base, const ExpandedImage& target,
                                 const std::vector<Alignment>& alignments, const OpenedBlocks& opened, size_t most);

// Plays the plan's reads against the applier's cache: fills PlanCounts::base_decodes.
void CountDecodes(const ExpandedImage& base, Plan& plan);

}  // namespace till::delta
