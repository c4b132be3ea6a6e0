#include <gtest/gtest.h>

#include "delta/mips/map_builder.h"
#include "delta/mips/predictor.h"

namespace till::delta {
namespace {

constexpr uint32_t kLoad = 0x80000000;

// A function table and 4,000 words of calls into it; 32 bytes are put in at 0x2000.
Bytes MakeCode(uint32_t inserted_bytes) {
  ByteWriter out;
  for (uint32_t i = 0; i < 4000; ++i) {
    if (i == 0x800) {
      for (uint32_t k = 0; k < inserted_bytes; k += 4) out.U32(0x24040000 + k);
    }
    const uint32_t target = i * 7 % 307 * 13 * 4;  // the begin of a function
    const uint32_t moved = target + (target >= 0x2000 ? inserted_bytes : 0);
    out.U32(i % 13 == 0 ? 0x27bd0000 | (0xffe0 - i % 7 * 8) : 0x0c000000 | moved >> 2);
  }
  return std::move(out).Take();
}

MipsRegion MakeRegion(const Bytes& before, const Bytes& after) {
  MipsRegion region{before, after, kLoad, {}};
  region.stretches = {{0, 0, 0x2000}, {0x2000, 0x2020, before.size() - 0x2000}};
  return region;
}

TEST(MipsMapBuilder, MakesAMapThatPredictsTheNewCode) {
  const Bytes before = MakeCode(0);
  const Bytes after = MakeCode(32);
  const MipsMapResult result = BuildMipsMap(MakeRegion(before, after));
  EXPECT_GT(result.saved_bytes, 0);
  EXPECT_GT(result.words_right, 1000u);
  EXPECT_EQ(result.words_wrong, 0u);
  const auto map = MipsMap::Parse(result.plain);
  ASSERT_TRUE(map.ok());
  MipsPredictor predictor(*map);
  Bytes predicted(before.begin() + 0x2000, before.end());
  predictor.Start(0, 0x2000);
  predictor.Predict(predicted);
  EXPECT_TRUE(std::equal(predicted.begin(), predicted.end(), after.begin() + 0x2020));
}

TEST(MipsMapBuilder, MakesNoneThatDoesNotPay) {
  const Bytes before = MakeCode(0);
  MipsRegion region{before, before, kLoad, {{0, 0, before.size()}}};
  EXPECT_TRUE(BuildMipsMap(region).plain.empty());
  EXPECT_TRUE(BuildMipsMap({}).plain.empty());
}

TEST(MipsMapBuilder, GuessesWhereCodeRuns) {
  const Bytes code = MakeCode(0);
  EXPECT_EQ(GuessLoadAddress(code), kLoad);
  EXPECT_EQ(GuessLoadAddress(Bytes(10000)), 0u);
}

}  // namespace
}  // namespace till::delta
