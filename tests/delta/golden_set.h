// The golden payloads: what this format version makes, and what it must refuse. gen_golden writes them as files, which
// are never changed again; golden_test checks that the files are still read, and still made.
#pragma once

#include <string>
#include <vector>

#include "core/bytes.h"

namespace till::delta::testing {

struct Golden {
  std::string name;  // file name in tests/golden/payload
  Bytes file;
};

// Goldens that apply to GoldenBase() (full ones to nothing), crafted or made by the differ.
Bytes GoldenBase();
std::vector<Golden> CraftedGoldens();
std::vector<Golden> RefusedGoldens();  // in refuse/; expected.txt names each one's error
// The same of minor version 2; their names begin with v2-, and so does their base's.
Bytes GoldenBaseV2();
std::vector<Golden> CraftedGoldensV2();
std::vector<Golden> RefusedGoldensV2();

}  // namespace till::delta::testing
