// What a payload will do, in target order, before it is cut into frames.
#pragma once

#include <vector>

#include "delta/container/recode_search.h"
#include "delta/diff/address.h"
#include "delta/diff/diff.h"

namespace till::delta {

struct PlannedOp {
  enum class Kind : uint8_t { kCopy, kDiff, kData };
  Kind kind = Kind::kCopy;
  uint64_t length = 0;
  Address base;  // kCopy, kDiff
};

// Either one coded block made again (`remake`: its ops make the plain bytes), or a stretch of the image as it is (its
// ops make the bytes themselves).
struct PlanItem {
  uint64_t target_offset = 0;
  uint64_t target_bytes = 0;
  bool remake = false;
  uint32_t block = 0;        // remake: of the target
  uint32_t plain_bytes = 0;  // remake
  uint8_t recode = 0;        // remake: index into Plan::recodes
  std::vector<BlockFix> fixes;
  std::vector<PlannedOp> ops;
  uint64_t literal_bytes = 0;    // remake: made of nothing the base has
  uint64_t estimated_bytes = 0;  // what it will take in the payload
};

struct PlanCounts : DiffCounts {
  uint64_t stream_plain_bytes = 0;   // DIFF and DATA
  uint64_t literal_plain_bytes = 0;  // DATA alone
  uint64_t block_instructions = 0;   // for opening blocks of the base and making blocks, each with its own codec
};

struct Plan {
  std::vector<PlanItem> items;
  std::vector<Recode> recodes;
  std::vector<uint8_t> base_recode;  // by block of the base: index into recodes
  unsigned cache_blocks = 0;
  PlanCounts counts;
};

}  // namespace till::delta
