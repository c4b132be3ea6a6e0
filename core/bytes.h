// Views on bytes, and the two cursors every format of ours is read and written with.
//   ByteReader never reads past its end: every call answers kCorrupt with the offset instead. Integers are little
//   endian; varints are LEB128, at most 10 bytes, and only the shortest form is accepted (one canonical encoding).
//   Thread rule: values, no sharing. ByteReader does not own its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace till {

using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;
using Bytes = std::vector<std::byte>;

inline ByteView AsBytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
inline std::string_view AsText(ByteView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  Result<uint8_t> U8();
  Result<uint16_t> U16();
  Result<uint32_t> U32();
  Result<uint64_t> U64();
  Result<uint64_t> Varint();
  Result<int64_t> SignedVarint();  // zigzag
  Result<ByteView> Take(uint64_t count);
  Status Skip(uint64_t count);

  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }
  bool at_end() const { return remaining() == 0; }

 private:
  template <typename T>
  Result<T> Little();

  ByteView bytes_;
  size_t offset_ = 0;
};

class ByteWriter {
 public:
  void U8(uint8_t value) { bytes_.push_back(std::byte{value}); }
  void U16(uint16_t value);
  void U32(uint32_t value);
  void U64(uint64_t value);
  void Varint(uint64_t value);
  void SignedVarint(int64_t value);
  void Append(ByteView bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  size_t size() const { return bytes_.size(); }
  const Bytes& bytes() const { return bytes_; }
  Bytes Take() && { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

// Lower-case hexadecimal; FromHex refuses odd lengths and other characters (upper case is accepted).
std::string ToHex(ByteView bytes);
Result<Bytes> FromHex(std::string_view text);

}  // namespace till
