#include "tests/delta/residual/residual_material.h"

#include <array>
#include <random>

namespace till::delta {
namespace {

void Append(uint32_t word, Bytes& out) {
  for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<std::byte>(word >> 8 * i));
}

// An instruction or pointer of the base, and what it became.
void AppendWord(std::mt19937& random, ResidualRun& run) {
  static constexpr std::array<uint32_t, 12> kOpcodes = {0x8f990000, 0x27bd0000, 0x24420000, 0x3c020000,
                                                        0x10400000, 0x00000000, 0x00400000, 0x0c100000,
                                                        0x27bc0000, 0xafbf0000, 0x04110000, 0xffff0000};
  const uint32_t opcode = kOpcodes[random() % kOpcodes.size()];  // one call a statement: their order counts
  const uint32_t before = opcode | (random() % 64) << 4;
  const uint32_t what = random() % 8;
  const uint32_t after = what == 0 ? before + 0x30 : what == 1 ? before + (random() % 3) * 8 : before;
  Append(before, run.predicted);
  Append(what == 2 && random() % 8 == 0 ? static_cast<uint32_t>(random()) : after, run.actual);
}

}  // namespace

std::vector<ResidualRun> MakeResidualRuns(uint32_t seed, size_t bytes) {
  std::mt19937 random(seed);
  std::vector<ResidualRun> runs;
  uint64_t bias = seed % 4;
  for (size_t made = 0; made < bytes;) {
    ResidualRun run;
    if (random() % 10 == 0) bias = random() % 4;
    run.address = random() % 1000000;
    run.phase = static_cast<unsigned>((run.address + bias) % 4);
    const size_t words = 1 + random() % 200;
    if (random() % 4 == 0) {
      static constexpr std::string_view kText = "the quick brown fox jumps over the lazy dog; ";
      for (size_t i = 0; i < words; ++i) run.actual.push_back(static_cast<std::byte>(kText[random() % 3 + i % 40]));
    } else {
      for (size_t i = 0; i < words; ++i) AppendWord(random, run);
      const auto cut = static_cast<ptrdiff_t>(random() % 4);  // ends, too, do not always stand at a word's
      run.predicted.erase(run.predicted.end() - cut, run.predicted.end());
      run.actual.erase(run.actual.end() - cut, run.actual.end());
    }
    made += run.actual.size();
    runs.push_back(std::move(run));
  }
  return runs;
}

void WriteResidualRuns(const std::vector<ResidualRun>& runs, ResidualEncoder& encoder) {
  for (const ResidualRun& run : runs) {
    if (!run.predicted.empty()) encoder.StartOp(run.address, run.phase);
    encoder.Write(run.predicted, run.actual);
  }
}

Bytes EncodeResidualRuns(const std::vector<ResidualRun>& runs) {
  ResidualEncoder encoder;
  WriteResidualRuns(runs, encoder);
  return encoder.Finish();
}

Bytes ActualBytesOf(const std::vector<ResidualRun>& runs) {
  Bytes all;
  for (const ResidualRun& run : runs) all.insert(all.end(), run.actual.begin(), run.actual.end());
  return all;
}

}  // namespace till::delta
