// What a byte of the target is likely to be, given the byte the base predicts for it: the model behind both sides of
// the residual coder. Exact rules: docs/formats/residual.md.
//   The unit is the 32-bit word where the predicted bytes stand at a word's place, else the byte. A word is first asked
//   for as a whole: is it the predicted one? If not, what did words like it become: tables that map an old word, an
//   old immediate, a kind of instruction, a neighbourhood of addresses to the change seen there last each name the
//   word they expect, and its bits are coded with these expectations among the contexts.
//   Memory: sizeof(ResidualModel), nothing else. Thread rule: one thread at a time.
#pragma once

#include "core/bytes.h"
#include "delta/residual/context_mixer.h"

namespace till::delta {

// What a predicted word looks like as a MIPS instruction or pointer.
enum class WordKind : uint8_t {
  kSmall,       // below 65536
  kData,        // opcode 0: register instruction or an address below 64 MiB
  kJump,        // j, jal
  kLuiGp,       // lui $gp
  kLui,         // lui
  kAddGpGp,     // addiu $gp, $gp
  kAddGp,       // addiu of $gp
  kAdd,         // other addiu
  kLoadWordGp,  // lw from $gp
  kMemoryGp,    // other loads and stores from $gp
  kStore,       // other stores
  kLoad,        // other loads
  kBranch,
  kNegative,  // above 0xfc000000
  kOther,
};

WordKind KindOf(uint32_t word);

class ResidualModel {
 public:
  void Reset();
  // A DIFF op begins, whose first base byte is at `address` of the frame's address space. `phase`: how many bytes after
  // a word's begin that is; coded too, as files do not begin where words do.
  template <typename Coder>
  void StartOp(Coder& coder, uint64_t address, uint32_t phase);
  unsigned phase() const { return phase_; }
  // The whole words in here, and what stands before and behind them. Encoding: `bytes` is read; decoding: written.
  template <typename Coder>
  void CodePredicted(Coder& coder, ByteView predicted, MutableByteView bytes);
  template <typename Coder>
  void CodeLiteral(Coder& coder, MutableByteView bytes);

 private:
  static constexpr size_t kTables = 5;
  static constexpr unsigned kCandidateLog = 10;
  struct Candidate {
    uint16_t check;
    uint8_t confidence;  // 0: none, else 1 + how often it held
    uint8_t unused;
    uint32_t delta;
  };
  // A word on its way: what is expected of it, and where what it becomes will be noted.
  struct Word {
    uint32_t predicted;
    WordKind kind;
    uint32_t mask;  // the bits a change can be carried in
    std::array<uint32_t, kTables> keys;
    std::array<Candidate*, kTables> candidates;
    std::array<uint32_t, kTables + 1> expected;  // the predicted word itself first
    std::array<uint8_t, kTables + 1> confidence;
  };

  template <typename Coder>
  uint32_t CodeWord(Coder& coder, uint32_t predicted, uint32_t actual);
  // The short way through long equal stretches. kSlow: not allowed here, nothing was coded.
  enum class Quick : uint8_t { kSlow, kEqual, kChanged };
  template <typename Coder>
  Quick CodeQuickly(Coder& coder, uint32_t predicted, uint32_t equal);
  template <typename Coder>
  uint32_t CodeIsEqual(Coder& coder, const Word& word, uint32_t equal);
  // A word that changed: is it what a table expects? Tables that were wrong lose their say in `word`.
  template <typename Coder>
  uint32_t CodeChangedWord(Coder& coder, Word& word, uint32_t actual);
  template <typename Coder>
  uint32_t CodeIsExpected(Coder& coder, const Word& word, size_t table, size_t guess, uint32_t right);
  template <typename Coder>
  uint32_t CodeUnexpectedWord(Coder& coder, const Word& word, uint32_t actual);
  template <typename Coder>
  uint8_t CodePredictedByte(Coder& coder, uint8_t predicted, uint8_t actual);
  template <typename Coder>
  uint8_t CodeLiteralByte(Coder& coder, uint8_t actual, unsigned flavour);

  Word LookAt(uint32_t predicted);
  void Note(const Word& word, uint32_t actual);
  void NoteByte(uint8_t byte) { last_bytes_ = last_bytes_ << 8 | byte; }
  unsigned RunClass() const;
  // Whether a table knows that words like this one changed.
  bool IsSuspect(uint32_t predicted, WordKind kind) const;

  ContextMixer mixer_;
  std::array<std::array<Candidate, size_t{1} << kCandidateLog>, kTables> tables_;
  WeightSets<21, 160> equal_by_kind_;
  WeightSets<21, 243> equal_by_votes_;
  WeightSets<15, 96> expected_by_table_;
  WeightSets<15, 32> expected_by_votes_;
  WeightSets<25, 128> byte_by_votes_;
  WeightSets<25, 128> byte_by_bits_;
  WeightSets<15, 8> literal_by_place_;
  WeightSets<15, 256> literal_by_bits_;
  WeightSets<7, 1> byte_equal_;
  WeightSets<3, 1> bias_weights_;
  std::array<uint32_t, 16> kind_history_;           // last changed-or-not of each kind, newest lowest
  std::array<std::array<uint32_t, 10>, 16> quick_;  // that a word is equal, in 1/2^22: by kind and run
  uint32_t history_;
  std::array<uint32_t, 16> hit_history_;  // whether the first guess of each kind held, newest lowest
  uint32_t run_;                          // equal words in a row
  uint32_t last_word_;
  uint32_t last_bytes_;
  uint32_t phase_;
  bool has_words_;  // a DIFF op has told where words begin: literals go on from there
  uint32_t bias_;   // phase - address, as the last op had it
};

}  // namespace till::delta
