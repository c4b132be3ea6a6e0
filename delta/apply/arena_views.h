// An applier's arena, cut as delta/format/arena.h counts it.
#pragma once

#include <span>

#include "delta/format/arena.h"
#include "delta/format/ops.h"

namespace till::delta {

struct ArenaViews {
  MutableByteView chunk;
  MutableByteView transfer;
  MutableByteView coded;
  MutableByteView plain;
  std::array<MutableByteView, kStreamCount> decoders;
  MutableByteView map;
  MutableByteView map_decoder;  // overlaps `decoders`
  MutableByteView map_coded;    // overlaps what follows
  std::span<Segment> segments;
  MutableByteView cache;
  MutableByteView block_plain;
  MutableByteView block_coded;
  MutableByteView recode;
};

// `memory` has at least ArenaBytesFor(header) bytes. Every part starts at a multiple of 16.
ArenaViews CutArena(MutableByteView memory, const PayloadHeader& header);

}  // namespace till::delta
