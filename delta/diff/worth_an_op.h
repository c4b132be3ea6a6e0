// Drops alignments that cost more in ops than they save in new bytes.
//   A short match taken from far away takes a control op before and behind it and interrupts what the model learns from
//   neighbouring bytes. What an op may cost is chosen by region (a block, or 64 KiB between blocks): where nearly all
//   comes from the base a small price that suits it, where much is new the price under which the region, coded, came
//   out shortest; one of the prices keeps every match.
//   Measured (2026-12): a library built with -O2 instead of -Os, 271,188 bytes with all matches, takes 237,569; pair S
//   6,311 and 6,165, pair M 100,678 and 98,368.
#pragma once

#include "delta/diff/content.h"
#include "delta/diff/diff.h"

namespace till::delta {

// `alignments` ascend in the target and do not overlap; the plain bytes they name are decoded.
void DropAlignmentsNotWorthAnOp(const ExpandedImage& base, const ExpandedImage& target, const DiffOptions& options,
                                std::vector<Alignment>& alignments);

}  // namespace till::delta
