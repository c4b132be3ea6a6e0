#include "delta/apply/arena_views.h"

#include <new>

namespace till::delta {
namespace {

constexpr size_t kAlign = 16;
static_assert(sizeof(Segment) * kMaxFrameSegments <= kSegmentTableBytes);

class Cutter {
 public:
  explicit Cutter(MutableByteView rest) : rest_(rest) {}
  // kAlignmentBytes pay for what is skipped: 15 bytes a part at most.
  MutableByteView Take(uint64_t count) {
    const size_t skew = (kAlign - reinterpret_cast<uintptr_t>(rest_.data()) % kAlign) % kAlign;
    rest_ = rest_.subspan(skew);
    const MutableByteView part = rest_.first(count);
    rest_ = rest_.subspan(count);
    return part;
  }

 private:
  MutableByteView rest_;
};

}  // namespace

ArenaViews CutArena(MutableByteView memory, const PayloadHeader& header) {
  const ArenaParts parts = ArenaPartsFor(header);
  ArenaViews views;
  Cutter all(memory);
  views.chunk = all.Take(parts.chunk);
  views.transfer = all.Take(parts.transfer);
  views.coded = all.Take(parts.coded);
  views.plain = all.Take(parts.plain);
  views.map = all.Take(parts.map);
  constexpr uint64_t kSkews = 8 * kAlign;  // of the parts within
  const MutableByteView decoders = all.Take(parts.decoders_bytes() + kSkews);
  Cutter streams(decoders);
  for (const StreamIndex stream : {kControl, kDiff, kLiteral})
    views.decoders[stream] = streams.Take(parts.decoders[stream]);
  views.map_decoder = decoders.first(parts.map_decoder);
  const MutableByteView blocks = all.Take(parts.blocks_bytes() + kSkews);
  views.map_coded = blocks.first(parts.map_coded);
  Cutter block_parts(blocks);
  const MutableByteView table = block_parts.Take(parts.segments);
  views.segments = {static_cast<Segment*>(static_cast<void*>(table.data())), table.size() / sizeof(Segment)};
  views.cache = block_parts.Take(parts.cache);
  views.block_plain = block_parts.Take(parts.block_plain);
  views.block_coded = block_parts.Take(parts.block_coded);
  views.recode = block_parts.Take(parts.recode);
  return views;
}

}  // namespace till::delta
