// Structured random images: a base and a target that differ as firmware does, by edits, moves, insertions, deletions.
#pragma once

#include "core/bytes.h"

namespace till::delta::testing {

struct Pair {
  Bytes base;
  Bytes target;
};

// The same seed gives the same pair on every machine. Every eighth or so is an odd one: empty, identical, one byte,
// unrelated, zeros.
Pair RandomPair(uint64_t seed, size_t about_bytes);

}  // namespace till::delta::testing
