// Cuts a plan into frames of kind 2 and codes them.
//   A frame takes whole made blocks and as much of raw stretches as fit the format's bounds: by estimate first, then
//   coded, measured and cut again if it came out too long. A block that fits no frame is sent raw. Deterministic.
#pragma once

#include "delta/diff/frame_ops.h"
#include "delta/diff/stream_coder.h"

namespace till::delta {

struct PackedFrames {
  Bytes frames;
  PayloadHeader header;  // all fields that follow from the frames are set
};

struct PackInput {
  const ExpandedImage* base = nullptr;
  const ExpandedImage* target = nullptr;
  const DiffOptions* options = nullptr;
  StreamCoderOptions coder;
};

// `plan.items` may change: blocks that fit no frame become raw. kCanceled, kLimit.
Result<PackedFrames> PackFrames(const PackInput& input, Plan& plan);

}  // namespace till::delta
