#include "core/chunklist.h"

#include <gtest/gtest.h>

#include <string>

namespace till {
namespace {

Bytes Body(size_t size) {
  Bytes body(size);
  for (size_t i = 0; i < size; ++i) body[i] = static_cast<std::byte>(i * 31 + (i >> 8));
  return body;
}

ChunkList ListOf(const Bytes& body, unsigned chunk_log2) {
  MemorySource source{ByteView(body)};
  return ChunkList::Of(source, chunk_log2).value();
}

TEST(ChunkList, SurvivesEncodingAtEveryEdgeOfAChunk) {
  for (const size_t size : {0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 20000}) {
    const Bytes body = Body(size);
    const ChunkList list = ListOf(body, 12);
    const Bytes encoded = list.Encode();
    EXPECT_EQ(encoded.size(), list.encoded_length());
    EXPECT_EQ(*ChunkList::EncodedLength(ByteView(encoded).first(16)), encoded.size());
    const Result<ChunkList> decoded = ChunkList::Decode(encoded);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->Encode(), encoded);
    EXPECT_EQ(decoded->body_length(), size);
    EXPECT_EQ(decoded->chunk_count(), (size + 4095) / 4096);
    uint64_t offset = 0;
    for (size_t i = 0; i < decoded->chunk_count(); ++i) {
      const ByteView chunk = ByteView(body).subspan(offset, decoded->ChunkLength(i));
      EXPECT_TRUE(decoded->Matches(i, chunk));
      EXPECT_FALSE(decoded->Matches(i, chunk.first(chunk.size() - 1)));
      EXPECT_FALSE(decoded->Matches(i + 1, chunk));
      offset += chunk.size();
    }
    EXPECT_EQ(offset, size);
  }
}

TEST(ChunkList, LaysItsHeaderOutAsDocumented) {
  const Bytes encoded = ListOf(Body(40000), ChunkList::kDefaultChunkLog2).Encode();
  EXPECT_EQ(ToHex(ByteView(encoded).first(16)), "5443484c010f0000409c000000000000");
  EXPECT_EQ(encoded.size(), 16U + 2 * 32);
}

// covers D09
TEST(ChunkList, RefusesEveryChangedBitOfItsHeaderOrKeepsItsMeaning) {
  const Bytes encoded = ListOf(Body(20000), 12).Encode();
  for (size_t bit = 0; bit < 16 * 8; ++bit) {
    Bytes bent = encoded;
    bent[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const Result<ChunkList> decoded = ChunkList::Decode(bent);
    // A changed length within the last chunk still describes a list; everything else must be refused.
    if (decoded.ok()) {
      EXPECT_EQ(decoded->Encode(), bent) << bit;
      EXPECT_NE(decoded->body_length(), 20000U) << bit;
    } else {
      EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt) << bit;
    }
  }
}

TEST(ChunkList, RefusesTooShortAndTooLong) {
  const Bytes encoded = ListOf(Body(20000), 12).Encode();
  for (size_t size = 0; size < encoded.size(); ++size) {
    EXPECT_FALSE(ChunkList::Decode(ByteView(encoded).first(size)).ok()) << size;
  }
  Bytes longer = encoded;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(ChunkList::Decode(longer).ok());
}

TEST(ChunkList, ChecksItsBounds) {
  const Bytes body = Body(10);
  MemorySource source{ByteView(body)};
  EXPECT_EQ(ChunkList::Of(source, 11).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(ChunkList::Of(source, 21).error().code, ErrorCode::kInvalid);
  ByteWriter header;
  header.Append(AsBytes("TCHL"));
  header.U8(1);
  header.U8(12);
  header.U16(0);
  header.U64(ChunkList::kMaxBodyBytes);
  EXPECT_EQ(*ChunkList::EncodedLength(header.bytes()), (uint64_t{32} << 20) + 16);
  for (const uint8_t log2 : {uint8_t{11}, uint8_t{21}}) {
    ByteWriter bent;
    bent.Append(ByteView(header.bytes()).first(5));
    bent.U8(log2);
    bent.U16(0);
    bent.U64(1);
    EXPECT_EQ(ChunkList::EncodedLength(bent.bytes()).error().code, ErrorCode::kCorrupt) << int{log2};
  }
  ByteWriter above;
  above.Append(ByteView(header.bytes()).first(8));
  above.U64(ChunkList::kMaxBodyBytes + 1);
  EXPECT_EQ(ChunkList::EncodedLength(above.bytes()).error().code, ErrorCode::kCorrupt);
}

// A source that claims more than it holds.
class ShortSource : public Source {
 public:
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    if (offset >= 5000) return size_t{0};
    return std::min<size_t>(out.size(), 1000);
  }
  uint64_t size() const override { return 9000; }
};

// Nothing of it is read: the list alone would take gigabytes.
class EndlessSource : public Source {
 public:
  Result<size_t> ReadAt(uint64_t, MutableByteView) override { return Error{ErrorCode::kIo, "read all the same"}; }
  uint64_t size() const override { return ChunkList::kMaxBodyBytes + 1; }
};

TEST(ChunkList, ListsNoBodyAboveItsBound) {
  EndlessSource source;
  EXPECT_EQ(ChunkList::Of(source, 12).error().code, ErrorCode::kLimit);
}

TEST(ChunkList, FailsWhenTheBodyEndsEarly) {
  ShortSource source;
  EXPECT_EQ(ChunkList::Of(source, 12).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace till
