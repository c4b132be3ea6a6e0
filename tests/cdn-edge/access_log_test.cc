// The access log does not grow without bound.
#include "cdn-edge/access_log.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "tests/support/temp_folder.h"
#include "tests/support/test_clock.h"

namespace till::edge {
namespace {

TEST(AccessLog, BecomesOlderOnesAtItsBoundAndTheOldestGoes) {
  const TempFolder folder;
  TestClock clock;
  const std::string path = folder.path() + "/log";
  const auto log = AccessLog::Open(path, 1'000, clock).value();
  AccessLine line;
  for (int i = 0; i < 100; ++i) {
    line.path = "/a/" + std::to_string(i);
    log->Write(line);
  }
  const auto size = [](const std::string& file) {
    const auto text = ReadTextFile(file);
    return text.ok() ? text->size() : 0;
  };
  for (const char* suffix : {"", ".1", ".2", ".3", ".4"}) {
    EXPECT_GT(size(path + suffix), 0U) << suffix;
    EXPECT_LE(size(path + suffix), 1'000U) << suffix;
  }
  EXPECT_FALSE(FileExists(path + ".5"));
  EXPECT_NE(ReadTextFile(path)->find("/a/99\""), std::string::npos) << "the newest is in the log itself";
}

}  // namespace
}  // namespace till::edge
