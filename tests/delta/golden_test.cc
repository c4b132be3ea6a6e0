#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "core/file.h"
#include "core/text.h"
#include "tests/delta/craft.h"
#include "tests/delta/golden_set.h"

namespace till::delta {
namespace {

using namespace testing;

const std::string kFolder = TILL_SOURCE_DIR "/tests/golden/payload";

Bytes ReadGolden(const std::string& name) { return ReadBinaryFile(kFolder + "/" + name, 1 << 20).value(); }

Bytes BaseOf(const std::string& name) { return ReadGolden(name.starts_with("v2-") ? "v2-base.bin" : "v1-base.bin"); }

TEST(GoldenPayloads, AreStillApplied) {
  unsigned applied = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    const std::string name = entry.path().filename();
    if (!entry.is_regular_file() || name.ends_with("-base.bin")) continue;
    const Applied result = ApplyFile(ReadGolden(name), BaseOf(name));
    EXPECT_TRUE(result.status.ok()) << name << ": " << result.status.error().what;
    ++applied;
  }
  EXPECT_GE(applied, 9u);
}

TEST(GoldenPayloads, AreStillMadeAsTheyWere) {
  EXPECT_EQ(ReadGolden("v1-base.bin"), GoldenBase());
  for (const Golden& golden : CraftedGoldens()) EXPECT_EQ(ReadGolden(golden.name), golden.file) << golden.name;
  EXPECT_EQ(ReadGolden("v2-base.bin"), GoldenBaseV2());
  for (const Golden& golden : CraftedGoldensV2()) EXPECT_EQ(ReadGolden(golden.name), golden.file) << golden.name;
}

TEST(GoldenRefusals, AreStillRefusedForTheSameReason) {
  const std::string table = ReadTextFile(kFolder + "/refuse/expected.txt").value() +
                            ReadTextFile(kFolder + "/refuse/expected-v2.txt").value();
  std::map<std::string, std::string> expected;
  for (const std::string_view line : Split(table, '\n')) {
    const size_t blank = line.find(' ');
    if (blank != std::string_view::npos) expected.emplace(line.substr(0, blank), line.substr(blank + 1));
  }
  unsigned refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder + "/refuse")) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".txt")) continue;
    const Applied result = ApplyFile(ReadGolden("refuse/" + name), BaseOf(name));
    ASSERT_FALSE(result.status.ok()) << name;
    const Error& error = result.status.error();
    EXPECT_EQ(expected[name], std::string(ErrorCodeName(error.code)) + " " + error.what) << name;
    ++refused;
  }
  EXPECT_EQ(refused, expected.size());
  EXPECT_GE(refused, 50u);
}

}  // namespace
}  // namespace till::delta
