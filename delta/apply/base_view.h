// The address space a frame's ops read: the base's bytes, and behind them the plain bytes of the frame's segments,
// opened when they are touched and kept, least recently used going first, across frames.
//   Memory: cache, buffer and workspace of the arena. One read of a segment's byte opens one segment at most.
//   Errors: kCorrupt (a segment is not what the payload says), and the base's own.
#pragma once

#include <array>
#include <span>

#include "core/io.h"
#include "delta/apply/arena_views.h"

namespace till::delta {

class BaseView {
 public:
  BaseView(Source* base, const PayloadHeader& header, const ArenaViews& arena);

  // The segments of the frame to come; the span must stay.
  void SetSegments(std::span<const Segment> segments) { segments_ = segments; }
  uint64_t address_space() const;
  // Wholly in the base or wholly in the segments, within the address space.
  Status Read(uint64_t address, MutableByteView out);
  // Segments opened so far, every time counted.
  uint64_t opened() const { return opened_; }

 private:
  struct Slot {
    uint64_t offset = 0;
    uint32_t coded_bytes = 0;  // 0: empty
    uint32_t plain_bytes = 0;
    uint8_t recode = 0;
    uint64_t used_at = 0;
  };

  MutableByteView Bytes(size_t slot) const;
  Result<ByteView> Open(const Segment& segment);
  Status Fill(const Segment& segment, size_t slot);

  Source* base_;
  const PayloadHeader& header_;
  const ArenaViews& arena_;
  std::span<const Segment> segments_;
  std::array<Slot, kMaxCacheBlocks> slots_{};
  uint64_t clock_ = 0;
  uint64_t opened_ = 0;
};

}  // namespace till::delta
