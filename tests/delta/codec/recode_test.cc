#include "delta/codec/recode.h"

#include <gtest/gtest.h>

#include "delta/codec/lzma.h"
#include "delta/codec/zstd.h"
#include "delta/format/arena.h"
#include "tests/delta/assembler.h"
#include "tests/delta/craft.h"

namespace till::delta {
namespace {

using testing::Noise;

// Half of it compresses, as firmware does: words out of a small set, and noise between.
Bytes Mixed(size_t count) {
  const Bytes words = Noise(4096, 5);
  const Bytes noise = Noise(count, 6);
  Bytes bytes(count);
  for (size_t i = 0; i < count; i += 8) {
    const bool plain = (static_cast<uint8_t>(noise[i]) & 3) == 0;
    const size_t from = (static_cast<size_t>(noise[i]) * 13 + i / 64 * 8) % 4088;
    for (size_t k = 0; k < 8 && i + k < count; ++k) bytes[i + k] = plain ? noise[i + k] : words[from + k];
  }
  return bytes;
}

struct Named {
  const char* name;
  Recode recode;
};

std::vector<Named> AllRecodes() {
  std::vector<Named> all;
  for (const uint8_t dictionary : {13, 0x80 + 16, 17, 18, 20}) {
    XzParameters p{.dictionary = dictionary};
    all.push_back({"xz 6", Recode::Xz(p)});
    p = {.preset = 9, .extreme = true, .lc = 0, .lp = 2, .pb = 2, .dictionary = dictionary};
    all.push_back({"xz 9e lc0 lp2", Recode::Xz(p)});
    all.push_back({"lzma 9e lc0 lp2", Recode::Lzma(p)});
    p = {.preset = 0, .dictionary = dictionary, .filter = XzFilter::kArm};
    all.push_back({"xz 0 arm", Recode::Xz(p)});
  }
  for (const uint8_t level : {1, 6, 9}) all.push_back({"zlib", Recode::Zlib({.level = level})});
  all.push_back({"deflate", Recode::Zlib({.raw_deflate = true, .mem_level = 9})});
  all.push_back({"zlib of 1 KiB", Recode::Zlib({.window_bits = 10, .strategy = 1, .mem_level = 7})});
  for (uint8_t level = 1; level <= 22; ++level) all.push_back({"zstd", Recode::Zstd(level)});
  all.push_back({"lz4", Recode::Lz4(false)});
  all.push_back({"lz4 hc", Recode::Lz4(true)});
  return all;
}

// Memory is exactly what an arena would hold: every coder must do with it, on every machine. covers D05
TEST(Recode, MakesAndOpensBlocksWithinTheMemoryItDeclares) {
  for (const size_t size : {1, 4096, 100'000, 262'144, 1'048'576}) {
    const Bytes plain = Mixed(size);
    for (const Named& c : AllRecodes()) {
      const auto level = c.recode.parameters[0];
      if (size == 1'048'576 && c.recode.codec == RecodeCodec::kZstd && level % 6 != 1) continue;
      SCOPED_TRACE(std::string(c.name) + " level " + std::to_string(level) + " of " + std::to_string(size));
      ASSERT_TRUE(CheckRecode(c.recode).ok());
      Bytes coded(CodedBound(size));
      Bytes memory(RecodeEncodeBytes(c.recode, size));
      const auto used = RecodeEncode(c.recode, plain, coded, memory);
      ASSERT_TRUE(used.ok()) << used.error().what << " " << used.error().detail << " of " << memory.size();
      memory.resize(RecodeDecodeBytes(c.recode, size));
      memory.shrink_to_fit();
      Bytes opened(size);
      const auto made = RecodeDecode(c.recode, ByteView(coded).first(*used), opened, memory);
      ASSERT_TRUE(made.ok()) << made.error().what << " " << made.error().detail << " of " << memory.size();
      ASSERT_EQ(*made, size);
      ASSERT_EQ(opened, plain);
    }
  }
}

TEST(Recode, GivesTheSameBytesWhateverTheRoom) {
  const Bytes plain = Mixed(70'000);
  for (const Named& c : AllRecodes()) {
    Bytes memory(RecodeEncodeBytes(c.recode, 1 << 20));
    Bytes first(CodedBound(plain.size()));
    Bytes second(CodedBound(1 << 20));
    const auto used = RecodeEncode(c.recode, plain, first, memory);
    ASSERT_TRUE(used.ok());
    ASSERT_EQ(RecodeEncode(c.recode, plain, second, memory).value(), *used) << c.name;
    EXPECT_TRUE(std::equal(first.begin(), first.begin() + *used, second.begin())) << c.name;
    EXPECT_EQ(RecodeEncode(c.recode, plain, MutableByteView(first).first(first.size() - 1), memory).error().code,
              ErrorCode::kLimit);
  }
}

// covers D06: one byte more than declared is refused, and so is one coded byte more or less.
TEST(Recode, RefusesBlocksOfAnotherLength) {
  const Bytes plain = Mixed(20'000);
  for (const Named& c : AllRecodes()) {
    SCOPED_TRACE(c.name);
    Bytes memory(std::max(RecodeEncodeBytes(c.recode, 1 << 20), RecodeDecodeBytes(c.recode, 1 << 20)));
    Bytes coded(CodedBound(plain.size()));
    coded.resize(RecodeEncode(c.recode, plain, coded, memory).value());
    Bytes opened(plain.size());
    EXPECT_FALSE(RecodeDecode(c.recode, coded, MutableByteView(opened).first(plain.size() - 1), memory).ok());
    if (c.recode.codec != RecodeCodec::kLz4) {  // (lz4 may end at any literal)
      EXPECT_FALSE(RecodeDecode(c.recode, ByteView(coded).first(coded.size() - 1), opened, memory).ok());
    }
    coded.push_back(std::byte{0});
    EXPECT_FALSE(RecodeDecode(c.recode, coded, opened, memory).ok());
  }
}

// A second frame would be a second way to say the same.
TEST(Recode, OpensOneZstdFrameOnly) {
  const Bytes plain = Mixed(1000);
  const Recode recode = Recode::Zstd(3);
  Bytes memory(std::max(RecodeEncodeBytes(recode, 1 << 20), RecodeDecodeBytes(recode, 1 << 20)));
  Bytes coded(CodedBound(plain.size()));
  coded.resize(RecodeEncode(recode, plain, coded, memory).value());
  Bytes twice = coded;
  twice.insert(twice.end(), coded.begin(), coded.end());
  Bytes opened(2 * plain.size());
  EXPECT_EQ(RecodeDecode(recode, twice, opened, memory).error().code, ErrorCode::kCorrupt);
}

// covers D04 D05: a block that asks for a large dictionary does not get it.
TEST(Recode, TakesNoMoreMemoryThanGivenWhateverTheBlockSays) {
  const Bytes plain = Mixed(200'000);
  const Recode large = Recode::Xz({.dictionary = 20});
  const Recode small = Recode::Xz({.dictionary = 13});
  Bytes coded(CodedBound(plain.size()));
  Bytes memory(RecodeEncodeBytes(large, plain.size()));
  coded.resize(RecodeEncode(large, plain, coded, memory).value());
  Bytes opened(plain.size());
  memory.resize(RecodeDecodeBytes(small, plain.size()));
  memory.shrink_to_fit();
  EXPECT_EQ(RecodeDecode(small, coded, opened, memory).error().code, ErrorCode::kLimit);
  // .lzma: the dictionary is bytes 1 to 4.
  const Recode lzma = Recode::Lzma({.dictionary = 13});
  memory.resize(RecodeEncodeBytes(lzma, plain.size()));
  coded.resize(CodedBound(plain.size()));
  coded.resize(RecodeEncode(lzma, plain, coded, memory).value());
  coded[4] = std::byte{0x7f};
  EXPECT_EQ(RecodeDecode(lzma, coded, opened, memory).error().code, ErrorCode::kLimit);
}

TEST(Recode, WithTooLittleMemoryFailsAndSaysSo) {
  const Bytes plain = Mixed(50'000);
  for (const Named& c : AllRecodes()) {
    Bytes coded(CodedBound(plain.size()));
    const uint64_t enough = RecodeEncodeBytes(c.recode, plain.size());
    for (const uint64_t bytes : {uint64_t{0}, uint64_t{100}, enough / 8}) {
      Bytes memory(bytes);
      const auto used = RecodeEncode(c.recode, plain, coded, memory);
      EXPECT_TRUE(used.ok() ? bytes > 100 : used.error().code == ErrorCode::kLimit) << c.name;
    }
  }
}

TEST(Recode, MakesNoEmptyBlocks) {
  Bytes coded(CodedBound(0));
  for (const Recode& recode :
       {Recode::Xz({}), Recode::Zlib({}), Recode::Zstd(3), Recode::Lz4(true), Recode::Lzma({})}) {
    Bytes memory(RecodeEncodeBytes(recode, 0));
    EXPECT_EQ(RecodeEncode(recode, {}, coded, memory).error().code, ErrorCode::kCorrupt);
  }
}

// What reads a frame's streams piece by piece. Every misuse and every lie about a length is refused, never met by less.
template <typename Input>
void ReadsExactlyItsStream(const Bytes& coded, const Bytes& plain, unsigned window_log, const std::string& kind) {
  Bytes memory(4 << 20);
  const std::string early = "a" + kind + " stream ends early";
  const std::string left = "a" + kind + " stream with bytes left over";
  Bytes out(plain.size() + 1);
  {
    Input unbegun;
    EXPECT_EQ(unbegun.Read(MutableByteView(out).first(1)).error().what, early);
    EXPECT_EQ(unbegun.Finish().error().what, left);
  }
  {
    Input good;
    ASSERT_TRUE(good.Begin(coded, plain.size(), window_log, memory).ok());
    EXPECT_EQ(good.Read(out).error().what, early) << "more than it holds";
    EXPECT_EQ(good.Finish().error().what, left) << "before it was read";
    ASSERT_TRUE(good.Read(MutableByteView(out).first(plain.size())).ok());
    EXPECT_TRUE(std::equal(plain.begin(), plain.end(), out.begin()));
    EXPECT_TRUE(good.Finish().ok());
  }
  {
    Input again;
    ASSERT_TRUE(again.Begin(coded, plain.size(), window_log, memory).ok());
    ASSERT_FALSE(again.Begin({}, plain.size(), window_log, memory).ok());
    EXPECT_EQ(again.Read(MutableByteView(out).first(1)).error().what, early) << "what was begun before is gone";
    EXPECT_EQ(again.Finish().error().what, left);
  }
  for (const size_t cut : {coded.size() / 2, coded.size() - 6}) {
    Input shortened;
    const bool begun = shortened.Begin(ByteView(coded).first(cut), plain.size(), window_log, memory).ok();
    EXPECT_FALSE(begun && shortened.Read(MutableByteView(out).first(plain.size())).ok() && shortened.Finish().ok());
  }
}

TEST(StreamInputs, ReadExactlyTheirStream) {
  const Bytes plain = Mixed(50'000);
  const testing::Coded zstd = testing::CodeStream(Codec::kZstd, 16, plain);
  ASSERT_EQ(zstd.codec, Codec::kZstd);
  ReadsExactlyItsStream<ZstdInput>(zstd.bytes, plain, 16, " zstd");
  const testing::Coded lzma = testing::CodeStream(Codec::kLzma, 16, plain);
  ASSERT_EQ(lzma.codec, Codec::kLzma);
  ReadsExactlyItsStream<LzmaInput>(lzma.bytes, plain, 16, "n LZMA");
  ZstdInput bent;
  Bytes memory(4 << 20);
  Bytes out(plain.size());
  EXPECT_STREQ(bent.Begin(zstd.bytes, plain.size() - 1, 16, memory).error().what, "zstd content size");
  bool told = false;  // one of these bytes is a block's head
  for (size_t at = 5; at < 24; ++at) {
    Bytes bytes = zstd.bytes;
    bytes[at] |= std::byte{6};
    if (!bent.Begin(bytes, plain.size(), 16, memory).ok()) continue;
    const Status read = bent.Read(out);
    told |= !read.ok() && std::string(read.error().what) == "content of a zstd stream";
  }
  EXPECT_TRUE(told);
  // The coder's stream goes on behind what was declared, and something stands behind the coder's stream.
  LzmaInput shorter;
  ASSERT_TRUE(shorter.Begin(lzma.bytes, plain.size() - 1, 16, memory).ok());
  EXPECT_FALSE(shorter.Read(MutableByteView(out).first(plain.size() - 1)).ok() && shorter.Finish().ok());
  Bytes longer = lzma.bytes;
  longer.push_back(std::byte{0});
  LzmaInput padded;
  ASSERT_TRUE(padded.Begin(longer, plain.size(), 16, memory).ok());
  EXPECT_FALSE(padded.Read(out).ok() && padded.Finish().ok());
  LzmaInput none;
  EXPECT_STREQ(none.Begin(ByteView(lzma.bytes).first(1), 1, 16, memory).error().what, "an LZMA stream without bytes");
  EXPECT_EQ(none.Begin(lzma.bytes, 1, 16, {}).error().code, ErrorCode::kLimit);
}

TEST(RecodeParameters, HaveOneFormAndBounds) {
  for (const Named& c : AllRecodes()) {
    ByteWriter out;
    EncodeRecode(c.recode, out);
    ASSERT_EQ(out.size(), kRecodeBytes);
    EXPECT_EQ(DecodeRecode(out.bytes()).value(), c.recode);
    for (size_t bit = 0; bit < 64; ++bit) {
      Bytes flipped = out.bytes();
      flipped[bit / 8] ^= std::byte{1} << bit % 8;
      const auto decoded = DecodeRecode(flipped);
      if (!decoded.ok()) continue;
      ByteWriter again;
      EncodeRecode(*decoded, again);
      EXPECT_EQ(again.bytes(), flipped);
    }
  }
  EXPECT_FALSE(CheckRecode(Recode{}).ok());
  EXPECT_FALSE(CheckRecode(Recode::Xz({.lc = 3, .lp = 2})).ok());
  EXPECT_FALSE(CheckRecode(Recode::Xz({.dictionary = 21})).ok());
  EXPECT_FALSE(CheckRecode(Recode::Xz({.dictionary = 0x80 + 20})).ok());
  EXPECT_EQ(CheckRecode(Recode{static_cast<RecodeCodec>(6), {}}).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace till::delta
