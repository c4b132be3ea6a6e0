#include "delta/mips/predictor.h"

#include <algorithm>

namespace till::delta {
namespace {

constexpr uint32_t kJ = 2;
constexpr uint32_t kJal = 3;
constexpr uint32_t kAddiu = 9;
constexpr uint32_t kLui = 15;
constexpr uint32_t kFirstLoad = 32;
constexpr uint32_t kFirstStore = 40;
constexpr uint32_t kLastMemory = 46;
constexpr uint32_t kAdduFunction = 0x21;

constexpr uint32_t OpcodeOf(uint32_t word) { return word >> 26; }
constexpr uint32_t RsOf(uint32_t word) { return word >> 21 & 31; }
constexpr uint32_t RtOf(uint32_t word) { return word >> 16 & 31; }
constexpr uint32_t RdOf(uint32_t word) { return word >> 11 & 31; }

}  // namespace

void MipsPredictor::Start(size_t region, uint32_t offset) {
  region_ = region;
  load_address_ = map_->load_address(region);
  size_ = map_->size(region);
  offset_ = offset;
  upper_.fill({});
}

void MipsPredictor::Predict(MutableByteView bytes) {
  size_t i = std::min<size_t>((4 - offset_ % 4) % 4, bytes.size());
  for (; i + 4 <= bytes.size(); i += 4) {
    uint32_t word = 0;
    for (unsigned b = 0; b < 4; ++b) word |= static_cast<uint32_t>(bytes[i + b]) << 8 * b;
    const uint32_t at = offset_;
    offset_ = at + static_cast<uint32_t>(i);
    const uint32_t predicted = PredictWord(word);
    offset_ = at;
    for (unsigned b = 0; b < 4; ++b) bytes[i + b] = static_cast<std::byte>(predicted >> 8 * b);
  }
  offset_ += static_cast<uint32_t>(bytes.size());
}

uint32_t MipsPredictor::PredictWord(uint32_t word) {
  if (InRegion(word)) return Moved(word);
  const uint32_t opcode = OpcodeOf(word);
  if (opcode == kJ || opcode == kJal) {
    const uint32_t target = (load_address_ & 0xf0000000u) | (word & 0x03ffffffu) << 2;
    return InRegion(target) ? (word & 0xfc000000u) | (Moved(target) >> 2 & 0x03ffffffu) : word;
  }
  uint32_t predicted = word;
  if (opcode == kAddiu || (opcode >= kFirstLoad && opcode <= kLastMemory)) {
    predicted = PredictLower(word, upper_[RsOf(word)]);
  }
  Follow(word);
  return predicted;
}

uint32_t MipsPredictor::PredictLower(uint32_t word, const Upper& upper) const {
  if (upper.offset == kNowhere || offset_ - upper.offset >= kLookBackBytes) return word;
  const uint32_t lower = word & 0xffff;
  const uint32_t address = upper.value + lower - ((lower & 0x8000) << 1);
  return InRegion(address) ? (word & 0xffff0000u) | (Moved(address) & 0xffff) : word;
}

// What a word, read as an instruction, does to the upper halves in the registers.
void MipsPredictor::Follow(uint32_t word) {
  const uint32_t opcode = OpcodeOf(word);
  if (opcode == kLui) {
    upper_[RtOf(word)] = {word << 16, offset_};
  } else if (opcode == kAddiu || (opcode >= kFirstLoad && opcode < kFirstStore)) {
    upper_[RtOf(word)] = {};
  } else if (opcode == 0) {
    // addu: an index is added, the lower half is still to come.
    const bool adds = (word & 0x7ff) == kAdduFunction;
    const Upper& from = upper_[RsOf(word)].offset != kNowhere ? upper_[RsOf(word)] : upper_[RtOf(word)];
    upper_[RdOf(word)] = adds ? from : Upper{};
  }
}

}  // namespace till::delta
