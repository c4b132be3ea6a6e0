// Plays one frame: reads its ops, makes their bytes, writes the target and hashes what it wrote.
//   Bytes before position() are made again where streams or encoders need it, but written once: a frame may be played
//   from its start after a kill. A block wholly before it is not encoded.
//   Memory: buffers of the arena. Errors: those of OpReader, streams, base and target.
#pragma once

#include "core/crypto/hash.h"
#include "delta/apply/base_view.h"
#include "delta/apply/block_maker.h"
#include "delta/apply/frame_streams.h"
#include "delta/apply/target_writer.h"
#include "delta/mips/predictor.h"

namespace till::delta {

class FramePlayer {
 public:
  FramePlayer(Source* base, const PayloadHeader& header, TargetWriter& target, const ArenaViews& arena);

  // The payload's map, decoded; it must stay.
  Status SetMap(ByteView plain);
  // Bytes already durable from before: hashed, and not written again by Play().
  Status Rehash(Source& written, uint64_t count);
  // `frame` starts at or before position(). `coded`: its streams.
  Status Play(const FrameHeader& frame, ByteView coded);

  uint64_t position() const { return position_; }
  uint64_t segments_opened() const { return base_.opened(); }
  crypto::Sha256Digest TakeDigest() { return hash_.Finish(); }

 private:
  Status PlayOps(OpReader& ops);
  Status PlayOp(const Op& op);
  Status MakePiece(const Op& op, uint64_t done, MutableByteView out);
  uint64_t RegionOffset(uint64_t address) const;
  Status StartDiff(const Op& op);
  size_t WholeWords(uint64_t address, size_t bytes) const;
  Status Predict(const Op& op, uint64_t done, MutableByteView predicted);
  bool NeedsBytes(uint64_t end) const;
  Status FinishBlock(OpReader& ops);
  Status Emit(ByteView bytes);

  const PayloadHeader& header_;
  TargetWriter& target_;
  const ArenaViews& arena_;
  FrameStreams streams_;
  BaseView base_;
  BlockMaker block_;
  crypto::Sha256 hash_;
  Op predict_{.kind = OpKind::kPredict};
  MipsMap map_;
  MipsPredictor mips_;
  uint64_t position_ = 0;  // next target byte to write
  uint64_t cursor_ = 0;    // where what is being made belongs: behind position_ only after a kill
};

}  // namespace till::delta
