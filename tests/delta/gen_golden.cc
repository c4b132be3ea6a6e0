// gen_golden FOLDER: writes golden payloads that are not there yet. A file that is there is never changed: a new format
// version adds files beside the old ones.
#include <cstdio>
#include <string>

#include "core/file.h"
#include "delta/apply/payload_file.h"
#include "delta/diff/diff.h"
#include "tests/delta/craft.h"
#include "tests/delta/golden_set.h"
#include "tests/delta/random_pairs.h"

namespace {

using namespace till;
using namespace till::delta::testing;

bool Put(const std::string& path, const Bytes& bytes) {
  if (FileExists(path)) return true;
  std::printf("new: %s\n", path.c_str());
  return WriteFileAtomically(path, bytes).ok();
}

// The refused ones and a table of why; false when one of them is applied.
bool PutRefused(const std::string& folder, const std::vector<Golden>& refused, const Bytes& base, const char* table) {
  std::string expected;
  for (const Golden& golden : refused) {
    if (!Put(folder + "/" + golden.name, golden.file)) return false;
    const Applied applied = ApplyFile(golden.file, base);
    if (applied.status.ok()) {
      std::printf("applied: %s\n", golden.name.c_str());
      return false;
    }
    const Error& error = applied.status.error();
    expected += golden.name + " " + ErrorCodeName(error.code) + " " + error.what + "\n";
  }
  return Put(folder + "/" + table, Text(expected));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  if (!MakeFolders(folder + "/refuse").ok()) return 1;
  if (!Put(folder + "/v1-base.bin", GoldenBase()) || !Put(folder + "/v2-base.bin", GoldenBaseV2())) return 1;
  for (const std::vector<Golden>& goldens : {CraftedGoldens(), CraftedGoldensV2()}) {
    for (const Golden& golden : goldens) {
      if (!Put(folder + "/" + golden.name, golden.file)) return 1;
    }
  }
  if (!PutRefused(folder + "/refuse", RefusedGoldens(), GoldenBase(), "expected.txt") ||
      !PutRefused(folder + "/refuse", RefusedGoldensV2(), GoldenBaseV2(), "expected-v2.txt")) {
    return 1;
  }
  // Through differ and zstd: how they are made may change, that they are read may not.
  Bytes target = GoldenBase();
  target.insert(target.begin() + 700, 5000, std::byte{'z'});
  for (size_t i = 0; i < target.size(); i += 97) target[i] ^= std::byte{4};
  return Put(folder + "/v1-delta-zstd.bin", delta::MakePlainDelta(GoldenBase(), target).value()) &&
                 Put(folder + "/v1-full-zstd.bin", delta::MakeFull(target).value())
             ? 0
             : 1;
}
