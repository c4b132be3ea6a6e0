// One binary decision from many opinions: each context looks up how often the bit was 1 in it, a mixer selected by the
// caller weighs the stretched probabilities, and the weights learn from what came (Mahoney's PAQ, lpaq; own code).
//   Integers only; overflow is wrapped, never undefined. Memory: what the two structures hold, nothing else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "delta/residual/logistic.h"

namespace till::delta {

// What is known in one context. `count` 0: nothing.
struct Slot {
  uint16_t probability;
  uint8_t count;
  uint8_t check;
};

inline constexpr unsigned kSlotLog = 17;
inline constexpr size_t kMaxInputs = 25;  // two of each context, and a constant
inline constexpr size_t kMaxContexts = 12;
inline constexpr uint32_t kNoContext = 0;

constexpr uint32_t HashOf(uint32_t a, uint32_t b) {
  uint32_t h = (a * 0x9E3779B1u) ^ ((b + 0x7F4A7C15u) * 0x85EBCA6Bu);
  h ^= h >> 15;
  h *= 0x2C1B3C6Du;
  return h ^ h >> 13;
}

// Weights of a family of decisions with the same contexts: one set per selector value.
template <size_t kInputs, size_t kSets>
struct WeightSets {
  static constexpr size_t kInputCount = kInputs;
  std::array<std::array<int32_t, kInputs>, kSets> sets;
  void Reset(int32_t weight) {
    for (auto& set : sets) set.fill(weight);
  }
};

class ContextMixer {
 public:
  void Reset() {
    for (Slot& slot : slots_) slot = {};
  }

  // `contexts`: hashes, kNoContext for one that has no say this time. Two sets of weights are asked, and averaged.
  template <typename Coder>
  uint32_t Code(Coder& coder, uint32_t bit, const uint32_t* contexts, size_t count, int32_t* first, int32_t* second) {
    LookUp(contexts, count);
    const int64_t first_dot = Dot(first) >> 16;
    const int64_t second_dot = Dot(second) >> 16;
    const int first_x = ClampStretched(first_dot);
    const int second_x = ClampStretched(second_dot);
    const uint32_t probability = Squash((first_x + second_x) >> 1);
    bit = coder.Code(probability, bit);
    Learn(first, Squash(first_x), bit);
    Learn(second, Squash(second_x), bit);
    UpdateSlots(bit, probability);
    return bit;
  }

 private:
  static constexpr unsigned kIndexShift = 32 - kSlotLog;
  static constexpr uint32_t kSurprise = 2000;  // error from which a context is worth a slot
  static constexpr uint8_t kCountLimit = 18;
  static constexpr uint8_t kAge = 4;

  void LookUp(const uint32_t* contexts, size_t count);
  int64_t Dot(const int32_t* weights) const {
    int64_t sum = 0;
    for (size_t i = 0; i < input_count_; ++i) sum += int64_t{inputs_[i]} * weights[i];
    return sum;
  }
  void Learn(int32_t* weights, uint32_t probability, uint32_t bit) const;
  void UpdateSlots(uint32_t bit, uint32_t probability);

  std::array<Slot, size_t{1} << kSlotLog> slots_;
  std::array<Slot*, kMaxContexts> found_;   // null: no opinion
  std::array<Slot*, kMaxContexts> wanted_;  // where an opinion may be kept, null: it is kept already or has no context
  std::array<uint8_t, kMaxContexts> checks_;
  std::array<int32_t, kMaxInputs> inputs_;
  size_t context_count_;
  size_t input_count_;
};

}  // namespace till::delta
