// The three streams of one frame. Frames of kind 1 are decoded whole into the arena; those of kind 2 as they are read.
#pragma once

#include "delta/apply/arena_views.h"
#include "delta/apply/stream_decoder.h"

namespace till::delta {

class FrameStreams {
 public:
  FrameStreams(const PayloadHeader& header, const ArenaViews& arena);

  // `coded`: the frame's coded bytes; not owned.
  Status Begin(const FrameHeader& frame, ByteView coded);
  ByteInput& control() { return control_; }
  void StartDiff(uint64_t address) { diff_.StartDiff(address); }
  size_t WholeWords(size_t bytes) const { return diff_.WholeWords(bytes); }
  // `predicted` is as long as `out`.
  Status ReadDiff(ByteView predicted, MutableByteView out) { return diff_.ReadPredicted(predicted, out); }
  // The diff stream's decoder makes literals too when it is a model.
  Status ReadLiteral(MutableByteView out) { return diff_.needs_prediction() ? diff_.Read(out) : literal_.Read(out); }
  bool diff_needs_prediction() const { return diff_.needs_prediction(); }
  Status Finish();

 private:
  Status BeginWhole(const FrameHeader& frame, ByteView coded);

  const PayloadHeader& header_;
  const ArenaViews& arena_;
  StreamDecoder control_;
  StreamDecoder diff_;
  StreamDecoder literal_;
};

}  // namespace till::delta
