#include "delta/apply/frame_player.h"

#include <algorithm>

namespace till::delta {

Status FramePlayer::Rehash(Source& written, uint64_t count) {
  while (position_ < count) {
    const MutableByteView part = transfer_.first(std::min<uint64_t>(count - position_, transfer_.size()));
    TILL_TRY(ReadFully(written, position_, part));
    hash_.Update(part);
    position_ += part.size();
  }
  return Ok();
}

Status FramePlayer::Play(const FrameHeader& frame, const FrameStreams& streams) {
  MemoryInput input(streams.control);
  ControlReader control(input, streams.control.size());
  OpReader ops(control, frame, header_, header_.base_size);
  cursor_ = frame.target_offset;
  diff_used_ = 0;
  literal_used_ = 0;
  while (!ops.at_end()) TILL_TRY(PlayOp(TILL_TRY(ops.Next()), streams));
  return ops.Finish();
}

Status FramePlayer::PlayOp(const Op& op, const FrameStreams& streams) {
  switch (op.kind) {
    case OpKind::kCopy:
      return PlayFromBase(op, {});
    case OpKind::kDiff: {
      const ByteView diff = streams.diff.subspan(diff_used_, op.length);
      diff_used_ += op.length;
      return PlayFromBase(op, diff);
    }
    case OpKind::kData: {
      ByteView literal = streams.literal.subspan(literal_used_, op.length);
      literal_used_ += op.length;
      const uint64_t passed = std::min<uint64_t>(position_ - cursor_, op.length);
      cursor_ += op.length;
      for (literal = literal.subspan(passed); !literal.empty();) {
        const size_t count = std::min(literal.size(), transfer_.size());
        TILL_TRY(Emit(literal.first(count)));
        literal = literal.subspan(count);
      }
      return Ok();
    }
    case OpKind::kBlock:
    case OpKind::kPredict:
      break;
  }
  return Error{ErrorCode::kUnsupported, "op", static_cast<uint64_t>(op.kind)};
}

Status FramePlayer::PlayFromBase(const Op& op, ByteView diff) {
  uint64_t done = std::min<uint64_t>(position_ - cursor_, op.length);
  cursor_ += op.length;
  while (done < op.length) {
    const MutableByteView part = transfer_.first(std::min<uint64_t>(op.length - done, transfer_.size()));
    TILL_TRY(ReadFully(*base_, op.base_offset + done, part));
    if (!diff.empty()) {
      const std::byte* const add = diff.data() + done;
      for (size_t i = 0; i < part.size(); ++i) {
        part[i] = static_cast<std::byte>(static_cast<uint8_t>(part[i]) + static_cast<uint8_t>(add[i]));
      }
    }
    TILL_TRY(Emit(part));
    done += part.size();
  }
  return Ok();
}

Status FramePlayer::Emit(ByteView bytes) {
  TILL_TRY(target_.Write(bytes));
  hash_.Update(bytes);
  position_ += bytes.size();
  return Ok();
}

}  // namespace till::delta
