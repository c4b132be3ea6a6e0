// Turns alignments into ops: COPY where enough bytes in a row agree, DIFF between, DATA where nothing is aligned.
#pragma once

#include "delta/diff/content.h"
#include "delta/diff/plan.h"

namespace till::delta {

// The bytes at an address; the block they lie in was decoded before.
ByteView BytesAt(const ExpandedImage& image, Address at, uint64_t length);

class OpList {
 public:
  OpList(const ExpandedImage& base, uint64_t min_copy_bytes) : base_(base), min_copy_bytes_(min_copy_bytes) {}

  void AddCopy(uint64_t length, Address base) { Add({PlannedOp::Kind::kCopy, length, base}); }
  void AddData(uint64_t length) { Add({PlannedOp::Kind::kData, length, {}}); }
  // `made` resembles the base at `base`.
  void AddAligned(ByteView made, Address base);
  // All of `made`, which lies at `at` in the target, by the alignments that touch it.
  void AddRange(ByteView made, Address at, const std::vector<Alignment>& alignments);

  std::vector<PlannedOp> Take() { return std::move(ops_); }

 private:
  void Add(const PlannedOp& op);

  const ExpandedImage& base_;
  uint64_t min_copy_bytes_;
  std::vector<PlannedOp> ops_;
};

}  // namespace till::delta
