// make_pairs FOLDER COUNT: random pairs and their payloads as files, for the reference applier.
#include <cstdio>
#include <string>

#include "core/file.h"
#include "core/text.h"
#include "delta/diff/diff.h"
#include "tests/delta/craft.h"
#include "tests/delta/random_pairs.h"

int main(int argc, char** argv) {
  using namespace till;
  const auto count = ParseUint(argc == 3 ? argv[2] : "");
  if (!count.ok() || !MakeFolders(argv[1]).ok()) return 2;
  for (uint64_t seed = 0; seed < *count; ++seed) {
    const delta::testing::Pair pair = delta::testing::RandomPair(seed, seed % 20 == 0 ? 400'000 : 20'000);
    const auto payload = seed % 5 == 4 ? delta::MakeFull(pair.target) : delta::MakePlainDelta(pair.base, pair.target);
    if (!payload.ok()) return 1;
    const delta::testing::Applied applied = delta::testing::ApplyFile(*payload, pair.base);
    if (!applied.status.ok() || applied.target != pair.target) return 1;
    const std::string stem = std::string(argv[1]) + "/" + std::to_string(seed);
    if (!WriteFileAtomically(stem + ".base", pair.base).ok() ||
        !WriteFileAtomically(stem + ".target", applied.target).ok() ||
        !WriteFileAtomically(stem + ".payload", *payload).ok()) {
      return 1;
    }
  }
  return 0;
}
