#include <gtest/gtest.h>

#include "delta/mips/map.h"
#include "delta/mips/predictor.h"

namespace till::delta {
namespace {

constexpr uint32_t kLoad = 0x80000000;

// A region of 64 KiB whose bytes from 0x1000 on moved by 0x20, and from 0x9000 on by -0x10.
Bytes MapBytes() {
  ByteWriter out;
  for (const uint32_t field : {kLoad, 0x10000u, 2u, 0u, 0x1000u, 0x9000u, 0x20u, 0xfffffff0u}) out.U32(field);
  return std::move(out).Take();
}

Bytes Words(std::initializer_list<uint32_t> words) {
  ByteWriter out;
  for (const uint32_t word : words) out.U32(word);
  return std::move(out).Take();
}

Bytes Predicted(Bytes bytes, uint32_t offset = 0, size_t piece = SIZE_MAX) {
  const Bytes plain = MapBytes();
  const auto map = MipsMap::Parse(plain);
  MipsPredictor predictor(*map);
  predictor.Start(0, offset);
  for (size_t done = 0; done < bytes.size();) {
    const size_t count = std::min(piece, bytes.size() - done);
    predictor.Predict(MutableByteView(bytes).subspan(done, count));
    done += count;
  }
  return bytes;
}

TEST(MipsMap, TranslatesByTheLastEntryBefore) {
  const Bytes plain = MapBytes();
  const auto map = MipsMap::Parse(plain);
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(map->region_count(), 1u);
  EXPECT_EQ(map->Translate(0, 0xfff), 0xfffu);
  EXPECT_EQ(map->Translate(0, 0x1000), 0x1020u);
  EXPECT_EQ(map->Translate(0, 0x8fff), 0x901fu);
  EXPECT_EQ(map->Translate(0, 0x9000), 0x8ff0u);
}

TEST(MipsMap, RefusesWhatIsNoMap) {
  const Bytes good = MapBytes();
  for (size_t cut = 1; cut < good.size(); ++cut) EXPECT_FALSE(MipsMap::Parse(ByteView(good).first(cut)).ok()) << cut;
  struct Case {
    const char* name;
    std::vector<uint32_t> fields;
  };
  const std::vector<Case> cases = {
      {"empty region", {kLoad, 0, 0, 0}},
      {"region past the address space", {0x80000000, 0x80000000, 0, 0}},
      {"last field", {kLoad, 16, 0, 1}},
      {"more entries than bytes", {kLoad, 16, 0xffffffff, 0}},
      {"entry past the region", {kLoad, 16, 1, 0, 16, 4}},
      {"entries out of order", {kLoad, 16, 2, 0, 8, 8, 4, 4}},
  };
  for (const Case& c : cases) {
    ByteWriter out;
    for (const uint32_t field : c.fields) out.U32(field);
    EXPECT_FALSE(MipsMap::Parse(out.bytes()).ok()) << c.name;
  }
  ByteWriter many;
  for (int i = 0; i < 17; ++i) {
    for (const uint32_t field : {kLoad, 16u, 0u, 0u}) many.U32(field);
  }
  EXPECT_EQ(MipsMap::Parse(many.bytes()).error().code, ErrorCode::kLimit);
}

TEST(MipsPredictor, MovesJumpsAndPointers) {
  EXPECT_EQ(Predicted(Words({0x0c000800, 0x08000800, 0x80002000, 0x80000010, 0x80010000})),
            Words({0x0c000808, 0x08000808, 0x80002020, 0x80000010, 0x80010000}));
}

TEST(MipsPredictor, MovesTheLowerHalfOfAnAddressBuiltWithLui) {
  // lui v0,0x8000; addiu a0,v0,0x2000; lw a1,0x3000(v0); sw a1,-0x6fc0(v1) with lui v1,0x8001
  EXPECT_EQ(Predicted(Words({0x3c028000, 0x24442000, 0x8c453000, 0x3c038001, 0xac659040})),
            Words({0x3c028000, 0x24442020, 0x8c453020, 0x3c038001, 0xac659030}));
}

TEST(MipsPredictor, FollowsIndexesAndForgetsOverwrittenRegisters) {
  // lui v0; addu v0,v0,a0; lw v0,0x2000(v0); lw v1,0x2000(v0): the last one's base was loaded.
  EXPECT_EQ(Predicted(Words({0x3c028000, 0x00441021, 0x8c422000, 0x8c432000})),
            Words({0x3c028000, 0x00441021, 0x8c422020, 0x8c432000}));
}

TEST(MipsPredictor, LooksBackSixtyFourWords) {
  for (const size_t between : {62u, 63u}) {
    ByteWriter out;
    out.U32(0x3c028000);
    for (size_t i = 0; i < between; ++i) out.U32(0);
    out.U32(0x24442000);
    const Bytes predicted = Predicted(Bytes(out.bytes()));
    EXPECT_EQ(predicted[predicted.size() - 4], std::byte(between == 62 ? 0x20 : 0)) << between;
  }
}

TEST(MipsPredictor, GivesTheSameForEveryCutAtWords) {
  ByteWriter out;
  for (uint32_t i = 0; i < 200; ++i) out.U32(i % 3 == 0 ? 0x3c028000 : i % 3 == 1 ? 0x24442000 + i : 0x0c000800 + i);
  const Bytes whole = Predicted(Bytes(out.bytes()));
  for (const size_t piece : {4u, 8u, 60u}) EXPECT_EQ(Predicted(Bytes(out.bytes()), 0, piece), whole) << piece;
}

TEST(MipsPredictor, LeavesWhatIsNoWholeWord) {
  Bytes shifted = Words({0x80002000, 0x80002000});
  shifted.insert(shifted.begin(), std::byte{1});
  shifted.erase(shifted.end() - 2, shifted.end());
  const Bytes predicted = Predicted(shifted, 3);
  EXPECT_EQ(predicted[1], std::byte{0x20});
  EXPECT_EQ(predicted[5], std::byte{0x00});  // the second word is not whole
}

}  // namespace
}  // namespace till::delta
