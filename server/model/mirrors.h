// The edges a terminal is to try.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace till::server {

// The value of till.mirrors for this terminal: URLs with a blank between, in the order it is to try them; rotated by a
// hash of its id, so that a fleet spreads evenly and a terminal always begins at the same edge. "" when there is none.
std::string MirrorsFor(std::string_view controller_id, const std::vector<std::string>& mirrors);

}  // namespace till::server
