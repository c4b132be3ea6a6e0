// Packs ops in target order into frames and frames into a payload body.
//   A frame takes as many ops as fit under the format's bounds, found by coding it, measuring, and trying again with
//   less or more; DIFF and DATA are cut where a frame ends. Deterministic. Memory: one frame plus the output.
#pragma once

#include "delta/codec/zstd_encode.h"
#include "delta/diff/diff.h"
#include "delta/format/ops.h"

namespace till::delta {

struct FramesResult {
  Bytes frames;
  uint32_t frame_count = 0;
  uint32_t plain_bytes_max = 0;
  uint32_t coded_bytes_max = 0;
  uint64_t stream_bytes_max = 0;  // longest single decoded stream: the window
  uint64_t op_count = 0;
};

class FrameBuilder {
 public:
  FrameBuilder(ByteView base, ByteView target, const DiffOptions& options)
      : base_(base), target_(target), options_(options), encoder_(options.zstd_level) {}
  // `ops` cover the target exactly. kCanceled, kLimit (more frames than the format holds).
  Result<FramesResult> Build(std::vector<Op> ops);

 private:
  struct Draft {
    FrameHeader header;
    std::array<Bytes, kStreamCount> plain;
    std::array<Bytes, kStreamCount> coded;
    size_t ops_used = 0;     // whole ops taken
    uint64_t cut_bytes = 0;  // and so much of the next one
  };
  Draft TakeOps(uint64_t plain_limit) const;
  void CodeStreams(Draft& draft);
  Draft TakeFrame();
  void AppendPlain(const Op& op, uint64_t target_offset, Draft& draft) const;

  ByteView base_;
  ByteView target_;
  const DiffOptions& options_;
  ZstdEncoder encoder_;
  std::vector<Op> ops_;
  size_t next_op_ = 0;
  uint64_t target_offset_ = 0;
  uint64_t plain_guess_ = kMaxFrameMadeBytes;
};

}  // namespace till::delta
