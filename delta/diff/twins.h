// Which file of the base a file of the target comes from.
//   Same path; else among the files that are gone: the same path with its version numbers taken out
//   (/lib/modules/6.6.73/, libfoo.so.1.2), the same name without numbers, nearest in size and place.
#pragma once

#include <cstdint>
#include <vector>

#include "delta/container/coded_block.h"

namespace till::delta {

inline constexpr int64_t kNoTwin = -1;

// For each target file the index of its twin in `base`, or kNoTwin.
std::vector<int64_t> FindTwins(const std::vector<ContainedFile>& base, const std::vector<ContainedFile>& target);

}  // namespace till::delta
