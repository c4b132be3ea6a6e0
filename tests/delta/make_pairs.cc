// make_pairs FOLDER COUNT: random pairs and their payloads as files, for the reference applier: a third made by the
// differ, a third put together op by op (every kind of op, recode and stream codec), a third of minor version 1.
#include <cstdio>
#include <string>

#include "core/file.h"
#include "core/text.h"
#include "delta/diff/diff.h"
#include "tests/delta/assembler.h"
#include "tests/delta/random_pairs.h"

int main(int argc, char** argv) {
  using namespace till;
  const auto count = ParseUint(argc == 3 ? argv[2] : "");
  if (!count.ok() || !MakeFolders(argv[1]).ok()) return 2;
  for (uint64_t seed = 0; seed < *count; ++seed) {
    Bytes base;
    Bytes target;
    Result<Bytes> payload = Bytes();
    if (seed % 3 == 1) {
      delta::testing::Assembled assembled = delta::testing::RandomAssembled(seed, 6'000);
      base = std::move(assembled.base);
      target = std::move(assembled.target);
      payload = std::move(assembled.file);
    } else {
      delta::testing::Pair pair = delta::testing::RandomPair(seed, seed % 60 == 0 ? 400'000 : 20'000);
      base = std::move(pair.base);
      target = std::move(pair.target);
      payload = seed % 6 == 5   ? delta::MakeFull(target)
                : seed % 3 == 2 ? delta::MakeDelta(base, target)
                                : delta::MakePlainDelta(base, target);
    }
    if (!payload.ok()) return 1;
    const delta::testing::Applied applied = delta::testing::ApplyFile(*payload, base);
    if (!applied.status.ok() || applied.target != target) return 1;
    const std::string stem = std::string(argv[1]) + "/" + std::to_string(seed);
    if (!WriteFileAtomically(stem + ".base", base).ok() ||
        !WriteFileAtomically(stem + ".target", applied.target).ok() ||
        !WriteFileAtomically(stem + ".payload", *payload).ok()) {
      return 1;
    }
  }
  return 0;
}
