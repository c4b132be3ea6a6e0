// What a medium can be made to name: only regular files of its own, only by their last name. covers D07
#include "device/release_medium.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace till::device {
namespace {

namespace fs = std::filesystem;

struct Entry {
  const char* name;
  std::string path;
  char type;
  std::string body;
  std::string link;
};

// One member, as GNU tar writes it (POSIX.1-1988 ustar header).
std::string Member(const Entry& entry) {
  std::string header(512, '\0');
  const auto put = [&](size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  put(0, entry.path.substr(0, 100));
  char octal[16];
  std::snprintf(octal, sizeof octal, "%011zo", entry.body.size());
  put(124, octal);
  put(148, std::string(8, ' '));
  header[156] = entry.type;
  put(157, entry.link);
  put(257, "ustar");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(octal, sizeof octal, "%06o", sum);
  put(148, octal);
  std::string body = entry.body;
  body.resize((body.size() + 511) / 512 * 512);
  return header + body;
}

class MediumTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/till-medium-XXXXXX";
    root_ = mkdtemp(pattern.data());
    fs::create_directories(root_ / "stick/tuf");
    Write(root_ / "secret.till", "the terminal's own");
  }
  void TearDown() override { fs::remove_all(root_); }

  static void Write(const fs::path& path, const std::string& text) {
    ASSERT_TRUE(WriteFileAtomically(path.string(), AsBytes(text)).ok());
  }
  std::unique_ptr<ReleaseMedium> OpenArchive(const std::string& members) {
    Write(root_ / "stick.tar", members + std::string(1024, '\0'));
    auto medium = ReleaseMedium::Open((root_ / "stick.tar").string());
    return medium.ok() ? std::move(*medium) : nullptr;
  }
  static std::string TextOf(Source& source) {
    Bytes bytes(source.size());
    EXPECT_TRUE(ReadFully(source, 0, bytes).ok());
    return std::string(AsText(bytes));
  }

  fs::path root_;
};

TEST_F(MediumTest, TakesFromAnArchiveOnlyBytesOfThatArchive) {
  const std::string secret = (root_ / "secret.till").string();
  const Entry entries[] = {
      {"up and out", "../secret.till", '0', "from the archive", ""},
      {"absolute", secret, '0', "from the archive", ""},
      {"deep", "a/../../b/../../../secret.till", '0', "from the archive", ""},
      {"device", "secret.till", '3', "", ""},
      {"symbolic link", "secret.till", '2', "", secret},
      {"hard link", "secret.till", '1', "", secret},
      {"fifo", "secret.till", '6', "", ""},
      {"a NUL in the name", std::string("secret.till\0.json", 17), '0', "from the archive", ""},
  };
  for (const Entry& entry : entries) {
    const auto medium = OpenArchive(Member(entry));
    ASSERT_NE(medium, nullptr) << entry.name;
    const auto payload = medium->OpenPayload("secret.till");
    if (entry.type != '0') {
      EXPECT_FALSE(payload.ok()) << entry.name;
      continue;
    }
    ASSERT_TRUE(payload.ok()) << entry.name;
    EXPECT_EQ(TextOf(**payload), "from the archive") << entry.name;
  }
  EXPECT_EQ(ReadTextFile(secret).value(), "the terminal's own");
}

TEST_F(MediumTest, BelievesTheFirstOfTwoMembersOfOneName) {
  const auto medium =
      OpenArchive(Member({"", "x/a.till", '0', "first", ""}) + Member({"", "y/a.till", '0', "second", ""}));
  ASSERT_NE(medium, nullptr);
  EXPECT_EQ(medium->Payloads()->size(), 1u);
  EXPECT_EQ(TextOf(**medium->OpenPayload("a.till")), "first");
  // The case of a name counts: a.till and A.TILL are two, and only one of them is a payload's name.
  EXPECT_FALSE(medium->OpenPayload("A.TILL").ok());
}

TEST_F(MediumTest, RefusesNamesWithoutEnd) {
  EXPECT_EQ(
      OpenArchive(Member({"", "././@LongLink", 'L', std::string(4096, 'n'), ""}) + Member({"", "n", '0', "body", ""})),
      nullptr);
}

TEST_F(MediumTest, FollowsNoLinkOfAFolderAndOpensNoPipe) {
  const fs::path stick = root_ / "stick";
  fs::create_symlink(root_ / "secret.till", stick / "linked.till");
  fs::create_symlink("/dev/zero", stick / "endless.till");
  fs::create_symlink(root_ / "secret.till", stick / "tuf/root.json");
  fs::create_symlink(root_ / "secret.till", stick / "release.tuf");
  ASSERT_EQ(mkfifo((stick / "pipe.till").c_str(), 0600), 0);
  Write(stick / "real.till", "real");
  const auto medium = ReleaseMedium::Open(stick.string());
  ASSERT_TRUE(medium.ok()) << medium.error().what;
  const auto payloads = (*medium)->Payloads();
  ASSERT_TRUE(payloads.ok());
  ASSERT_EQ(payloads->size(), 1u);
  EXPECT_EQ((*payloads)[0].name, "real.till");
  EXPECT_FALSE((*medium)->ReadMetadata("root.json", 1 << 20).ok());
}

TEST_F(MediumTest, FollowsNoLinkInPlaceOfAFolderEither) {
  const fs::path stick = root_ / "stick";
  fs::create_directories(root_ / "own");
  Write(root_ / "own/timestamp.json", "the terminal's own");
  fs::remove_all(stick / "tuf");
  fs::create_directory_symlink(root_ / "own", stick / "tuf");
  fs::create_directory_symlink(root_ / "own", root_ / "tuf");  // beside it
  const auto medium = ReleaseMedium::Open(stick.string());
  ASSERT_TRUE(medium.ok()) << medium.error().what;
  EXPECT_FALSE((*medium)->has_metadata());
}

TEST_F(MediumTest, DoesNotFollowALinkThatCameLater) {
  const fs::path stick = root_ / "stick";
  Write(stick / "a.till", "its own");
  Write(stick / "tuf/timestamp.json", "{}");
  fs::create_directories(root_ / "own");
  Write(root_ / "own/timestamp.json", "the terminal's own");
  const auto medium = ReleaseMedium::Open(stick.string());
  ASSERT_TRUE(medium.ok());
  ASSERT_TRUE((*medium)->has_metadata());
  fs::remove(stick / "a.till");
  fs::create_symlink(root_ / "secret.till", stick / "a.till");
  fs::remove_all(stick / "tuf");
  fs::create_directory_symlink(root_ / "own", stick / "tuf");
  EXPECT_FALSE((*medium)->OpenPayload("a.till").ok());
  EXPECT_FALSE((*medium)->ReadMetadata("timestamp.json", 1 << 20).ok());
}

}  // namespace
}  // namespace till::device
