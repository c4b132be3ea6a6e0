// Builds that change without a reason, on images that mksquashfs packed.
#include "packer/build_warnings.h"

#include <gtest/gtest.h>

#include "tests/delta/container/made_images.h"
#include "tests/packer/images.h"

namespace till::packer {
namespace {

// An ELF file as far as a build id goes.
Bytes ElfWith(char build_id, uint32_t code = 1) {
  constexpr std::string_view kNote("\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0", 16);
  std::string text =
      "\x7f"
      "ELF" +
      std::string(100, 'h') + std::string(kNote) + std::string(20, build_id);
  Bytes bytes(AsBytes(text).begin(), AsBytes(text).end());
  const Bytes noise = Noise(code, 5'000);
  bytes.insert(bytes.end(), noise.begin(), noise.end());
  return bytes;
}

struct Build {
  Bytes tool = ElfWith('a');
  Bytes code = ElfWith('a', 1);
  std::string release = "BUILD_DATE='2026-11-22 10:00:00'\n";
  std::string manual = std::string("\x1f\x8b\x08\0\x01\x02\x03\x04", 8) + "packed";
  std::string settings = "colour=red\n";
  std::string options;
};

Bytes Pack(const Build& build) {
  const auto text = [](const std::string& content) { return Bytes(AsBytes(content).begin(), AsBytes(content).end()); };
  delta::testing::Tree tree = {{"/bin/tool", build.tool},
                               {"/bin/code", build.code},
                               {"/etc/release", text(build.release)},
                               {"/etc/settings", text(build.settings)},
                               {"/share/manual.gz", text(build.manual)}};
  for (uint32_t i = 0; i < 30; ++i) tree["/share/" + std::to_string(i)] = Noise(100 + i, 3'000);
  return delta::testing::MakeSquashfs(tree, "-comp xz" + build.options);
}

std::vector<std::string> WarnedOf(const Build& before, const Build& after) {
  std::vector<std::string> files;
  for (const BuildWarning& warning : LookForIrreproducibility(Pack(before), Pack(after))) {
    EXPECT_FALSE(warning.what.empty() || warning.mend.empty());
    files.push_back(warning.file);
  }
  return files;
}

TEST(BuildWarnings, NameEachFileThatChangedWithoutAReason) {
  Build after;
  after.tool = ElfWith('b');
  after.code = ElfWith('b', 2);  // changed for a reason
  after.release = "BUILD_DATE='2026-11-23 11:30:05'\n";
  after.manual[5] = '\x77';
  after.settings = "colour=tan\n";
  EXPECT_EQ(WarnedOf({}, after), (std::vector<std::string>{"/bin/tool", "/etc/release", "/share/manual.gz"}));
}

TEST(BuildWarnings, NameTheTimesOfFiles) {
  Build after;
  after.options = " -all-time 1734567890";
  EXPECT_EQ(WarnedOf({}, after), std::vector<std::string>{"times of files"});
}

TEST(BuildWarnings, SayNothingOfTheSameBuildAndOfImagesTheyCannotOpen) {
  EXPECT_TRUE(WarnedOf({}, {}).empty());
  EXPECT_TRUE(LookForIrreproducibility(Noise(1, 50'000), Noise(2, 50'000)).empty());
  EXPECT_TRUE(LookForIrreproducibility({}, {}).empty());
}

}  // namespace
}  // namespace till::packer
