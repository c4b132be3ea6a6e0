#include "delta/chunks/chunker.h"

#include <algorithm>
#include <array>

namespace till::delta {
namespace {

// splitmix64 from seed 0, upper halves: a fixed table without a file of numbers.
constexpr std::array<uint32_t, 256> MakeGear() {
  std::array<uint32_t, 256> gear{};
  uint64_t state = 0;
  for (uint32_t& entry : gear) {
    state += 0x9e3779b97f4a7c15;
    uint64_t mixed = state;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    entry = static_cast<uint32_t>((mixed ^ (mixed >> 31)) >> 32);
  }
  return gear;
}
constexpr std::array<uint32_t, 256> kGear = MakeGear();

// Where a hash's upper `bits` are zero the chunk may end. Two bits more before the average than after it.
constexpr uint32_t MaskOf(unsigned bits) { return ~uint32_t{0} << (32 - bits); }

}  // namespace

size_t Chunker::CutLength(ByteView bytes) const {
  if (bytes.size() <= min_bytes()) return bytes.size();
  const size_t end = std::min(bytes.size(), max_bytes());
  const size_t average = std::min(end, size_t{1} << average_log2_);
  const uint32_t strict = MaskOf(average_log2_ + 1);
  const uint32_t loose = MaskOf(average_log2_ - 1);
  uint32_t hash = 0;
  size_t at = min_bytes();
  for (; at < average; ++at) {
    hash = (hash << 1) + kGear[std::to_integer<uint8_t>(bytes[at])];
    if ((hash & strict) == 0) return at + 1;
  }
  for (; at < end; ++at) {
    hash = (hash << 1) + kGear[std::to_integer<uint8_t>(bytes[at])];
    if ((hash & loose) == 0) return at + 1;
  }
  return end;
}

}  // namespace till::delta
