// Which encoder makes each changed block of the target again, and which opens each block of the base; at most
// kMaxRecodes of them, the most useful ones.
#pragma once

#include "delta/diff/arena_budget.h"
#include "delta/diff/plan.h"

namespace till::delta {

struct BlockRecodes {
  static constexpr uint8_t kNone = 0xff;
  std::vector<Recode> recodes;
  std::vector<uint8_t> of_target;  // by block: index, or kNone; likely, not yet proven
  std::vector<uint8_t> of_base;
};

// Takes from `budget` what it chose; blocks too long for it have none.
BlockRecodes ChooseRecodes(const ExpandedImage& base, ExpandedImage& target, const std::vector<bool>& changed,
                           ArenaBudget& budget);

}  // namespace till::delta
