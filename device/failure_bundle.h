// What a person wants to see after a failure, small enough to be kept and sent: the reason, the kernel's last words
// (pstore), our own last log lines, the memory, the settings without secrets.
//   Bounds: the bundle never passes its budget; each part is cut at its start, because ends tell more.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"

namespace till::device {

// The end of the newest pstore records (dmesg-*, console-*) in `folder`; "" when there is none.
std::string KernelTail(const std::string& folder, size_t most_bytes);
// Text in pieces of at most `piece_bytes`, whole lines where they fit, `most` of them, the end of the text.
std::vector<std::string> CutIntoDetails(std::string_view text, size_t piece_bytes, size_t most);

// Parts in order of importance: the budget is spent on the first ones first.
using BundleParts = std::vector<std::pair<const char*, std::string>>;
std::string MakeBundle(const BundleParts& parts, size_t budget_bytes);

}  // namespace till::device
