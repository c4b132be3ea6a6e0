// The order of image versions: "1.10.0" is newer than "1.9.2", "1.5.0" than "1.5.0-rc2"; "+build" does not count.
//   Parts between dots (and behind the first '-') are compared as numbers when both are, else as text, a number being
//   older than a text; after https://semver.org section 11, but with any count of parts.
#pragma once

#include <string_view>

namespace till::device {

// Negative, zero or positive: a is older than, the same as, or newer than b.
int CompareVersions(std::string_view a, std::string_view b);

}  // namespace till::device
