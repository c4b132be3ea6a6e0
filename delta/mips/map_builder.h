// Makes the map of one region from how its old and new bytes were matched, as short as it is worth.
//   Tries several floors for a stretch's length, and keeps the map whose predictions save most after its own price.
//   Deterministic. For the packer; the terminal only reads maps.
#pragma once

#include <span>
#include <vector>

#include "core/bytes.h"

namespace till::delta {

// old[old_offset, +length) became new[new_offset, +length), both counted from the region's start.
struct MovedStretch {
  uint64_t old_offset = 0;
  uint64_t new_offset = 0;
  uint64_t length = 0;
};

struct MipsRegion {
  ByteView before;
  ByteView after;
  uint32_t load_address = 0;
  std::vector<MovedStretch> stretches;  // in any order
};

struct MipsMapResult {
  Bytes plain;               // one region of the map section; empty if no map pays
  uint64_t words_right = 0;  // words that differ from the base's and are predicted
  uint64_t words_wrong = 0;  // words changed by the prediction that did not become that
  // What the prediction saves in coded bytes, the map's own bytes taken off: an estimate.
  int64_t saved_bytes = 0;
};

MipsMapResult BuildMipsMap(const MipsRegion& region);

// The load address of an uncompressed MIPS kernel of this size: the one under which most jumps fall on words that
// begin a function (addiu $sp). 0: this is no such code.
uint32_t GuessLoadAddress(ByteView code);

}  // namespace till::delta
