#include "delta/format/format.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <limits>

#include "delta/format/ops.h"
#include "tests/delta/assembler.h"
#include "tests/delta/craft.h"

namespace till::delta {
namespace {

using testing::Craft;
using testing::ThreeFrames;

FrameHeader RoomyFrame(uint32_t ops, uint64_t target_bytes) {
  FrameHeader frame;
  frame.op_count = ops;
  frame.target_bytes = target_bytes;
  frame.streams[kDiff].plain_bytes = 1 << 20;
  frame.streams[kLiteral].plain_bytes = 1 << 20;
  return frame;
}

// The ops of a control stream that is in memory.
struct Reading {
  Reading(ByteView control, const FrameHeader& frame, uint64_t base_size)
      : input(control), reader(input, control.size()), ops(reader, frame, payload, base_size) {
    payload.base_size = base_size;
  }
  Result<Op> Next() { return ops.Next(); }
  Status Finish() const { return ops.Finish(); }
  bool at_end() const { return ops.at_end(); }

  PayloadHeader payload;
  MemoryInput input;
  ControlReader reader;
  OpReader ops;
};

TEST(PayloadHeader, DecodesToWhatWasEncoded) {
  Craft craft = ThreeFrames();
  craft.FillTotals();
  const Bytes bytes = EncodeHeader(craft.header());
  ASSERT_EQ(bytes.size(), kHeaderBytes);
  EXPECT_EQ(DecodeHeader(bytes).value(), craft.header());
}

// covers D09: whatever is accepted has one form only.
TEST(PayloadHeader, IsRefusedOrCanonicalWithAnyBitFlipped) {
  Craft craft = ThreeFrames();
  craft.FillTotals();
  const Bytes good = EncodeHeader(craft.header());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << bit % 8;
    const auto decoded = DecodeHeader(bad);
    if (!decoded.ok()) continue;
    EXPECT_EQ(EncodeHeader(*decoded), bad) << "bit " << bit;
  }
}

TEST(PayloadHeader, IsRefusedWhenCutAtAnyByte) {
  Craft craft = ThreeFrames();
  craft.FillTotals();
  const Bytes good = EncodeHeader(craft.header());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(DecodeHeader(ByteView(good).first(size)).error().code, ErrorCode::kCorrupt) << size;
  }
}

TEST(PayloadHeader, SaysWhichVersionItCannotRead) {
  Craft craft = ThreeFrames();
  craft.FillTotals();
  Bytes bytes = EncodeHeader(craft.header());
  bytes[10] = std::byte{9};
  EXPECT_EQ(DecodeHeader(bytes).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(DecodeHeader(bytes).error().detail, 9u);
}

TEST(PayloadHeader, RefusesBoundsThatDoNotHold) {
  struct Case {
    const char* name;
    void (*spoil)(PayloadHeader&);
    ErrorCode code;
  };
  const Case cases[] = {
      {"window of 2 MiB", [](PayloadHeader& h) { h.window_logs[kControl] = 21; }, ErrorCode::kLimit},
      {"window of 128 MiB", [](PayloadHeader& h) { h.window_logs[kControl] = 27; }, ErrorCode::kLimit},
      {"window of 512 bytes", [](PayloadHeader& h) { h.window_logs[kControl] = 9; }, ErrorCode::kCorrupt},
      {"arena one byte short", [](PayloadHeader& h) { --h.arena_bytes; }, ErrorCode::kCorrupt},
      {"arena of 4 GiB", [](PayloadHeader& h) { h.arena_bytes = UINT32_MAX; }, ErrorCode::kLimit},
      {"coded bytes above the format's", [](PayloadHeader& h) { h.frame_coded_bytes_max = (128 << 10) + 1; },
       ErrorCode::kLimit},
      {"plain bytes above the format's", [](PayloadHeader& h) { h.frame_plain_bytes_max = UINT32_MAX; },
       ErrorCode::kLimit},
      {"no frames for a target", [](PayloadHeader& h) { h.frame_count = 0; }, ErrorCode::kCorrupt},
      {"more frames than bytes", [](PayloadHeader& h) { h.frame_count = UINT32_MAX; }, ErrorCode::kCorrupt},
      {"fewer ops than frames", [](PayloadHeader& h) { h.op_count = 2; }, ErrorCode::kCorrupt},
      {"ops without end", [](PayloadHeader& h) { h.op_count = UINT64_MAX; }, ErrorCode::kCorrupt},
      {"frames without end", [](PayloadHeader& h) { h.frames_bytes = UINT64_MAX; }, ErrorCode::kCorrupt},
      {"target of 2^63", [](PayloadHeader& h) { h.target_size = uint64_t{1} << 63; }, ErrorCode::kLimit},
      {"base of 2^64-1", [](PayloadHeader& h) { h.base_size = UINT64_MAX; }, ErrorCode::kLimit},
      {"full with a base", [](PayloadHeader& h) { h.kind = PayloadKind::kFull; }, ErrorCode::kCorrupt},
  };
  for (const Case& c : cases) {
    Craft craft = ThreeFrames();
    craft.FillTotals();
    c.spoil(craft.header());
    const auto decoded = DecodeHeader(EncodeHeader(craft.header()));
    ASSERT_FALSE(decoded.ok()) << c.name;
    EXPECT_EQ(decoded.error().code, c.code) << c.name;
  }
}

// The fields of minor version 2, each by itself and by its reason: no check may lean on the next one.
TEST(PayloadHeader, SaysWhichOfItsFieldsIsWrong) {
  const auto full = [](PayloadHeader& h) {
    h.kind = PayloadKind::kFull;
    h.base_size = 0;
    h.base_sha256 = {};
  };
  struct Case {
    const char* what;
    std::function<void(PayloadHeader&)> spoil;
  };
  const Case cases[] = {
      {"frame count", [](PayloadHeader& h) { h.frame_count = 0; }},
      {"frame count", [](PayloadHeader& h) { h.target_size = h.frame_count - 1; }},
      {"length of all frames", [](PayloadHeader& h) { h.frames_bytes = 1; }},
      {"length of the map", [](PayloadHeader& h) { h.map_coded_bytes = h.map_plain_bytes = 1 << 18; }},
      {"length of the map", [](PayloadHeader& h) { h.map_plain_bytes = 40; }},
      {"a full payload with a map",
       [&](PayloadHeader& h) {
         full(h);
         h.map_coded_bytes = h.map_plain_bytes = 24;
       }},
      {"a full payload opens a base", full},
      {"coded length of blocks", [](PayloadHeader& h) { h.block_coded_bytes_max = UINT32_MAX; }},
      {"plain length of blocks", [](PayloadHeader& h) { h.block_plain_bytes_max = h.block_coded_bytes_max = 0; }},
      {"recodes for nothing",
       [](PayloadHeader& h) {
         h.cache_blocks = 0;
         h.block_coded_bytes_max = 0;
       }},
  };
  testing::Assembler assembler = testing::SmallAssembler();
  assembler.File();
  ASSERT_TRUE(DecodeHeader(EncodeHeader(assembler.header())).ok());
  for (const Case& c : cases) {
    PayloadHeader header = assembler.header();
    c.spoil(header);
    const auto decoded = DecodeHeader(EncodeHeader(header));
    ASSERT_FALSE(decoded.ok()) << c.what;
    EXPECT_STREQ(decoded.error().what, c.what);
  }
  Bytes none = EncodeHeader(assembler.header());
  none[10] = std::byte{0};
  EXPECT_STREQ(DecodeHeader(none).error().what, "minor version 0");
  PayloadHeader many = assembler.header();
  many.recodes.fill(Recode::Zstd(3));
  many.recode_count = kMaxRecodes;
  Bytes one_more = EncodeHeader(many);
  one_more[150] = std::byte{kMaxRecodes + 1};
  EXPECT_STREQ(DecodeHeader(one_more).error().what, "number of recodes");
}

TEST(FrameHeader, SaysWhichOfItsFieldsIsWrong) {
  struct Case {
    const char* what;
    void (*spoil)(FrameHeader&);
  };
  const Case cases[] = {
      {"frame index", [](FrameHeader& f) { f.index = 99; }},
      {"frame op count", [](FrameHeader& f) { f.op_count = 0; }},
      {"frame outside the target", [](FrameHeader& f) { f.target_bytes = 0; }},
      {"stream too long", [](FrameHeader& f) { f.streams[kLiteral].plain_bytes = UINT32_MAX; }},
  };
  testing::Assembler assembler = testing::SmallAssembler();
  assembler.File();
  const FrameHeader good = assembler.frames()[0].header;
  ASSERT_TRUE(DecodeFrameHeader(EncodeFrameHeader(good), assembler.header()).ok());
  for (const Case& c : cases) {
    FrameHeader frame = good;
    c.spoil(frame);
    const auto decoded = DecodeFrameHeader(EncodeFrameHeader(frame), assembler.header());
    ASSERT_FALSE(decoded.ok()) << c.what;
    EXPECT_STREQ(decoded.error().what, c.what);
  }
}

TEST(FrameHeader, IsRefusedOrCanonicalWithAnyBitFlipped) {
  Craft craft = ThreeFrames();
  craft.FillTotals();
  const Bytes good = EncodeFrameHeader(craft.frames()[1].header);
  ASSERT_EQ(DecodeFrameHeader(good, craft.header()).value(), craft.frames()[1].header);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << bit % 8;
    const auto decoded = DecodeFrameHeader(bad, craft.header());
    if (!decoded.ok()) continue;
    EXPECT_EQ(EncodeFrameHeader(*decoded), bad) << "bit " << bit;
    EXPECT_LE(decoded->target_offset + decoded->target_bytes, craft.header().target_size);
    EXPECT_LE(decoded->coded_bytes(), craft.header().frame_coded_bytes_max);
    EXPECT_LE(decoded->plain_bytes(), craft.header().frame_plain_bytes_max);
  }
}

TEST(Ops, DecodeToWhatWasEncoded) {
  const std::vector<Op> ops = {{OpKind::kCopy, 100, 5'000},
                               {OpKind::kDiff, 1, 0},
                               {OpKind::kData, 300, 0},
                               {OpKind::kCopy, 1'000'000, 9'000'000}};
  ByteWriter out;
  uint64_t position = 0;
  for (const Op& op : ops) EncodeOp(op, position, out);
  Reading reader(out.bytes(), RoomyFrame(4, 10'000'000), 10'000'000);
  for (const Op& op : ops) EXPECT_EQ(reader.Next().value(), op);
  EXPECT_TRUE(reader.at_end());
}

// covers D01 D02: every edge value as length and as shift, from several positions; nothing accepted leaves the base.
TEST(Ops, NeverLeaveTheBaseWhateverTheNumbersSay) {
  constexpr uint64_t kBase = 1'000;
  const int64_t max = std::numeric_limits<int64_t>::max();
  const int64_t min = std::numeric_limits<int64_t>::min();
  const int64_t shifts[] = {0,      1,      -1,        999,          1'000,     1'001,     -999,
                            -1'000, -1'001, 1ll << 31, -(1ll << 31), 1ll << 32, 1ll << 62, -(1ll << 62),
                            max,    min,    max - 1,   min + 1};
  const uint64_t lengths[] = {
      0, 1, 2, 499, 500, 501, 999, 1'000, 1'001, 1ull << 31, 1ull << 32, 1ull << 61, (1ull << 62) - 1};
  unsigned accepted = 0;
  for (const uint64_t kind : {0, 1, 2, 3}) {
    for (const uint64_t first : {0ull, 1ull, 500ull, 999ull}) {
      for (const int64_t shift : shifts) {
        for (const uint64_t length : lengths) {
          ByteWriter out;
          uint64_t position = 0;
          EncodeOp({OpKind::kCopy, 1, first}, position, out);
          out.Varint(length << 2 | kind);
          out.SignedVarint(shift);
          Reading reader(out.bytes(), RoomyFrame(2, uint64_t{1} << 62), kBase);
          ASSERT_TRUE(reader.Next().ok());
          const auto op = reader.Next();
          if (!op.ok()) continue;
          ++accepted;
          EXPECT_GT(op->length, 0u);
          if (op->kind == OpKind::kData) continue;
          int64_t begin = 0;  // (a 32-bit terminal has no wider integer)
          ASSERT_FALSE(__builtin_add_overflow(static_cast<int64_t>(first) + 1, shift, &begin));
          ASSERT_GE(begin, 0);
          ASSERT_LE(static_cast<uint64_t>(begin), uint64_t{kBase});
          EXPECT_LE(length, uint64_t{kBase} - static_cast<uint64_t>(begin));
          EXPECT_EQ(op->base_offset, static_cast<uint64_t>(begin));
        }
      }
    }
  }
  EXPECT_GT(accepted, 20u);  // the table meets good values too
}

// A frame of kind 2 reads from the base and from what its segments open: in one of the two, wholly.
// covers D01 D02
TEST(Ops, NeverLeaveTheBaseOrTheSegmentsWhateverTheNumbersSay) {
  constexpr uint64_t kBase = 1'000, kSpace = 1'600;
  const int64_t max = std::numeric_limits<int64_t>::max();
  const int64_t min = std::numeric_limits<int64_t>::min();
  const int64_t shifts[] = {0,         1,     -1,    99,      100,     499,       500,
                            599,       600,   601,   999,     1'000,   -1'000,    -501,
                            1'599,     1'600, 1'601, -1'600,  -1'601,  1ll << 31, -(1ll << 31),
                            1ll << 32, max,   min,   max - 1, min + 1, 1ll << 62, -(1ll << 62)};
  const uint64_t lengths[] = {1,
                              2,
                              99,
                              100,
                              499,
                              500,
                              501,
                              599,
                              600,
                              601,
                              1'000,
                              1'001,
                              1'600,
                              1'601,
                              1ull << 31,
                              1ull << 32,
                              (1ull << 62) - 1};
  FrameHeader frame = RoomyFrame(2, uint64_t{1} << 62);
  frame.kind = FrameKind::kSegments;
  unsigned in_base = 0, in_segments = 0;
  for (const OpKind kind : {OpKind::kCopy, OpKind::kDiff}) {
    for (const uint64_t first : {0ull, 500ull, 999ull, 1'000ull, 1'500ull, 1'599ull}) {
      for (const int64_t shift : shifts) {
        for (const uint64_t length : lengths) {
          ByteWriter out;
          uint64_t position = 0;
          EncodeOp({OpKind::kCopy, 1, first}, position, out);
          out.Varint(length << 2 | static_cast<uint64_t>(kind));
          out.SignedVarint(shift);
          MemoryInput input(out.bytes());
          ControlReader control(input, out.bytes().size());
          PayloadHeader payload;
          payload.minor_version = 2;
          payload.base_size = kBase;
          OpReader ops(control, frame, payload, kSpace);
          ASSERT_TRUE(ops.Next().ok());
          const auto op = ops.Next();
          int64_t begin = 0;
          const bool counts = !__builtin_add_overflow(static_cast<int64_t>(first) + 1, shift, &begin) && begin >= 0 &&
                              begin <= static_cast<int64_t>(kSpace);
          const uint64_t end = begin < static_cast<int64_t>(kBase) ? kBase : kSpace;
          const bool fits =
              counts && length <= end - static_cast<uint64_t>(begin) && (kind == OpKind::kCopy || length <= 1 << 20);
          ASSERT_EQ(op.ok(), fits) << first << " " << shift << " " << length;
          if (!fits) continue;
          EXPECT_EQ(op->base_offset, static_cast<uint64_t>(begin));
          (end == kBase ? in_base : in_segments)++;
        }
      }
    }
  }
  EXPECT_GT(in_base, 100u);  // the table meets good values of both
  EXPECT_GT(in_segments, 100u);
}

// The table of segments itself: where in the base, how long, which encoder, how much it opens to.
// covers D01 D02
TEST(Segments, NeverLeaveTheBaseWhateverTheNumbersSay) {
  constexpr uint64_t kBase = 1'000;
  constexpr uint32_t kPlain = 256;
  const int64_t max = std::numeric_limits<int64_t>::max();
  const int64_t min = std::numeric_limits<int64_t>::min();
  const int64_t shifts[] = {0,         1,         -1,           799,  800,  899,       900,
                            999,       1'000,     1'001,        -100, -101, 1ll << 31, -(1ll << 31),
                            1ll << 32, 1ll << 62, -(1ll << 62), max,  min,  max - 1,   min + 1};
  const uint64_t codeds[] = {0, 1, 100, 200, 899, 900, 1'000, 1'001, 1ull << 31, 1ull << 32, 1ull << 62, UINT64_MAX};
  const uint64_t words[] = {0, 1, 2, 3, 4, 6, 256, 512, 1ull << 32, UINT64_MAX};
  const uint64_t plains[] = {0, 1, 255, 256, 257, 1ull << 32, UINT64_MAX};
  PayloadHeader payload;
  payload.minor_version = 2;
  payload.base_size = kBase;
  payload.block_plain_bytes_max = kPlain;
  payload.recode_count = 2;
  payload.cache_blocks = 1;
  unsigned accepted = 0;
  for (const int64_t shift : shifts) {
    for (const uint64_t coded : codeds) {
      for (const uint64_t word : words) {
        for (const uint64_t plain : plains) {
          ByteWriter out;
          out.Varint(2);
          out.SignedVarint(0);  // a good one first: [0, 100)
          out.Varint(100);
          out.Varint(1);
          out.SignedVarint(shift);
          out.Varint(coded);
          out.Varint(word);
          if ((word & 1) == 0) out.Varint(plain);
          MemoryInput input(out.bytes());
          ControlReader control(input, out.bytes().size());
          std::array<Segment, 4> room;
          const auto read = ReadSegments(control, payload, room);
          int64_t begin = 0;
          const bool inside = !__builtin_add_overflow(int64_t{100}, shift, &begin) && begin >= 0 &&
                              begin <= static_cast<int64_t>(kBase) && coded > 0 &&
                              coded <= kBase - static_cast<uint64_t>(begin);
          const bool opens = word / 2 < 2 && ((word & 1) != 0 || (plain > 0 && plain < kPlain));
          if (!read.ok()) continue;
          ++accepted;
          ASSERT_TRUE(inside && opens) << shift << " " << coded << " " << word << " " << plain;
          ASSERT_EQ(read->size(), 2u);
          EXPECT_EQ((*read)[1].offset, static_cast<uint64_t>(begin));
          EXPECT_EQ((*read)[1].address, kBase + kPlain);
          EXPECT_LE((*read)[1].plain_bytes, kPlain);
        }
      }
    }
  }
  EXPECT_GT(accepted, 100u);
}

// covers D09: all inputs of up to 3 bytes.
TEST(Ops, OfUpToThreeBytesHaveOneFormOnly) {
  for (uint32_t value = 0; value < 1u << 24; value += 1) {
    const std::byte bytes[3] = {std::byte(value), std::byte(value >> 8), std::byte(value >> 16)};
    Reading reader(bytes, RoomyFrame(1, 1 << 20), 1 << 20);
    const auto op = reader.Next();
    if (!op.ok()) continue;
    ByteWriter out;
    uint64_t position = 0;
    EncodeOp(*op, position, out);
    if (!std::equal(out.bytes().begin(), out.bytes().end(), bytes)) FAIL() << value;
  }
}

// covers D03
TEST(Ops, ThatMakeNothingAreRefused) {
  for (const uint8_t word : {0, 1, 2, 3}) {
    const std::byte bytes[2] = {std::byte{word}, std::byte{0}};
    Reading reader(bytes, RoomyFrame(1, 10), 10);
    EXPECT_FALSE(reader.Next().ok());
  }
}

TEST(Ops, MustFillTheirFrameExactly) {
  ByteWriter out;
  uint64_t position = 0;
  EncodeOp({OpKind::kCopy, 10, 0}, position, out);
  FrameHeader frame;
  frame.op_count = 1;
  for (const uint64_t target_bytes : {9, 10, 11}) {
    frame.target_bytes = target_bytes;
    Reading reader(out.bytes(), frame, 100);
    const bool fits = reader.Next().ok() && reader.Finish().ok();
    EXPECT_EQ(fits, target_bytes == 10);
  }
  Bytes longer = out.bytes();
  longer.push_back(std::byte{0});
  frame.target_bytes = 10;
  Reading reader(longer, frame, 100);
  ASSERT_TRUE(reader.Next().ok());
  EXPECT_FALSE(reader.Finish().ok());
}

}  // namespace
}  // namespace till::delta
