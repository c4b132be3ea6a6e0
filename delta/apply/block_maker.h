// A target block on its way through an encoder: plain bytes are collected, encoded, and corrected by fixes.
//   Memory: buffers and workspace of the arena. Errors: kCorrupt (the encoder gives another length).
#pragma once

#include "delta/apply/arena_views.h"

namespace till::delta {

class BlockMaker {
 public:
  BlockMaker(const PayloadHeader& header, const ArenaViews& arena) : header_(header), arena_(arena) {}

  void Begin(const Op& block) { block_ = block, filled_ = 0, open_ = true; }
  bool open() const { return open_; }
  const Op& block() const { return block_; }
  // Where the next plain bytes go: at most `count`; never empty while some are missing.
  MutableByteView Room(uint64_t count) const;
  void Advance(uint64_t count) { filled_ += count; }
  // The coded block, still to be fixed: exactly block().length bytes, good until the next segment is opened.
  Result<MutableByteView> Encode();
  void Close() { open_ = false; }

 private:
  const PayloadHeader& header_;
  const ArenaViews& arena_;
  Op block_;
  uint64_t filled_ = 0;
  bool open_ = false;
};

}  // namespace till::delta
