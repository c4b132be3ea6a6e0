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
  auto log = LogFile::Open(path, 1000);
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
  auto log = LogFile::Open(path, 1000);
  ASSERT_TRUE(log->Write("next\n").ok());
  EXPECT_EQ(ReadTextFile(path).value(), "next\n");
  EXPECT_EQ(ReadTextFile(path + ".1").value().size(), 996U);
}

TEST(LogFile, APipeIsNeverRenamed) {
  TempFolder folder;
  const std::string path = folder.path() + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const auto reader = OpenFile(path, O_RDONLY | O_NONBLOCK);
  ASSERT_TRUE(reader.ok());
  auto log = LogFile::Open(path, 10);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(log->Write("a line\n").ok());
  EXPECT_FALSE(FileExists(path + ".1"));
}

}  // namespace
}  // namespace till
