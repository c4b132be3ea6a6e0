// The ops of one frame in the format's words: its segment table, the ops with their addresses, and the streams they
// draw from.
#pragma once

#include "delta/diff/mips_regions.h"
#include "delta/diff/op_list.h"
#include "delta/diff/stream_coder.h"
#include "delta/diff/word_phases.h"
#include "delta/format/ops.h"
#include "delta/mips/map.h"

namespace till::delta {

// What a frame makes: whole items, the first and the last perhaps in part (raw ones only).
struct FramePiece {
  const PlanItem* item = nullptr;
  uint64_t target_offset = 0;
  std::vector<PlannedOp> ops;
};

struct FrameDraft {
  std::vector<Segment> segments;
  FrameStreams streams;
  uint32_t op_count = 0;
};

struct FrameOpsInput {
  const ExpandedImage* base = nullptr;
  const ExpandedImage* target = nullptr;
  const Plan* plan = nullptr;
  const WordPhases* phases = nullptr;
  const MipsRegions* mips = nullptr;
  const MipsMap* map = nullptr;           // mips->map_plain() read
  const PayloadHeader* header = nullptr;  // base size, longest block
};

FrameDraft DraftFrame(const FrameOpsInput& input, const std::vector<FramePiece>& pieces);

}  // namespace till::delta
