#include "core/log_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temp_folder.h"

namespace till {
namespace {

TEST(LogFile, NeverTakesMoreThanTwiceItsBound) {
  TempFolder folder;
  const std::string path = folder.path() + "/log";
  auto log = LogFile::Open(path, {.max_bytes = 1000});
  ASSERT_TRUE(log.ok());
  std::string all;
  for (int i = 0; i < 500; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    all += line;
    ASSERT_TRUE(log->Write(line).ok());
    ASSERT_LE(ReadTextFile(path).value().size(), 1000U);
  }
  const std::string kept = ReadTextFile(path + ".1").value() + ReadTextFile(path).value();
  EXPECT_GT(kept.size(), 1000U);
  EXPECT_LE(kept.size(), 2000U);
  EXPECT_TRUE(all.ends_with(kept)) << "the newest lines, whole and in order";
}

TEST(LogFile, GoesOnWithWhatIsThereAndCountsIt) {
  TempFolder folder;
  const std::string path = folder.path() + "/log";
  ASSERT_TRUE(WriteFileAtomically(path, AsBytes(std::string(995, 'x') + "\n")).ok());
  auto log = LogFile::Open(path, {.max_bytes = 1000});
  ASSERT_TRUE(log->Write("next\n").ok());
  EXPECT_EQ(ReadTextFile(path).value(), "next\n");
  EXPECT_EQ(ReadTextFile(path + ".1").value().size(), 996U);
}

TEST(LogFile, KeepsAsManyOlderOnesAsWanted) {
  TempFolder folder;
  const std::string path = folder.path() + "/log";
  auto log = LogFile::Open(path, {.max_bytes = 2, .older = 3});
  for (const char* line : {"1\n", "2\n", "3\n", "4\n", "5\n", "6\n"}) ASSERT_TRUE(log->Write(line).ok());
  EXPECT_EQ(ReadTextFile(path).value(), "6\n");
  EXPECT_EQ(ReadTextFile(path + ".1").value(), "5\n");
  EXPECT_EQ(ReadTextFile(path + ".3").value(), "3\n");
  EXPECT_FALSE(FileExists(path + ".4"));
}

TEST(LogFile, GoesOnInANewFileWhenItsOwnWasMovedAway) {
  TempFolder folder;
  const std::string path = folder.path() + "/log";
  auto log = LogFile::Open(path, {.max_bytes = 0});
  ASSERT_TRUE(log->Write("before\n").ok());
  ASSERT_EQ(rename(path.c_str(), (path + ".kept").c_str()), 0);
  ASSERT_TRUE(log->Write("still there\n").ok());
  ASSERT_TRUE(log->Reopen().ok());
  ASSERT_TRUE(log->Write("after\n").ok());
  EXPECT_EQ(ReadTextFile(path + ".kept").value(), "before\nstill there\n");
  EXPECT_EQ(ReadTextFile(path).value(), "after\n");
}

TEST(LogFile, APipeIsNeverRenamed) {
  TempFolder folder;
  const std::string path = folder.path() + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const auto reader = OpenFile(path, O_RDONLY | O_NONBLOCK);
  ASSERT_TRUE(reader.ok());
  auto log = LogFile::Open(path, {.max_bytes = 10});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(log->Write("a line\n").ok());
  EXPECT_FALSE(FileExists(path + ".1"));
}

}  // namespace
}  // namespace till
