// Plays one decoded frame: reads its ops, reads the base, writes the target and hashes what it wrote.
//   memory  the transfer buffer it is given; at least 1 byte, usually 32 KiB. Nothing is owned.
//   errors  those of OpReader, base and target.
#pragma once

#include "core/crypto/hash.h"
#include "delta/apply/applier.h"
#include "delta/format/ops.h"

namespace till::delta {

struct FrameStreams {
  ByteView control;
  ByteView diff;
  ByteView literal;
};

class FramePlayer {
 public:
  FramePlayer(Source* base, const PayloadHeader& header, TargetWriter& target, MutableByteView transfer)
      : base_(base), header_(header), target_(target), transfer_(transfer) {}

  // Bytes already durable from before: hashed, and not written again by Play().
  Status Rehash(Source& written, uint64_t count);
  // `frame` starts at or before position(); bytes before position() are passed over.
  Status Play(const FrameHeader& frame, const FrameStreams& streams);

  uint64_t position() const { return position_; }
  crypto::Sha256Digest TakeDigest() { return hash_.Finish(); }

 private:
  Status PlayOp(const Op& op, const FrameStreams& streams);
  Status PlayFromBase(const Op& op, ByteView diff);
  Status Emit(ByteView bytes);

  Source* base_;
  const PayloadHeader& header_;
  TargetWriter& target_;
  MutableByteView transfer_;
  crypto::Sha256 hash_;
  uint64_t position_ = 0;  // next target byte to write
  uint64_t cursor_ = 0;    // where the current op makes its bytes: behind position_ only while passing over
  uint64_t diff_used_ = 0;
  uint64_t literal_used_ = 0;
};

}  // namespace till::delta
