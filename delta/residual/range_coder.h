// Binary range coder (Martin 1979; carry and cache as in LZMA). Both sides have the face Code(probability, bit): the
// encoder writes the bit it is given, the decoder ignores it and answers the one it reads.
//   probability: of a 1, in 1/65536, from 1 to 65535.
//   Bytes behind the end read as zeros, so up to 4 trailing zeros are not stored. Thread rule: one thread at a time.
#pragma once

#include "core/bytes.h"

namespace till::delta {

inline constexpr uint32_t kRangeTop = 1u << 24;

class RangeEncoder {
 public:
  uint32_t Code(uint32_t probability, uint32_t bit) {
    const uint32_t bound = (range_ >> 16) * probability;
    if (bit != 0) {
      range_ = bound;
    } else {
      low_ += bound;
      range_ -= bound;
    }
    while (range_ < kRangeTop) {
      range_ <<= 8;
      ShiftOut();
    }
    return bit;
  }

  // At most this many bytes if it ended now.
  size_t bytes_bound() const { return bytes_.size() + pending_ + 4; }

  // At least one byte.
  Bytes Finish() {
    for (int i = 0; i < 5; ++i) ShiftOut();
    bytes_.erase(bytes_.begin());  // always zero: nothing carries out of the first 32 bits
    for (int i = 0; i < 4 && bytes_.size() > 1 && bytes_.back() == std::byte{0}; ++i) bytes_.pop_back();
    return std::move(bytes_);
  }

 private:
  void ShiftOut() {
    if (static_cast<uint32_t>(low_) < 0xff000000u || low_ >> 32 != 0) {
      const auto carry = static_cast<uint8_t>(low_ >> 32);
      bytes_.push_back(std::byte(static_cast<uint8_t>(cache_ + carry)));
      for (; pending_ > 0; --pending_) bytes_.push_back(std::byte(static_cast<uint8_t>(0xff + carry)));
      cache_ = static_cast<uint8_t>(low_ >> 24);
    } else {
      ++pending_;
    }
    low_ = (low_ & 0x00ffffffu) << 8;
  }

  Bytes bytes_;
  uint64_t low_ = 0;
  uint32_t range_ = 0xffffffffu;
  uint64_t pending_ = 0;  // 0xff bytes that a carry may still change
  uint8_t cache_ = 0;
};

class RangeDecoder {
 public:
  explicit RangeDecoder(ByteView coded) : coded_(coded) {
    for (int i = 0; i < 4; ++i) code_ = code_ << 8 | NextByte();
  }

  uint32_t Code(uint32_t probability, uint32_t /*bit*/) {
    const uint32_t bound = (range_ >> 16) * probability;
    uint32_t bit = 0;
    if (code_ < bound) {
      range_ = bound;
      bit = 1;
    } else {
      code_ -= bound;
      range_ -= bound;
    }
    while (range_ < kRangeTop) {
      range_ <<= 8;
      code_ = code_ << 8 | NextByte();
    }
    return bit;
  }

  // No byte left over, and no more zeros invented than an encoder drops.
  bool ended_well() const { return used_ >= coded_.size() && used_ <= coded_.size() + 4; }
  bool overran() const { return used_ > coded_.size() + 4; }
  uint64_t used_bytes() const { return used_; }

 private:
  uint32_t NextByte() {
    const uint64_t at = used_++;
    return at < coded_.size() ? static_cast<uint32_t>(coded_[at]) : 0;
  }

  ByteView coded_;
  uint64_t used_ = 0;
  uint32_t range_ = 0xffffffffu;
  uint32_t code_ = 0;
};

}  // namespace till::delta
