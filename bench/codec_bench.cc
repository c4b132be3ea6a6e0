// The pinned codecs on a block of made-up code, as packer (encode: the proof of each block) and terminal use them.
#include <benchmark/benchmark.h>

#include <random>

#include "delta/codec/recode.h"

namespace {

using namespace till;
using namespace till::delta;

constexpr size_t kBytes = 128 << 10;

// Words that repeat as those of code do: some hundred forms, registers and offsets that vary.
Bytes MakeCode() {
  std::mt19937 random(1);
  uint32_t forms[256];
  for (uint32_t& form : forms) form = static_cast<uint32_t>(random()) & 0xfffff000;
  ByteWriter out;
  while (out.size() < kBytes)
    out.U32(forms[random() % 16 * (random() % 16)] | (random() % 8 == 0 ? random() % 4096 : 16));
  return std::move(out).Take();
}

const Recode kRecodes[] = {Recode::Xz({.preset = 6, .dictionary = 17}),
                           Recode::Xz({.preset = 9, .extreme = true, .lc = 0, .lp = 2, .dictionary = 17}),
                           Recode::Zlib({.level = 9}),
                           Recode::Zlib({.level = 6}),
                           Recode::Zstd(3),
                           Recode::Zstd(15),
                           Recode::Zstd(19),
                           Recode::Lz4(false),
                           Recode::Lz4(true)};
const char* const kNames[] = {"xz 6", "xz 9e", "zlib 9", "zlib 6", "zstd 3", "zstd 15", "zstd 19", "lz4", "lz4hc"};

void Encode(benchmark::State& state) {
  const Recode& recode = kRecodes[state.range(0)];
  const Bytes plain = MakeCode();
  Bytes coded(CodedBound(kBytes));
  Bytes memory(RecodeEncodeBytes(recode, kBytes));
  size_t used = 0;
  for (auto _ : state) used = RecodeEncode(recode, plain, coded, memory).value();
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kBytes));
  state.SetLabel(kNames[state.range(0)]);
  state.counters["coded"] = static_cast<double>(used);
}
BENCHMARK(Encode)->DenseRange(0, 8);

void Decode(benchmark::State& state) {
  const Recode& recode = kRecodes[state.range(0)];
  const Bytes plain = MakeCode();
  Bytes coded(CodedBound(kBytes));
  Bytes memory(std::max(RecodeEncodeBytes(recode, kBytes), RecodeDecodeBytes(recode, kBytes)));
  coded.resize(RecodeEncode(recode, plain, coded, memory).value());
  Bytes out(kBytes);
  for (auto _ : state) {
    if (!RecodeDecode(recode, coded, out, memory).ok()) state.SkipWithError("refused");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kBytes));
  state.SetLabel(kNames[state.range(0)]);
}
BENCHMARK(Decode)->DenseRange(0, 8);

}  // namespace
