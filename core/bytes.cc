#include "core/bytes.h"

namespace till {

template <typename T>
Result<T> ByteReader::Little() {
  if (remaining() < sizeof(T)) return Error{ErrorCode::kCorrupt, "bytes end inside a number", offset_};
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | (static_cast<uint64_t>(bytes_[offset_ + i]) << (8 * i)));
  }
  offset_ += sizeof(T);
  return value;
}

Result<uint8_t> ByteReader::U8() { return Little<uint8_t>(); }
Result<uint16_t> ByteReader::U16() { return Little<uint16_t>(); }
Result<uint32_t> ByteReader::U32() { return Little<uint32_t>(); }
Result<uint64_t> ByteReader::U64() { return Little<uint64_t>(); }

Result<uint64_t> ByteReader::Varint() {
  const size_t start = offset_;
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (at_end()) return Error{ErrorCode::kCorrupt, "bytes end inside a varint", offset_};
    const auto byte = static_cast<uint64_t>(bytes_[offset_++]);
    if (shift == 63 && byte > 1) return Error{ErrorCode::kCorrupt, "varint above 64 bits", start};
    value |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) {
      if (byte == 0 && shift != 0) return Error{ErrorCode::kCorrupt, "varint not in its shortest form", start};
      return value;
    }
  }
  return Error{ErrorCode::kCorrupt, "varint above 64 bits", start};
}

Result<int64_t> ByteReader::SignedVarint() {
  const uint64_t zigzag = TILL_TRY(Varint());
  return static_cast<int64_t>((zigzag >> 1) ^ (~(zigzag & 1) + 1));
}

Result<ByteView> ByteReader::Take(uint64_t count) {
  if (count > remaining()) return Error{ErrorCode::kCorrupt, "length runs past the end", offset_};
  const ByteView taken = bytes_.subspan(offset_, static_cast<size_t>(count));
  offset_ += static_cast<size_t>(count);
  return taken;
}

Status ByteReader::Skip(uint64_t count) {
  TILL_TRY(Take(count));
  return Ok();
}

void ByteWriter::U16(uint16_t value) {
  for (int i = 0; i < 2; ++i) U8(static_cast<uint8_t>(value >> (8 * i)));
}
void ByteWriter::U32(uint32_t value) {
  for (int i = 0; i < 4; ++i) U8(static_cast<uint8_t>(value >> (8 * i)));
}
void ByteWriter::U64(uint64_t value) {
  for (int i = 0; i < 8; ++i) U8(static_cast<uint8_t>(value >> (8 * i)));
}
void ByteWriter::Varint(uint64_t value) {
  while (value >= 0x80) {
    U8(static_cast<uint8_t>(value | 0x80));
    value >>= 7;
  }
  U8(static_cast<uint8_t>(value));
}
void ByteWriter::SignedVarint(int64_t value) {
  Varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}

std::string ToHex(ByteView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    text.push_back(kDigits[static_cast<unsigned>(b) >> 4]);
    text.push_back(kDigits[static_cast<unsigned>(b) & 15]);
  }
  return text;
}

namespace {
int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

Result<Bytes> FromHex(std::string_view text) {
  if (text.size() % 2 != 0) return Error{ErrorCode::kInvalid, "hexadecimal text of odd length", text.size()};
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = HexDigit(text[i]);
    const int low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return Error{ErrorCode::kInvalid, "not a hexadecimal digit", i};
    bytes.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return bytes;
}

}  // namespace till
