#include "delta/residual/context_mixer.h"

namespace till::delta {
namespace {

// Trust in a context that was seen so often, in 1/16.
constexpr std::array<int32_t, 8> kTrust = {0, 10, 14, 16, 18, 19, 20, 20};
// The share of the error a slot takes over, in 1/1024, by its count: quick at first, then slow.
constexpr std::array<int32_t, 19> kRate = {512, 341, 256, 205, 171, 146, 128, 102, 85, 73,
                                           64,  57,  51,  46,  43,  39,  37,  34,  32};
constexpr int32_t kLowest = 16;
constexpr int32_t kHighest = 65520;
constexpr int32_t kLearningRate = 7;
constexpr unsigned kLearningShift = 18;

}  // namespace

void ContextMixer::LookUp(const uint32_t* contexts, size_t count) {
  context_count_ = count;
  size_t k = 0;
  for (size_t i = 0; i < count; ++i) {
    found_[i] = wanted_[i] = nullptr;
    int32_t stretched = 0;
    int32_t linear = 0;
    if (contexts[i] != kNoContext) {
      Slot* const slot = &slots_[contexts[i] >> kIndexShift];
      checks_[i] = static_cast<uint8_t>(contexts[i]);
      if (slot->check == checks_[i] && slot->count != 0) {
        found_[i] = slot;
        const int32_t trust = kTrust[slot->count < 7 ? slot->count : 7];
        stretched = (Stretch(slot->probability) * trust) >> 4;
        linear = ((static_cast<int32_t>(slot->probability) - 32768) * trust) >> 8;
      } else {
        wanted_[i] = slot;
      }
    }
    inputs_[k++] = stretched;
    inputs_[k++] = linear;
  }
  inputs_[k++] = 256;
  input_count_ = k;
}

void ContextMixer::Learn(int32_t* weights, uint32_t probability, uint32_t bit) const {
  const int32_t error = (static_cast<int32_t>(bit << 16) - static_cast<int32_t>(probability)) * kLearningRate;
  for (size_t i = 0; i < input_count_; ++i) {
    if (inputs_[i] == 0) continue;
    const int32_t step = (inputs_[i] * error + (1 << (kLearningShift - 1))) >> kLearningShift;
    weights[i] = static_cast<int32_t>(static_cast<uint32_t>(weights[i]) + static_cast<uint32_t>(step));
  }
}

void ContextMixer::UpdateSlots(uint32_t bit, uint32_t probability) {
  const uint32_t error = bit != 0 ? 65536 - probability : probability;
  const int32_t goal = bit != 0 ? 65535 : 0;
  for (size_t i = 0; i < context_count_; ++i) {
    if (Slot* const slot = found_[i]) {
      const int32_t before = slot->probability;
      const int32_t after = before + (((goal - before) * kRate[slot->count]) >> 10);
      slot->probability = static_cast<uint16_t>(after < kLowest ? kLowest : after > kHighest ? kHighest : after);
      if (slot->count < kCountLimit) ++slot->count;
    } else if (Slot* const taken = wanted_[i]; taken != nullptr && error > kSurprise) {
      if (taken->count > kAge) {
        taken->count -= kAge;
      } else {
        *taken = {static_cast<uint16_t>(bit != 0 ? 49152 : 16384), 1, checks_[i]};
      }
    }
  }
}

}  // namespace till::delta
