// Inner loops of what a terminal does with made-up code: the residual model's ways, MIPS prediction, and hashing.
#include <benchmark/benchmark.h>

#include <random>

#include "core/crypto/hash.h"
#include "delta/mips/predictor.h"
#include "delta/residual/decoder.h"
#include "delta/residual/encoder.h"

namespace {

using namespace till;
using namespace till::delta;

constexpr size_t kBytes = 256 << 10;

Bytes MakeCode(uint32_t seed) {
  static constexpr uint32_t kOpcodes[] = {0x8f990000, 0x27bd0000, 0x24420000, 0x3c020000, 0x10400000, 0x0c100000};
  std::mt19937 random(seed);
  ByteWriter out;
  while (out.size() < kBytes) out.U32(kOpcodes[random() % 6] | random() % 4096 << 2);
  return std::move(out).Take();
}

// One word in `state.range(0)` changed by a steady amount; 0: none.
void DecodeResidual(benchmark::State& state) {
  const Bytes predicted = MakeCode(1);
  Bytes actual = predicted;
  std::mt19937 random(2);
  for (size_t i = 0; state.range(0) != 0 && i < kBytes; i += 4) {
    if (random() % static_cast<uint32_t>(state.range(0)) == 0) actual[i] ^= std::byte{0x10};
  }
  ResidualEncoder encoder;
  encoder.StartOp(0, 0);
  encoder.Write(predicted, actual);
  const Bytes coded = encoder.Finish();
  std::vector<uint64_t> workspace(ResidualDecoder::kBytes / 8);
  Bytes out(kBytes);
  for (auto _ : state) {
    auto decoder = ResidualDecoder::Create(std::as_writable_bytes(std::span(workspace)), coded);
    decoder->StartOp(0);
    if (!decoder->Read(predicted, out).ok() || !decoder->Finish().ok()) state.SkipWithError("refused");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kBytes));
  state.counters["coded"] = static_cast<double>(coded.size());
}
BENCHMARK(DecodeResidual)->Arg(0)->Arg(64)->Arg(8);

void DecodeLiteral(benchmark::State& state) {
  const Bytes plain = MakeCode(3);
  ResidualEncoder encoder;
  encoder.Write({}, plain);
  const Bytes coded = encoder.Finish();
  std::vector<uint64_t> workspace(ResidualDecoder::kBytes / 8);
  Bytes out(kBytes);
  for (auto _ : state) {
    auto decoder = ResidualDecoder::Create(std::as_writable_bytes(std::span(workspace)), coded);
    if (!decoder->Read({}, out).ok()) state.SkipWithError("refused");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kBytes));
}
BENCHMARK(DecodeLiteral);

void PredictMips(benchmark::State& state) {
  ByteWriter plain;
  for (const uint32_t field : {0x80000000u, 0x1000000u, 256u, 0u}) plain.U32(field);
  for (uint32_t i = 0; i < 256; ++i) plain.U32(i << 14);
  for (uint32_t i = 0; i < 256; ++i) plain.U32(i * 8);
  const auto map = MipsMap::Parse(plain.bytes());
  Bytes code = MakeCode(4);
  MipsPredictor predictor(*map);
  for (auto _ : state) {
    predictor.Start(0, 0);
    predictor.Predict(code);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kBytes));
}
BENCHMARK(PredictMips);

void HashBytes(benchmark::State& state) {
  const Bytes bytes = MakeCode(5);
  for (auto _ : state) benchmark::DoNotOptimize(crypto::Sha256Of(bytes));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kBytes));
}
BENCHMARK(HashBytes);

}  // namespace
