#include "delta/container/decode.h"

#include "delta/codec/recode.h"

namespace till::delta {
namespace {

// Dictionaries up to 2^20 and one and a half times that are what a recode can say; blocks are never longer.
constexpr uint8_t kMoreHalfBit = 0x80;
constexpr uint8_t kLargestDictionary = 20;
constexpr size_t kXzFilterAt = 12 + 2;  // behind the stream header: block header's size and flags, perhaps two sizes

uint32_t U32At(ByteView bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(bytes[at + i])} << 8 * i;
  return value;
}

// LZMA2's dictionary byte: 2^(v/2 + 12) when even, one and a half times 2^(v/2 + 12) when odd.
uint8_t FromLzma2(uint8_t value) {
  const auto log2 = static_cast<uint8_t>(value / 2 + 12);
  if (log2 > kLargestDictionary || (log2 == kLargestDictionary && value % 2 != 0)) return kLargestDictionary;
  return value % 2 == 0 ? log2 : log2 | kMoreHalfBit;
}

uint8_t FromSize(uint32_t bytes) {
  for (uint8_t log2 = 12; log2 < kLargestDictionary; ++log2) {
    if (bytes <= uint32_t{1} << log2) return log2;
    if (bytes <= (uint32_t{1} << log2) / 2 * 3) return log2 | kMoreHalfBit;
  }
  return kLargestDictionary;
}

void SetProperties(uint8_t byte, XzParameters& parameters) {
  if (byte >= 9 * 5 * 5) return;
  parameters.lc = byte % 9;
  parameters.lp = byte / 9 % 5;
  parameters.pb = byte / 45;
}

// The xz block header: filters with their properties; behind it LZMA2's first chunk, which tells lc, lp and pb.
XzParameters ReadXzHeader(ByteView coded) {
  XzParameters parameters;
  parameters.dictionary = kLargestDictionary;
  if (coded.size() < 12 + 8) return parameters;
  const size_t header_bytes = (size_t{static_cast<uint8_t>(coded[12])} + 1) * 4;
  const auto flags = static_cast<uint8_t>(coded[13]);
  if (header_bytes > coded.size() - 12) return parameters;
  ByteReader in(coded.subspan(kXzFilterAt, header_bytes - 2));
  if ((flags & 0x40) != 0) (void)in.Varint();
  if ((flags & 0x80) != 0) (void)in.Varint();
  for (unsigned i = 0; i <= (flags & 3u); ++i) {
    const Result<uint64_t> filter = in.Varint();
    const Result<uint64_t> length = in.Varint();
    if (!filter.ok() || !length.ok()) return parameters;
    const Result<ByteView> properties = in.Take(*length);
    if (!properties.ok()) return parameters;
    if (*filter >= 4 && *filter <= 9) parameters.filter = static_cast<XzFilter>(*filter - 3);
    if (*filter == 0x21 && properties->size() == 1) {
      parameters.dictionary = FromLzma2(static_cast<uint8_t>((*properties)[0]));
    }
  }
  const size_t chunk = 12 + header_bytes;
  if (coded.size() >= chunk + 6 && static_cast<uint8_t>(coded[chunk]) >= 0xC0) {
    SetProperties(static_cast<uint8_t>(coded[chunk + 5]), parameters);
  }
  return parameters;
}

XzParameters ReadLzmaHeader(ByteView coded) {
  XzParameters parameters;
  if (coded.size() < 13) return parameters;
  SetProperties(static_cast<uint8_t>(coded[0]), parameters);
  parameters.dictionary = FromSize(U32At(coded, 1));
  return parameters;
}

}  // namespace

Recode DecodingOf(const CodedBlock& block, ByteView coded) {
  switch (block.codec) {
    case RecodeCodec::kXz:
      return Recode::Xz(ReadXzHeader(coded));
    case RecodeCodec::kLzma:
      return Recode::Lzma(ReadLzmaHeader(coded));
    case RecodeCodec::kZlib: {
      ZlibParameters parameters;
      parameters.raw_deflate = block.bare;
      const uint8_t first = coded.empty() ? 0 : static_cast<uint8_t>(coded[0]);
      if (!block.bare && (first & 15) == 8 && first >> 4 >= 1 && first >> 4 <= 7) {
        parameters.window_bits = static_cast<uint8_t>((first >> 4) + 8);
      }
      return Recode::Zlib(parameters);
    }
    case RecodeCodec::kZstd:
      return Recode::Zstd(15);
    case RecodeCodec::kLz4:
      return Recode::Lz4(false);
    case RecodeCodec::kNone:
      break;
  }
  return {};
}

Result<size_t> DecodeBlock(const CodedBlock& block, ByteView coded, MutableByteView plain) {
  const Recode recode = DecodingOf(block, coded);
  Bytes workspace(RecodeDecodeBytes(recode, plain.size()));
  return RecodeDecode(recode, coded, plain, workspace);
}

}  // namespace till::delta
