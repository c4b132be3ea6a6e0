// Where a byte of an opened image lies: in the image as it is, or among the plain bytes of one of its coded blocks.
//   One number, so that runs can be compared and extended: raw bytes by their offset, plain bytes by block and offset.
#pragma once

#include <cassert>
#include <cstdint>

namespace till::delta {

struct Address {
  static constexpr uint64_t kBlockBit = uint64_t{1} << 63;
  static constexpr unsigned kOffsetBits = 21;  // a block has at most 1 MiB, and its end must have an address too

  static Address Raw(uint64_t offset) { return {offset}; }
  static Address InBlock(uint32_t block, uint64_t offset) {
    assert(offset < uint64_t{1} << kOffsetBits);
    return {kBlockBit | uint64_t{block} << kOffsetBits | offset};
  }
  bool in_block() const { return (value & kBlockBit) != 0; }
  uint32_t block() const { return static_cast<uint32_t>((value & ~kBlockBit) >> kOffsetBits); }
  uint64_t offset() const { return in_block() ? value & ((uint64_t{1} << kOffsetBits) - 1) : value; }
  Address operator+(uint64_t bytes) const { return {value + bytes}; }
  // clang-tidy 14 takes the 0 that a defaulted <=> is compared with for a pointer.
  auto operator<=>(const Address&) const = default;  // NOLINT(modernize-use-nullptr)

  uint64_t value = 0;
};

}  // namespace till::delta
