#include "core/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>

namespace till {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/till-file-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    root_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string root_;
};

TEST_F(FileTest, ReplacesAFileAsAWhole) {
  const std::string path = root_ + "/a";
  ASSERT_TRUE(WriteFileAtomically(path, AsBytes("one"), 0600).ok());
  EXPECT_EQ(*ReadTextFile(path), "one");
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  // A wider file that a cut left beside does not widen the new one.
  ASSERT_TRUE(FileSink::Create(path + ".new", 0666).ok());
  ASSERT_TRUE(WriteFileAtomically(path, AsBytes("two"), 0600).ok());
  EXPECT_EQ(*ReadTextFile(path), "two");
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  EXPECT_FALSE(FileExists(path + ".new"));
}

TEST_F(FileTest, LeavesNothingBesideWhenReplacingFails) {
  EXPECT_EQ(WriteFileAtomically(root_ + "/none/a", AsBytes("x")).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(MakeFolders(root_ + "/folder/in").ok());
  EXPECT_FALSE(WriteFileAtomically(root_ + "/folder", AsBytes("x")).ok());
  EXPECT_FALSE(FileExists(root_ + "/folder.new"));
}

// covers F05
TEST_F(FileTest, KeepsTheOldFileWhenTheDiskIsFull) {
  const std::string path = root_ + "/a";
  ASSERT_TRUE(WriteFileAtomically(path, AsBytes("old")).ok());
  const pid_t child = fork();
  if (child == 0) {
    // A limit on file sizes stands in for a full disk: EFBIG where a disk says ENOSPC.
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const Status written = WriteFileAtomically(path, Bytes(100'000));
    _exit(!written.ok() && written.error().code == ErrorCode::kLimit ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(*ReadTextFile(path), "old");
  EXPECT_FALSE(FileExists(path + ".new"));
}

TEST_F(FileTest, BoundsWhatItReads) {
  const std::string path = root_ + "/a";
  ASSERT_TRUE(WriteFileAtomically(path, AsBytes("12345")).ok());
  EXPECT_EQ(*ReadTextFile(path, 5), "12345");
  EXPECT_EQ(ReadTextFile(path, 4).error().code, ErrorCode::kLimit);
  EXPECT_EQ(ReadBinaryFile(path, 4).error().code, ErrorCode::kLimit);
  EXPECT_EQ(ReadTextFile(root_ + "/none").error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(ReadTextFile(root_).ok());  // a folder
}

TEST_F(FileTest, MakesFoldersAndTellsAFileFromAFolder) {
  EXPECT_TRUE(MakeFolders(root_ + "/a/b/c").ok());
  EXPECT_TRUE(MakeFolders(root_ + "/a/b/c").ok());
  EXPECT_TRUE(MakeFolders(root_ + "/a//d/").ok());
  EXPECT_TRUE(FileExists(root_ + "/a/d"));
  ASSERT_TRUE(WriteFileAtomically(root_ + "/file", AsBytes("x")).ok());
  EXPECT_FALSE(MakeFolders(root_ + "/file").ok());
  EXPECT_FALSE(MakeFolders(root_ + "/file/below").ok());
  EXPECT_FALSE(MakeFolders("").ok());
}

TEST_F(FileTest, WritesAndReadsAtOffsets) {
  Result<UniqueFd> fd = OpenFile(root_ + "/a", O_RDWR | O_CREAT);
  ASSERT_TRUE(fd.ok());
  ASSERT_TRUE(WriteAllAt(fd->get(), 5, AsBytes("world")).ok());
  ASSERT_TRUE(WriteAllAt(fd->get(), 0, AsBytes("hello")).ok());
  EXPECT_EQ(*FileSize(fd->get()), 10U);
  FileSource source(std::move(*fd), 10);
  Bytes all(10);
  ASSERT_TRUE(ReadFully(source, 0, all).ok());
  EXPECT_EQ(AsText(all), "helloworld");
  EXPECT_EQ(*source.ReadAt(10, all), 0U);
  EXPECT_EQ(ReadFully(source, 1, all).error().code, ErrorCode::kCorrupt);
}

TEST_F(FileTest, ClosesDescriptorsOnce) {
  Result<UniqueFd> opened = OpenFile("/dev/null", O_RDONLY);
  ASSERT_TRUE(opened.ok());
  const int number = opened->get();
  UniqueFd first = std::move(*opened);
  EXPECT_FALSE(opened->valid());
  UniqueFd second;
  second = std::move(first);
  EXPECT_EQ(second.get(), number);
  EXPECT_NE(fcntl(number, F_GETFD) & FD_CLOEXEC, 0);
  second.Reset();
  EXPECT_FALSE(second.valid());
  EXPECT_EQ(fcntl(number, F_GETFD), -1);
}

TEST(SystemError, ChoosesTheCodeByWhatTheCallerWillDo) {
  EXPECT_EQ(SystemError("x", ENOENT).code, ErrorCode::kNotFound);
  EXPECT_EQ(SystemError("x", ENOSPC).code, ErrorCode::kLimit);
  EXPECT_EQ(SystemError("x", EDQUOT).code, ErrorCode::kLimit);
  EXPECT_EQ(SystemError("x", EFBIG).code, ErrorCode::kLimit);
  EXPECT_TRUE(IsDiskFull(SystemError("x", ENOSPC)));
  EXPECT_FALSE(IsDiskFull(SystemError("x", EIO)));
  EXPECT_FALSE(IsDiskFull(Error{ErrorCode::kLimit, "too long", 65536}));
  EXPECT_EQ(SystemError("x", EIO).code, ErrorCode::kIo);
  EXPECT_EQ(SystemError("x", EIO).detail, static_cast<uint64_t>(EIO));
}

}  // namespace
}  // namespace till
