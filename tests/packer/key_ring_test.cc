#include "packer/key_ring.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/packer/scratch.h"

namespace till::packer {
namespace {

Result<tuf::RoleSet> Load(const std::string& folder) {
  std::string about;
  return LoadKeys(folder, kRolesOfReleases, about);
}

TEST(KeyRing, MakesEveryRoleAndReadsItBack) {
  const Scratch scratch;
  ASSERT_TRUE(MakeKeys(scratch.Path("keys")).ok());
  const Result<tuf::RoleSet> keys = Load(scratch.Path("keys"));
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(keys->root.keys.size(), 3u);
  EXPECT_EQ(keys->root.threshold, 2u);
  EXPECT_EQ(keys->targets.keys.size(), 1u);
  EXPECT_NE(tuf::KeyId(keys->targets.keys[0]), tuf::KeyId(keys->deltas.keys[0]));
}

TEST(KeyRing, NeverWritesOverAKey) {
  const Scratch scratch;
  ASSERT_TRUE(MakeKeys(scratch.Path("keys")).ok());
  const Result<std::string> before = ReadTextFile(scratch.Path("keys/root-1.pem"));
  EXPECT_EQ(MakeKeys(scratch.Path("keys")).error().code, ErrorCode::kConflict);
  EXPECT_EQ(*ReadTextFile(scratch.Path("keys/root-1.pem")), *before);
}

TEST(KeyRing, RefusesAKeyThatOthersCanRead) {
  const Scratch scratch;
  ASSERT_TRUE(MakeKeys(scratch.Path("keys")).ok());
  ASSERT_EQ(chmod(scratch.Path("keys/targets-1.pem").c_str(), 0644), 0);
  EXPECT_EQ(Load(scratch.Path("keys")).error().code, ErrorCode::kRefused);
}

TEST(KeyRing, LivesWithoutTheOfflineKeys) {
  const Scratch scratch;
  ASSERT_TRUE(MakeKeys(scratch.Path("keys")).ok());
  for (const char* name : {"keys/root-1.pem", "keys/root-2.pem", "keys/root-3.pem"}) {
    std::filesystem::remove(scratch.Path(name));
  }
  const Result<tuf::RoleSet> keys = Load(scratch.Path("keys"));
  ASSERT_TRUE(keys.ok());
  EXPECT_TRUE(keys->root.keys.empty());
}

TEST(KeyRing, SaysWhenThereIsNoKeyOrNoneThatCanBeRead) {
  const Scratch scratch;
  EXPECT_EQ(Load(scratch.Path("none")).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(MakeKeys(scratch.Path("keys")).ok());
  ASSERT_TRUE(WriteFileAtomically(scratch.Path("keys/deltas-1.pem"), AsBytes("no key"), 0600).ok());
  EXPECT_FALSE(Load(scratch.Path("keys")).ok());
}

TEST(KeyRing, NamesTheKeyThatIsMissingOrOpenAndHow) {
  const Scratch scratch;
  ASSERT_TRUE(MakeKeys(scratch.Path("keys")).ok());
  const std::string deltas = scratch.Path("keys/deltas-1.pem");
  std::string about;
  ASSERT_EQ(chmod(deltas.c_str(), 0644), 0);
  EXPECT_EQ(LoadKeys(scratch.Path("keys"), kRolesOfRenewal, about).error().code, ErrorCode::kRefused);
  EXPECT_EQ(about, deltas + " has mode 0644: chmod 600 " + deltas);
  std::filesystem::remove(deltas);
  EXPECT_TRUE(LoadKeys(scratch.Path("keys"), kRolesOfRenewal, about).ok());
  for (const auto& wanted : {std::span<const std::string_view>(kRolesOfReleases), {kRolesOfDeltas}}) {
    EXPECT_EQ(LoadKeys(scratch.Path("keys"), wanted, about).error().code, ErrorCode::kNotFound);
    EXPECT_TRUE(about.starts_with(deltas)) << about;
  }
}

}  // namespace
}  // namespace till::packer
