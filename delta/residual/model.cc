#include "delta/residual/model.h"

namespace till::delta {
namespace {

constexpr int32_t kFirstWeight = (1 << 16) / 8;
constexpr uint8_t kMaxConfidence = 15;
constexpr uint32_t kQuickStart = (1u << 22) - (1u << 13);

constexpr bool IsImmediate(WordKind kind) { return kind >= WordKind::kLuiGp && kind <= WordKind::kBranch; }

}  // namespace

WordKind KindOf(uint32_t word) {
  const uint32_t opcode = word >> 26;
  const bool from_gp = (word >> 21 & 31) == 28;
  const bool to_gp = (word >> 16 & 31) == 28;
  if (opcode == 0) return word >> 16 == 0 ? WordKind::kSmall : WordKind::kData;
  if (opcode == 2 || opcode == 3) return WordKind::kJump;
  if (opcode == 15) return to_gp ? WordKind::kLuiGp : WordKind::kLui;
  if (opcode == 9) return !from_gp ? WordKind::kAdd : to_gp ? WordKind::kAddGpGp : WordKind::kAddGp;
  if (opcode == 63) return WordKind::kNegative;
  if (opcode >= 32) {
    if (from_gp) return opcode == 35 ? WordKind::kLoadWordGp : WordKind::kMemoryGp;
    return opcode >= 40 ? WordKind::kStore : WordKind::kLoad;
  }
  const bool branch = opcode == 1 || (opcode >= 4 && opcode <= 7) || (opcode >= 20 && opcode <= 23);
  return branch ? WordKind::kBranch : WordKind::kOther;
}

namespace {

// Immediates of these kinds mean different things: offsets from $gp, branch distances, upper halves, addresses.
uint32_t ImmediateSpace(WordKind kind) {
  switch (kind) {
    case WordKind::kAddGpGp:
    case WordKind::kAddGp:
    case WordKind::kLoadWordGp:
    case WordKind::kMemoryGp:
      return 1u << 16;
    case WordKind::kBranch:
      return 2u << 16;
    case WordKind::kLuiGp:
    case WordKind::kLui:
      return 4u << 16;
    default:
      return 0;
  }
}

}  // namespace

void ResidualModel::Reset() {
  mixer_.Reset();
  for (auto& table : tables_) table.fill({});
  equal_by_kind_.Reset(kFirstWeight);
  equal_by_votes_.Reset(kFirstWeight);
  expected_by_table_.Reset(kFirstWeight);
  expected_by_votes_.Reset(kFirstWeight);
  byte_by_votes_.Reset(kFirstWeight);
  byte_by_bits_.Reset(kFirstWeight);
  literal_by_place_.Reset(kFirstWeight);
  literal_by_bits_.Reset(kFirstWeight);
  byte_equal_.Reset(kFirstWeight);
  bias_weights_.Reset(kFirstWeight);
  kind_history_.fill(0);
  hit_history_.fill(0);
  for (auto& of_kind : quick_) of_kind.fill(kQuickStart);
  history_ = 0;
  run_ = 0;
  last_word_ = 0;
  last_bytes_ = 0;
  phase_ = 0;
  bias_ = 0;
  has_words_ = false;
}

unsigned ResidualModel::RunClass() const {
  if (run_ < 4) return run_;
  if (run_ < 8) return 4;
  if (run_ < 16) return 5;
  if (run_ < 32) return 6;
  return run_ < 256 ? 7 : run_ < 2048 ? 8 : 9;
}

bool ResidualModel::IsSuspect(uint32_t predicted, WordKind kind) const {
  const uint32_t keys[] = {HashOf(predicted, 1), IsImmediate(kind)
                                                     ? HashOf((predicted & 0xffff) | ImmediateSpace(kind), 10)
                                                     : HashOf(predicted >> 4, 2)};
  for (size_t i = 0; i < 2; ++i) {
    const Candidate& candidate = tables_[i][keys[i] >> (32 - kCandidateLog)];
    if (candidate.check == static_cast<uint16_t>(keys[i]) && candidate.confidence != 0 && candidate.delta != 0) {
      return true;
    }
  }
  return false;
}

ResidualModel::Word ResidualModel::LookAt(uint32_t predicted) {
  Word word;
  word.predicted = predicted;
  word.kind = KindOf(predicted);
  const auto kind = static_cast<uint32_t>(word.kind);
  if (IsImmediate(word.kind)) {
    const uint32_t immediate = predicted & 0xffff;
    const uint32_t space = ImmediateSpace(word.kind);
    word.mask = 0xffff;
    word.keys = {HashOf(predicted, 1), HashOf(immediate | space, 10), HashOf(kind, 3),
                 HashOf(immediate >> 5 | space, 12), HashOf(immediate >> 9 | kind << 16, 13)};
  } else {
    word.mask = 0xffffffffu;
    word.keys = {HashOf(predicted, 1), HashOf(predicted >> 4, 2), HashOf(kind, 3), HashOf(predicted >> 8, 4),
                 HashOf(predicted >> 12, 5)};
  }
  word.expected[0] = predicted;
  word.confidence[0] = 1;
  for (size_t i = 0; i < kTables; ++i) {
    Candidate& candidate = tables_[i][word.keys[i] >> (32 - kCandidateLog)];
    if (candidate.check != static_cast<uint16_t>(word.keys[i])) {
      candidate = {static_cast<uint16_t>(word.keys[i]), 0, 0, 0};
    }
    word.candidates[i] = &candidate;
    word.expected[i + 1] = (predicted & ~word.mask) | ((predicted + candidate.delta) & word.mask);
    word.confidence[i + 1] = candidate.confidence;
  }
  return word;
}

void ResidualModel::Note(const Word& word, uint32_t actual) {
  const bool equal = actual == word.predicted;
  if (((actual ^ word.predicted) & ~word.mask) == 0) {
    const uint32_t delta = (actual - word.predicted) & word.mask;
    for (size_t i = 0; i < kTables; ++i) {
      Candidate& candidate = *word.candidates[i];
      if (candidate.confidence != 0 && candidate.delta == delta) {
        if (candidate.confidence < kMaxConfidence) ++candidate.confidence;
      } else if (candidate.confidence > 4 && i != 2) {
        candidate.confidence = static_cast<uint8_t>((candidate.confidence + 1) / 2);
      } else {
        candidate.delta = delta;
        candidate.confidence = 1;
      }
    }
  }
  uint32_t& kind_history = kind_history_[static_cast<size_t>(word.kind)];
  kind_history = kind_history << 1 | (equal ? 0 : 1);
  history_ = history_ << 1 | (equal ? 0 : 1);
  run_ = equal ? run_ + 1 : 0;
  last_word_ = word.predicted;
  last_bytes_ = __builtin_bswap32(actual);
}

}  // namespace till::delta
