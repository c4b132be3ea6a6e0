// Finds for every byte of the target's changed parts the byte of the base it most likely comes from.
//   Changed parts: coded blocks whose coded bytes the base has not got, and everything between coded blocks. First each
//   file or table is matched with its twin in the base (also across renames), then the bytes between blocks with those
//   of the base, then what is left with the base's blocks that share most with it.
//   Deterministic at any number of threads. Memory: 5 x the longest file of the base, at most 5 x 64 MiB.
#pragma once

#include "delta/diff/content.h"
#include "delta/diff/diff.h"

namespace till::delta {

struct AlignerInput {
  ExpandedImage* base = nullptr;
  ExpandedImage* target = nullptr;
  const std::vector<bool>* changed = nullptr;         // by target block; their plain bytes are decoded
  const std::vector<uint8_t>* base_recode = nullptr;  // by base block: BlockRecodes::kNone if an applier cannot open it
  unsigned cache_blocks = 0;                          // that an applier keeps opened
  const DiffOptions* options = nullptr;
};

// Ascending in the target, not overlapping there. kCanceled, kLimit.
Result<std::vector<Alignment>> FindAlignments(const AlignerInput& input);

}  // namespace till::delta
