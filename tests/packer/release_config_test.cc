#include "packer/release_config.h"

#include <gtest/gtest.h>

#include "tests/packer/scratch.h"

namespace till::packer {
namespace {

constexpr const char* kGood = R"(
[product]
name = "pos"
board = ["acme,pos-100", "acme,pos-110"]
[image.rootfs]
file = "bin/rootfs.squashfs"
slot = "firmware"
[delta]
from = "last=5"
profile = "mt7688-128m"
keep_if = "delta < 0.5 * full"
[release]
rollback_index = 3
)";

TEST(ReleaseConfig, ReadsAWholeFileWithPathsFromItsOwnFolder) {
  const Scratch scratch;
  ConfigFault fault;
  const Result<ReleaseConfig> config = LoadReleaseConfig(scratch.Write("tillrace.toml", AsBytes(kGood)), fault);
  ASSERT_TRUE(config.ok()) << fault.where << " " << fault.what;
  EXPECT_EQ(config->product, "pos");
  EXPECT_EQ(config->boards.size(), 2u);
  EXPECT_EQ(config->images[0].file, scratch.Path("bin/rootfs.squashfs"));
  EXPECT_EQ(config->images[0].slot_class, "firmware");
  EXPECT_EQ(config->bases.kind, BaseChoice::Kind::kLast);
  EXPECT_EQ(config->bases.last, 5u);
  EXPECT_EQ(config->profile->name, "mt7688-128m");
  EXPECT_EQ(config->keep_permille, 500u);
  EXPECT_EQ(config->rollback_index, 3u);
  EXPECT_EQ(config->keys_folder, scratch.Path("keys"));
}

TEST(ReleaseConfig, RefusesWhatItDoesNotUnderstandAndSaysWhere) {
  const struct {
    const char* name;
    const char* text;
    const char* where;
  } cases[] = {
      {"no TOML", "[product\n", ":1"},
      {"nothing", "", "[product]"},
      {"unknown section", "[prodct]\nname=\"x\"\n", "[prodct]"},
      {"unknown key", "[product]\nname=\"x\"\nboards=[\"a\"]\n", "line 3, [product] boards"},
      {"name with a slash", "[product]\nname=\"a/b\"\nboard=[\"a\"]\n", "[product] name"},
      {"hidden name", "[product]\nname=\".a\"\nboard=[\"a\"]\n", "[product] name"},
      {"no board", "[product]\nname=\"x\"\n", "[product] board"},
      {"board is no text", "[product]\nname=\"x\"\nboard=[1]\n", "[product] board"},
      {"no image", "[product]\nname=\"x\"\nboard=[\"a\"]\n", "[image.<name>]"},
      {"image without file", "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nslot=\"s\"\n", "[image.r] file"},
      {"file is no text", "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=1\n", "[image.r] file"},
      {"bases", "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=\"f\"\n[delta]\nfrom=\"last=0\"\n",
       "[delta] from"},
      {"profile", "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=\"f\"\n[delta]\nprofile=\"pc\"\n",
       "[delta] profile"},
      {"keep_if", "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=\"f\"\n[delta]\nkeep_if=\"full < delta\"\n",
       "[delta] keep_if"},
      {"pkcs11", "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=\"f\"\n[sign]\nkeys=\"pkcs11:token=t\"\n",
       "[sign] keys"},
      {"index", "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=\"f\"\n[release]\nrollback_index=-1\n",
       "[release] rollback_index"},
      {"channel, which nothing keeps",
       "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=\"f\"\n[server]\nchannel=\"beta\"\n", "[server] channel"},
      {"server", "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=\"f\"\n[server]\nurl=\"ota.example\"\n",
       "[server] url"},
      {"a section that is a text",
       "server=\"https://ota.example\"\n[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=\"f\"\n", "[server]"},
      {"a list of sections", "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=\"f\"\n[[delta]]\nfrom=\"all\"\n",
       "[delta]"},
      {"slot", "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=\"f\"\nslot=\"a b\"\n", "[image.r] slot"},
      {"base", "[product]\nname=\"x\"\nboard=[\"a\"]\n[image.r]\nfile=\"f\"\n[delta]\nfrom=\"versions=1.0,..\"\n",
       "[delta] from"},
  };
  const Scratch scratch;
  for (const auto& one : cases) {
    ConfigFault fault;
    const Result<ReleaseConfig> config = LoadReleaseConfig(scratch.Write("tillrace.toml", AsBytes(one.text)), fault);
    ASSERT_FALSE(config.ok()) << one.name;
    EXPECT_EQ(config.error().code, ErrorCode::kInvalid) << one.name;
    EXPECT_NE(fault.where.find(one.where), std::string::npos) << one.name << ": " << fault.where << " " << fault.what;
  }
}

TEST(VersionName, IsNoneThatTheFolderOfReleasesUses) {
  for (const char* good : {"1.5.0", "2026-12+3", "tuf2", "new"}) EXPECT_TRUE(IsVersionName(good)) << good;
  for (const char* bad : {"", ".", "..", "a/b", "a\\b", "%2e", "tuf", "tuf.old", "tuf.hub", "release.tuf",
                          "withdrawn.json", "1.5.0.new"}) {
    EXPECT_FALSE(IsVersionName(bad)) << bad;
  }
}

TEST(SafeName, IsOnePathSegment) {
  for (const char* good : {"1.5.0", "pos-mt7688", "a_b+c"}) EXPECT_TRUE(IsSafeName(good)) << good;
  for (const char* bad : {"", ".", "..", ".hidden", "a/b", "a b", "a\n", "ä"}) EXPECT_FALSE(IsSafeName(bad)) << bad;
  EXPECT_FALSE(IsSafeName(std::string(65, 'a')));
}

}  // namespace
}  // namespace till::packer
