// The two directions of ResidualModel: the same decisions, asked of an encoder or of a decoder. Included only by
// encoder.cc and decoder.cc, so that a terminal carries the decoding half alone.
#pragma once

#include <algorithm>

#include "delta/residual/model.h"

namespace till::delta {

// A changed word is asked for whole so often before its bits are.
inline constexpr size_t kGuesses = 2;
// The short way is taken after so many equal words, when fewer than one word in 64 is likely to differ.
inline constexpr uint32_t kQuickRun = 4;
inline constexpr uint32_t kQuickChance = (1u << 22) - (1u << 22) / 64;

inline uint32_t LoadWord(const std::byte* at) {
  return static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 | static_cast<uint32_t>(at[2]) << 16 |
         static_cast<uint32_t>(at[3]) << 24;
}

inline void StoreWord(uint32_t word, std::byte* at) {
  for (unsigned i = 0; i < 4; ++i) at[i] = static_cast<std::byte>(word >> 8 * i);
}

template <typename Coder>
void ResidualModel::StartOp(Coder& coder, uint64_t address, uint32_t phase) {
  const uint32_t change = (phase - static_cast<uint32_t>(address) - bias_) & 3;
  uint32_t node = 1;
  for (int bit_index = 1; bit_index >= 0; --bit_index) {
    const uint32_t context = HashOf(node, 400) | 1;
    int32_t* const weights = bias_weights_.sets[0].data();
    node = node << 1 | mixer_.Code(coder, change >> bit_index & 1, &context, 1, weights, weights);
  }
  has_words_ = true;
  bias_ = (bias_ + node) & 3;
  phase_ = (static_cast<uint32_t>(address) + bias_) & 3;
}

template <typename Coder>
void ResidualModel::CodePredicted(Coder& coder, ByteView predicted, MutableByteView bytes) {
  for (size_t i = 0; i < bytes.size();) {
    if (phase_ == 0 && bytes.size() - i >= 4) {
      StoreWord(CodeWord(coder, LoadWord(&predicted[i]), LoadWord(&bytes[i])), &bytes[i]);
      i += 4;
      continue;
    }
    bytes[i] = std::byte{CodePredictedByte(coder, static_cast<uint8_t>(predicted[i]), static_cast<uint8_t>(bytes[i]))};
    phase_ = (phase_ + 1) & 3;
    ++i;
  }
}

template <typename Coder>
void ResidualModel::CodeLiteral(Coder& coder, MutableByteView bytes) {
  for (std::byte& byte : bytes) {
    byte = std::byte{CodeLiteralByte(coder, static_cast<uint8_t>(byte), 0)};
    if (has_words_) phase_ = (phase_ + 1) & 3;
  }
}

template <typename Coder>
uint32_t ResidualModel::CodeWord(Coder& coder, uint32_t predicted, uint32_t actual) {
  const uint32_t is_equal = actual == predicted ? 1 : 0;
  const Quick quick = CodeQuickly(coder, predicted, is_equal);
  if (quick == Quick::kEqual) return predicted;
  Word word = LookAt(predicted);
  if (quick == Quick::kSlow && CodeIsEqual(coder, word, is_equal) != 0) {
    actual = predicted;
  } else {
    actual = CodeChangedWord(coder, word, actual);
  }
  Note(word, actual);
  return actual;
}

template <typename Coder>
ResidualModel::Quick ResidualModel::CodeQuickly(Coder& coder, uint32_t predicted, uint32_t equal) {
  if (run_ < kQuickRun) return Quick::kSlow;
  const WordKind kind = KindOf(predicted);
  uint32_t& chance = quick_[static_cast<size_t>(kind)][RunClass()];
  if (chance < kQuickChance || IsSuspect(predicted, kind)) return Quick::kSlow;
  equal = coder.Code(std::min(chance >> 6, 65535u), equal);
  if (equal == 0) {
    chance -= chance >> 7;
    return Quick::kChanged;
  }
  chance += ((1u << 22) - chance) >> 7;
  ++run_;
  history_ <<= 1;
  kind_history_[static_cast<size_t>(kind)] <<= 1;
  last_word_ = predicted;
  last_bytes_ = __builtin_bswap32(predicted);
  return Quick::kEqual;
}

template <typename Coder>
uint32_t ResidualModel::CodeIsEqual(Coder& coder, const Word& word, uint32_t equal) {
  const auto kind = static_cast<uint32_t>(word.kind);
  uint32_t votes = 0;  // of each table: none, unchanged, changed
  for (size_t i = 1; i <= kTables; ++i) {
    votes = votes * 3 + (word.confidence[i] == 0 ? 0 : word.expected[i] == word.predicted ? 1 : 2);
  }
  const uint32_t run_class = RunClass();
  const uint32_t sure = std::min<uint32_t>(word.confidence[1], 7) + std::min<uint32_t>(word.confidence[2], 7) * 8 +
                        std::min<uint32_t>(word.confidence[3], 7) * 64;
  const std::array<uint32_t, 10> contexts = {
      HashOf(word.predicted, 100) | 1,
      HashOf(votes * 64 + kind, 101) | 1,
      HashOf(kind * 16 + (kind_history_[kind] & 15), 102 + run_class * 1000) | 1,
      HashOf(history_ & 255, 103 + kind * 1000) | 1,
      HashOf(word.predicted >> 16, 104) | 1,
      HashOf(votes, 105 + sure * 1000) | 1,
      HashOf(word.keys[1], 106) | 1,
      HashOf(word.keys[3], 107) | 1,
      HashOf(last_word_ * 31 + word.predicted, 108) | 1,
      HashOf(word.keys[4], 109) | 1,
  };
  return mixer_.Code(coder, equal, contexts.data(), contexts.size(), equal_by_kind_.sets[kind * 10 + run_class].data(),
                     equal_by_votes_.sets[votes].data());
}

template <typename Coder>
uint32_t ResidualModel::CodeChangedWord(Coder& coder, Word& word, uint32_t actual) {
  uint32_t& hits = hit_history_[static_cast<size_t>(word.kind)];
  for (size_t guess = 0; guess < kGuesses; ++guess) {
    size_t best = 0;
    for (size_t i = 1; i <= kTables; ++i) {
      const bool says = word.confidence[i] != 0 && word.expected[i] != word.predicted;
      if (says && (best == 0 || word.confidence[i] > word.confidence[best])) best = i;
    }
    if (best == 0) break;
    const uint32_t expected = word.expected[best];
    const uint32_t right = CodeIsExpected(coder, word, best, guess, actual == expected ? 1 : 0);
    hits = hits << 1 | (right ^ 1);
    if (right != 0) return expected;
    for (size_t i = 1; i <= kTables; ++i) {
      if (word.expected[i] == expected) word.confidence[i] = 0;
    }
  }
  return CodeUnexpectedWord(coder, word, actual);
}

template <typename Coder>
uint32_t ResidualModel::CodeIsExpected(Coder& coder, const Word& word, size_t table, size_t guess, uint32_t right) {
  const auto kind = static_cast<uint32_t>(word.kind);
  const uint32_t confidence = word.confidence[table];
  uint32_t votes = 0;
  for (size_t i = 1; i <= kTables; ++i) {
    if (word.confidence[i] != 0 && word.expected[i] == word.expected[table]) votes |= 1u << (i - 1);
  }
  const auto who = static_cast<uint32_t>(table * 2 + guess);
  const std::array<uint32_t, 7> contexts = {
      HashOf(who * 16 + confidence, 500 + kind * 1000) | 1,
      HashOf(votes * 16 + confidence, 501 + who * 1000) | 1,
      HashOf(kind * 16 + (hit_history_[kind] & 15), 502 + who * 1000) | 1,
      HashOf(word.keys[1], 503 + who) | 1,
      HashOf(word.keys[3], 520 + who) | 1,
      HashOf(word.expected[table] - word.predicted, 540 + kind * 1000) | 1,
      HashOf(word.keys[4], 560 + who) | 1,
  };
  return mixer_.Code(coder, right, contexts.data(), contexts.size(),
                     expected_by_table_.sets[who * 8 + std::min(confidence, 7u)].data(),
                     expected_by_votes_.sets[votes].data());
}

template <typename Coder>
uint32_t ResidualModel::CodeUnexpectedWord(Coder& coder, const Word& word, uint32_t actual) {
  const auto kind = static_cast<uint32_t>(word.kind);
  uint32_t made = 0;
  for (unsigned b = 0; b < 4; ++b) {
    const uint32_t known = (1u << 8 * b) - 1;
    const uint32_t delta = (made - word.predicted) & known;
    const uint32_t old_byte = word.predicted >> 8 * b & 255;
    const uint32_t old_before = b == 0 ? 0 : word.predicted >> 8 * (b - 1) & 255;
    const uint32_t made_before = b == 0 ? 0 : made >> 8 * (b - 1) & 255;
    const std::array<uint32_t, 6> hashes = {
        HashOf(old_byte | b << 8, 200 + kind * 1000),
        HashOf(word.keys[2] + b, 201 + delta),
        HashOf(old_byte | b << 8 | made_before << 16, 202 + old_before * 1000),
        HashOf(word.predicted >> 8 * b, 203 + b + delta * 8),
        HashOf(word.keys[3] + b, 204 + delta * 4),
        HashOf(b | kind << 3 | (delta != 0 ? 1024 : 0), 205),
    };
    std::array<uint32_t, kTables + 1> expected;
    std::array<uint32_t, kTables + 1> confidence;
    for (size_t i = 0; i <= kTables; ++i) {
      expected[i] = word.expected[i] >> 8 * b & 255;
      const bool wrong = i > 0 && (word.expected[i] == word.predicted || ((word.expected[i] ^ made) & known) != 0);
      confidence[i] = wrong ? 0 : word.confidence[i];
    }
    const uint32_t flavour = b * 4 + (delta != 0 ? 1 : 0) + (word.mask == 0xffff ? 2 : 0);
    uint32_t node = 1;  // the byte's bits so far behind a leading 1
    for (int bit_index = 7; bit_index >= 0; --bit_index) {
      std::array<uint32_t, 12> contexts;
      const uint32_t spread = node * 0x9E3779B1u;
      for (size_t i = 0; i < hashes.size(); ++i) contexts[i] = (hashes[i] ^ spread) | 1;
      uint32_t agree = 0;
      for (size_t i = 0; i <= kTables; ++i) {
        contexts[hashes.size() + i] = kNoContext;
        if (confidence[i] == 0 || (expected[i] | 256) >> (bit_index + 1) != node) continue;
        const uint32_t next = expected[i] >> bit_index & 1;
        contexts[hashes.size() + i] =
            HashOf(0x1000000 + static_cast<uint32_t>(i) * 4096 + confidence[i] * 32 + flavour * 131072,
                   next + 2 * static_cast<uint32_t>(bit_index)) |
            1;
        if (i < 3) agree |= 1u << i;
      }
      const uint32_t bit =
          mixer_.Code(coder, actual >> (8 * b + static_cast<unsigned>(bit_index)) & 1, contexts.data(), contexts.size(),
                      byte_by_votes_.sets[agree * 16 + flavour].data(), byte_by_bits_.sets[node & 127].data());
      node = node << 1 | bit;
    }
    made |= (node & 255) << 8 * b;
  }
  return made;
}

template <typename Coder>
uint8_t ResidualModel::CodePredictedByte(Coder& coder, uint8_t predicted, uint8_t actual) {
  const std::array<uint32_t, 3> contexts = {HashOf(history_ & 255, 300) | 1, HashOf(predicted, 301) | 1,
                                            HashOf(std::min(run_, 20u), 302) | 1};
  int32_t* const weights = byte_equal_.sets[0].data();
  const uint32_t equal =
      mixer_.Code(coder, actual == predicted ? 1 : 0, contexts.data(), contexts.size(), weights, weights);
  history_ = history_ << 1 | (equal ^ 1);
  run_ = equal != 0 ? run_ + 1 : 0;
  if (equal == 0) return CodeLiteralByte(coder, actual, 1);
  NoteByte(predicted);
  return predicted;
}

template <typename Coder>
uint8_t ResidualModel::CodeLiteralByte(Coder& coder, uint8_t actual, unsigned flavour) {
  const uint32_t h = last_bytes_;
  const uint32_t place = flavour * 4 + phase_;
  const std::array<uint32_t, 7> hashes = {
      HashOf(place, 310),
      HashOf(h & 0xff, 311 + place * 100),
      HashOf(h & 0xffff, 312 + place * 100),
      HashOf(h & 0xffffff, 313 + flavour * 100),
      HashOf(h, 314 + flavour * 100),
      HashOf((h >> 24) << 8 | (h & 0xff), 315 + place * 100),
      HashOf(h >> 24, 316 + place * 100),
  };
  uint32_t node = 1;
  for (int bit_index = 7; bit_index >= 0; --bit_index) {
    std::array<uint32_t, 7> contexts;
    const uint32_t spread = node * 0x9E3779B1u;
    for (size_t i = 0; i < hashes.size(); ++i) contexts[i] = (hashes[i] ^ spread) | 1;
    const uint32_t bit = mixer_.Code(coder, actual >> bit_index & 1, contexts.data(), contexts.size(),
                                     literal_by_place_.sets[place].data(), literal_by_bits_.sets[node].data());
    node = node << 1 | bit;
  }
  NoteByte(static_cast<uint8_t>(node));
  return static_cast<uint8_t>(node);
}

}  // namespace till::delta
