#include "delta/codec/zstd_decode.h"

#include <gtest/gtest.h>

#include "delta/format/arena.h"

namespace till::delta {
namespace {

// A zstd frame written by hand (RFC 8878): one RLE block that stands for `block_bytes` times 'x'.
struct RleFrame {
  uint32_t magic = 0xFD2FB528;
  int window_log = -1;  // -1: single segment
  uint64_t content_size = 100;
  uint32_t block_bytes = 100;
  bool checksum = false;
  bool dictionary = false;

  Bytes Encode() const {
    ByteWriter out;
    out.U32(magic);
    const uint8_t descriptor =
        static_cast<uint8_t>(3 << 6 | (window_log < 0 ? 1 << 5 : 0) | (checksum ? 1 << 2 : 0) | (dictionary ? 1 : 0));
    out.U8(descriptor);
    if (window_log >= 0) out.U8(static_cast<uint8_t>((window_log - 10) << 3));
    if (dictionary) out.U8(77);
    out.U64(content_size);
    const uint32_t block = block_bytes << 3 | 1 << 1 | 1;
    out.U8(static_cast<uint8_t>(block));
    out.U16(static_cast<uint16_t>(block >> 8));
    out.U8('x');
    if (checksum) out.U32(0);
    return std::move(out).Take();
  }
};

class ZstdDecode : public ::testing::Test {
 protected:
  Status Decode(const Bytes& coded, size_t plain_bytes, unsigned max_window_log = 20) {
    plain_.assign(plain_bytes, std::byte{0});
    return decoder_.Decode(coded, max_window_log, plain_);
  }
  alignas(64) std::byte workspace_[kDecoderBytes];
  ZstdDecoder decoder_ = ZstdDecoder::Create(workspace_).value();
  Bytes plain_;
};

TEST_F(ZstdDecode, GivesTheContentOfAGoodFrame) {
  ASSERT_TRUE(Decode(RleFrame().Encode(), 100).ok());
  EXPECT_EQ(plain_, Bytes(100, std::byte{'x'}));
}

// covers D04: a window above the limit is refused in every form; the workspace is all the memory there is.
TEST_F(ZstdDecode, RefusesEveryWindowAboveTheLimit) {
  for (unsigned limit = kMinWindowLog; limit <= kMaxWindowLog; ++limit) {
    for (int log = 10; log <= 41; ++log) {
      RleFrame frame;
      frame.window_log = log;
      EXPECT_EQ(Decode(frame.Encode(), 100, limit).ok(), log <= static_cast<int>(limit)) << log << " of " << limit;
    }
  }
}

TEST_F(ZstdDecode, RefusesASingleSegmentLargerThanTheLimit) {
  RleFrame frame;
  frame.content_size = frame.block_bytes = 2'000;
  EXPECT_FALSE(Decode(frame.Encode(), 2'000, 10).ok());
  EXPECT_TRUE(Decode(frame.Encode(), 2'000, 11).ok());
}

TEST_F(ZstdDecode, RefusesWhatIsNotOnePlainFrame) {
  RleFrame with_checksum, with_dictionary, skippable, other_magic;
  with_checksum.checksum = true;
  with_dictionary.dictionary = true;
  skippable.magic = 0x184D2A50;
  other_magic.magic = 0xFD2FB527;
  Bytes two = RleFrame().Encode();
  const Bytes second = RleFrame().Encode();
  two.insert(two.end(), second.begin(), second.end());
  Bytes tail = RleFrame().Encode();
  tail.push_back(std::byte{0});
  const struct {
    Bytes bytes;
    const char* what;
  } kBad[] = {{with_checksum.Encode(), "a zstd frame with a checksum"},
              {with_dictionary.Encode(), "a zstd frame that wants a dictionary"},
              {skippable.Encode(), "a skippable zstd frame"},
              {other_magic.Encode(), "not a zstd frame"},
              {two, "zstd frame length"},
              {tail, "zstd frame length"},
              {Bytes(), "not a zstd frame"}};
  for (const auto& bad : kBad) {
    const Status status = Decode(bad.bytes, 100);
    ASSERT_FALSE(status.ok()) << bad.what;
    EXPECT_EQ(status.error().code, ErrorCode::kCorrupt);
    EXPECT_STREQ(status.error().what, bad.what);
  }
}

// covers D06: one byte more than declared is refused, and nothing is written behind the buffer.
TEST_F(ZstdDecode, RefusesContentOfAnotherLengthThanDeclared) {
  for (const uint32_t made : {0, 1, 99, 101, 120'000}) {
    RleFrame frame;
    frame.block_bytes = made;
    EXPECT_STREQ(Decode(frame.Encode(), 100).error().what, "zstd frame content") << made;
    frame.content_size = made;
    EXPECT_STREQ(Decode(frame.Encode(), 100).error().what, "zstd content size") << made;
  }
}

TEST_F(ZstdDecode, RefusesAFrameCutAtAnyByte) {
  const Bytes good = RleFrame().Encode();
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(Decode(Bytes(good.begin(), good.begin() + size), 100).ok()) << size;
  }
}

TEST_F(ZstdDecode, StandsGoodAgainAfterABadFrame) {
  for (size_t byte = 0; byte < RleFrame().Encode().size(); ++byte) {
    Bytes bad = RleFrame().Encode();
    bad[byte] ^= std::byte{0xff};
    (void)Decode(bad, 100);
    EXPECT_TRUE(Decode(RleFrame().Encode(), 100).ok());
  }
}

TEST(ZstdDecoder, SaysHowMuchWorkspaceItNeeds) {
  alignas(64) std::byte small[1024];
  const auto decoder = ZstdDecoder::Create(small);
  ASSERT_FALSE(decoder.ok());
  EXPECT_EQ(decoder.error().code, ErrorCode::kLimit);
  EXPECT_LE(decoder.error().detail, kDecoderBytes);
}

}  // namespace
}  // namespace till::delta
