// The differ's inner loops: the suffix array alone, and with the matches of a made-up library and its next version.
#include <benchmark/benchmark.h>
#include <divsufsort.h>

#include <random>

#include "delta/diff/matcher.h"

namespace {

using namespace till;
using namespace till::delta;

void BuildSuffixArray(benchmark::State& state) {
  std::mt19937 random(1);
  std::vector<uint8_t> base(static_cast<size_t>(state.range(0)));
  for (uint8_t& byte : base) byte = static_cast<uint8_t>(random() % 64);
  std::vector<saidx_t> suffixes(base.size());
  for (auto _ : state) {
    if (divsufsort(base.data(), suffixes.data(), static_cast<saidx_t>(base.size())) != 0) state.SkipWithError("memory");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(BuildSuffixArray)->Arg(256 << 10)->Arg(4 << 20);

void FindMatchesInNextVersion(benchmark::State& state) {
  std::mt19937 random(1);
  Bytes base(static_cast<size_t>(state.range(0)));
  for (auto& byte : base) byte = static_cast<std::byte>(random() % 64);
  Bytes target = base;
  for (size_t i = 0; i < target.size(); i += 97) target[i] ^= std::byte{1};
  target.insert(target.begin() + static_cast<ptrdiff_t>(target.size() / 3), 1000, std::byte{9});
  for (auto _ : state) {
    const auto matches = FindMatches(base, target, {});
    if (!matches.ok()) state.SkipWithError("refused");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(FindMatchesInNextVersion)->Arg(256 << 10)->Arg(1 << 20);

}  // namespace
