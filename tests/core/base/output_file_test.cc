#include "core/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/support/temp_folder.h"

namespace till {
namespace {

namespace fs = std::filesystem;

class OutputFileTest : public testing::Test {
 protected:
  std::string Path(const char* name) const { return folder_.path() + "/" + name; }
  size_t EntryCount() const {
    const fs::directory_iterator all(folder_.path());
    return static_cast<size_t>(std::distance(begin(all), end(all)));
  }
  static mode_t ModeOf(const std::string& path) {
    struct stat info {};
    return lstat(path.c_str(), &info) == 0 ? info.st_mode : 0;
  }

 private:
  TempFolder folder_;
};

TEST_F(OutputFileTest, IsThereWhenFinishedAndNotBefore) {
  ASSERT_TRUE(WriteOutput(Path("a"), AsBytes("old and longer")).ok());
  {
    Result<OutputFile> file = OutputFile::Open(Path("a"));
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Write(AsBytes("new")).ok());
    EXPECT_EQ(*ReadTextFile(Path("a")), "old and longer");
  }
  EXPECT_EQ(*ReadTextFile(Path("a")), "old and longer");
  EXPECT_EQ(EntryCount(), 1U) << "the unfinished one stayed";
  ASSERT_TRUE(WriteOutput(Path("a"), AsBytes("new")).ok());
  EXPECT_EQ(*ReadTextFile(Path("a")), "new");
  EXPECT_EQ(EntryCount(), 1U);
}

TEST_F(OutputFileTest, TakesNoFileOfTheUsersForItsOwnUnfinishedOne) {
  ASSERT_TRUE(WriteOutput(Path("a.unfinished"), AsBytes("mine")).ok());
  ASSERT_TRUE(WriteOutput(Path("a"), AsBytes("x")).ok());
  EXPECT_EQ(*ReadTextFile(Path("a.unfinished")), "mine");
  EXPECT_EQ(EntryCount(), 2U);
}

TEST_F(OutputFileTest, WritesThroughADeviceNode) {
  const std::string node = Path("node");
  if (mknod(node.c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0 || !OpenFile(node, O_WRONLY).ok()) {
    GTEST_SKIP() << "nodes cannot be made here";
  }
  EXPECT_TRUE(WriteOutput(node, AsBytes("gone")).ok());
  EXPECT_TRUE(S_ISCHR(ModeOf(node)));
  EXPECT_EQ(ModeOf(node) & 0777, 0600U);
  fs::create_symlink("node", Path("link"));
  EXPECT_TRUE(WriteOutput(Path("link"), AsBytes("gone")).ok());
  EXPECT_TRUE(S_ISLNK(ModeOf(Path("link"))));
  EXPECT_TRUE(S_ISCHR(ModeOf(node)));
  { EXPECT_TRUE(OutputFile::Open(node).ok()); }  // unfinished: not removed
  EXPECT_TRUE(S_ISCHR(ModeOf(node)));
  EXPECT_EQ(EntryCount(), 2U);
}

TEST_F(OutputFileTest, TellsThatADeviceIsFull) {
  const std::string node = Path("full");
  if (mknod(node.c_str(), S_IFCHR | 0600, makedev(1, 7)) != 0 || !OpenFile(node, O_WRONLY).ok()) {
    GTEST_SKIP() << "nodes cannot be made here";
  }
  EXPECT_TRUE(IsDiskFull(WriteOutput(node, AsBytes("x")).error()));
  EXPECT_TRUE(S_ISCHR(ModeOf(node)));
}

TEST_F(OutputFileTest, WritesThroughAPipe) {
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  std::string got;
  std::thread reader([&] {
    const UniqueFd fd = OpenFile(Path("pipe"), O_RDONLY).value();
    char part[64];
    for (ssize_t n = 0; (n = read(fd.get(), part, sizeof part)) > 0;) got.append(part, static_cast<size_t>(n));
  });
  EXPECT_TRUE(WriteOutput(Path("pipe"), AsBytes("through")).ok());
  reader.join();
  EXPECT_EQ(got, "through");
  EXPECT_TRUE(S_ISFIFO(ModeOf(Path("pipe"))));
}

TEST_F(OutputFileTest, FollowsLinks) {
  fs::create_directories(Path("far"));
  ASSERT_TRUE(WriteOutput(Path("far/real"), AsBytes("old")).ok());
  fs::create_symlink("far/real", Path("one"));
  fs::create_symlink(Path("one"), Path("two"));
  ASSERT_TRUE(WriteOutput(Path("two"), AsBytes("new")).ok());
  EXPECT_EQ(*ReadTextFile(Path("far/real")), "new");
  EXPECT_TRUE(S_ISLNK(ModeOf(Path("one"))));
  EXPECT_TRUE(S_ISLNK(ModeOf(Path("two"))));

  fs::create_symlink("far/not-yet", Path("ahead"));
  ASSERT_TRUE(WriteOutput(Path("ahead"), AsBytes("made")).ok());
  EXPECT_EQ(*ReadTextFile(Path("far/not-yet")), "made");
  EXPECT_TRUE(S_ISLNK(ModeOf(Path("ahead"))));

  fs::create_symlink("loop", Path("loop"));
  EXPECT_FALSE(WriteOutput(Path("loop"), AsBytes("x")).ok());
  EXPECT_TRUE(S_ISLNK(ModeOf(Path("loop"))));
}

TEST_F(OutputFileTest, WritesThroughWhatAProcessHasOpen) {
  ASSERT_TRUE(WriteOutput(Path("a"), AsBytes("a longer old one")).ok());
  const UniqueFd open = OpenFile(Path("a"), O_RDWR).value();
  struct stat before {};
  ASSERT_EQ(fstat(open.get(), &before), 0);
  ASSERT_TRUE(WriteOutput("/proc/self/fd/" + std::to_string(open.get()), AsBytes("new")).ok());
  struct stat after {};
  ASSERT_EQ(stat(Path("a").c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino) << "replaced under the process that has it open";
  EXPECT_EQ(*ReadTextFile(Path("a")), "new");

  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_TRUE(WriteOutput("/proc/self/fd/" + std::to_string(ends[1]), AsBytes("piped")).ok());
  char got[8];
  EXPECT_EQ(std::string_view(got, static_cast<size_t>(read(ends[0], got, sizeof got))), "piped");
  close(ends[0]);
  close(ends[1]);
}

TEST_F(OutputFileTest, RefusesWhereTheProgramTellsItsResult) {
  ASSERT_TRUE(WriteOutput(Path("out"), AsBytes("told")).ok());
  fs::create_symlink("/proc/self/fd/1", Path("stdout"));  // as /dev/stdout is, which a test must not put at risk
  const int kept = dup(STDOUT_FILENO);
  const UniqueFd out = OpenFile(Path("out"), O_RDWR).value();
  fflush(stdout);
  ASSERT_EQ(dup2(out.get(), STDOUT_FILENO), STDOUT_FILENO);
  const Status by_link = WriteOutput(Path("stdout"), AsBytes("x"));
  const Status by_name = WriteOutput(Path("out"), AsBytes("x"));
  dup2(kept, STDOUT_FILENO);
  close(kept);
  EXPECT_EQ(by_link.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(by_name.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(*ReadTextFile(Path("out")), "told");
}

TEST_F(OutputFileTest, RefusesFoldersAndSockets) {
  fs::create_directories(Path("folder"));
  EXPECT_EQ(OutputFile::Open(Path("folder")).error().code, ErrorCode::kInvalid);
  const int socket_fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  Path("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(socket_fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(OutputFile::Open(Path("socket")).error().code, ErrorCode::kInvalid);
  close(socket_fd);
  EXPECT_TRUE(S_ISSOCK(ModeOf(Path("socket"))));
  EXPECT_EQ(OutputFile::Open(Path("none/a")).error().code, ErrorCode::kNotFound);
}

TEST_F(OutputFileTest, KeepsRightsButNoneThatItsModeLacks) {
  ASSERT_TRUE(WriteOutput(Path("a"), AsBytes("x"), 0600).ok());
  EXPECT_EQ(ModeOf(Path("a")) & 07777, 0600U);
  ASSERT_TRUE(WriteOutput(Path("a"), AsBytes("x")).ok());
  EXPECT_EQ(ModeOf(Path("a")) & 07777, 0600U) << "a closed file was opened to others";
  fs::permissions(Path("a"), fs::perms(0644));
  ASSERT_TRUE(WriteOutput(Path("a"), AsBytes("secret"), 0600).ok());
  EXPECT_EQ(ModeOf(Path("a")) & 07777, 0600U) << "a secret was written for others to read";
  if (getuid() == 0) {
    ASSERT_EQ(chown(Path("a").c_str(), 12, 34), 0);
    ASSERT_TRUE(WriteOutput(Path("a"), AsBytes("x")).ok());
    struct stat info {};
    ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 12U);
    EXPECT_EQ(info.st_gid, 34U);
  }
}

}  // namespace
}  // namespace till
