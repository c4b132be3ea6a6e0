#include "core/bytes.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/result.h"

namespace till {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) return Error{ErrorCode::kInvalid, "odd", static_cast<uint64_t>(number)};
  return number / 2;
}

Result<int> Quarter(int number) { return TILL_TRY(Half(TILL_TRY(Half(number)))); }

Status BothEven(int a, int b) {
  TILL_TRY(Half(a));
  TILL_TRY(Half(b));
  return Ok();
}

TEST(Result, HandsErrorsUpAndValuesOn) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).error().detail, 3U);
  EXPECT_TRUE(BothEven(2, 4).ok());
  EXPECT_EQ(BothEven(2, 5).error().detail, 5U);
  EXPECT_STREQ(ErrorCodeName(ErrorCode::kNotFound), "not found");
}

TEST(Result, MovesWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  const std::unique_ptr<int> taken = std::move(*result);
  EXPECT_EQ(*taken, 5);
}

TEST(ErrorCode, HasANameForEveryCode) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kCanceled); ++code) {
    EXPECT_STRNE(ErrorCodeName(static_cast<ErrorCode>(code)), "unknown") << code;
  }
}

TEST(ByteReader, ReadsLittleEndianAndStopsAtTheEnd) {
  const Bytes bytes = *FromHex("01020304050607080910");
  ByteReader in(bytes);
  EXPECT_EQ(*in.U8(), 0x01);
  EXPECT_EQ(*in.U16(), 0x0302);
  EXPECT_EQ(*in.U32(), 0x07060504U);
  EXPECT_EQ(in.remaining(), 3U);
  const Result<uint32_t> beyond = in.U32();
  EXPECT_EQ(beyond.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(beyond.error().detail, 7U);
  EXPECT_EQ(in.offset(), 7U);  // a failed read takes nothing
  EXPECT_EQ(in.Take(4).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(in.Take(UINT64_MAX).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(in.Skip(UINT64_MAX).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(in.Skip(3).ok());
  EXPECT_TRUE(in.at_end());
  EXPECT_TRUE(in.Take(0)->empty());
}

TEST(ByteWriter, WritesWhatTheReaderReads) {
  ByteWriter out;
  out.U8(0xff);
  out.U16(0x1234);
  out.U32(0xdeadbeef);
  out.U64(0x0102030405060708);
  out.Append(AsBytes("xy"));
  EXPECT_EQ(ToHex(out.bytes()), "ff3412efbeadde08070605040302017879");
  ByteReader in(out.bytes());
  EXPECT_EQ(*in.U8(), 0xff);
  EXPECT_EQ(*in.U16(), 0x1234);
  EXPECT_EQ(*in.U32(), 0xdeadbeefU);
  EXPECT_EQ(*in.U64(), 0x0102030405060708U);
  EXPECT_EQ(AsText(*in.Take(2)), "xy");
}

// covers D09
TEST(Varint, HasExactlyOneEncodingForEachNumber) {
  const uint64_t kNumbers[] = {0,         1, 127, 128, 16383, 16384, UINT32_MAX, uint64_t{1} << 62, uint64_t{1} << 63,
                               UINT64_MAX};
  for (const uint64_t number : kNumbers) {
    ByteWriter out;
    out.Varint(number);
    ByteReader in(out.bytes());
    EXPECT_EQ(*in.Varint(), number);
    EXPECT_TRUE(in.at_end());
    for (size_t size = 0; size < out.size(); ++size) {
      ByteReader cut(ByteView(out.bytes()).first(size));
      EXPECT_FALSE(cut.Varint().ok());
    }
  }
  for (const char* hex : {"8000", "ff00", "808000", "80808080808080808002", "ffffffffffffffffff02",
                          "ffffffffffffffffff7f", "8080808080808080808000", "80808080808080808000"}) {
    const Bytes bytes = *FromHex(hex);
    ByteReader in(bytes);
    EXPECT_EQ(in.Varint().error().code, ErrorCode::kCorrupt) << hex;
  }
}

// covers D09
TEST(Varint, DecodesEveryShortInputToTheBytesItCameFrom) {
  for (unsigned value = 0; value < (1U << 24); value += value < 70000 ? 1 : 251) {
    const Bytes bytes = {std::byte(value & 255), std::byte(value >> 8 & 255), std::byte(value >> 16)};
    ByteReader in(bytes);
    const Result<uint64_t> number = in.Varint();
    if (!number.ok()) continue;
    ByteWriter out;
    out.Varint(*number);
    ASSERT_EQ(ToHex(out.bytes()), ToHex(ByteView(bytes).first(in.offset())));
  }
}

TEST(SignedVarint, GoesToBothEnds) {
  for (const int64_t number : {int64_t{0}, int64_t{-1}, int64_t{1}, int64_t{-64}, int64_t{64}, INT64_MIN, INT64_MAX}) {
    ByteWriter out;
    out.SignedVarint(number);
    ByteReader in(out.bytes());
    EXPECT_EQ(*in.SignedVarint(), number);
  }
}

TEST(Hex, ReadsBothCasesAndNothingElse) {
  EXPECT_EQ(ToHex(*FromHex("00ffAb")), "00ffab");
  EXPECT_TRUE(FromHex("")->empty());
  for (const char* bad : {"0", "0g", "g0", " 0", "0x", "00 "}) {
    EXPECT_EQ(FromHex(bad).error().code, ErrorCode::kInvalid) << bad;
  }
  EXPECT_FALSE(FromHex(std::string_view("0011").substr(0, 3)).ok()) << "reads no digit behind its text";
}

}  // namespace
}  // namespace till
