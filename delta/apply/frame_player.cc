#include "delta/apply/frame_player.h"

#include <algorithm>

namespace till::delta {
namespace {

// The transfer buffer: base bytes, what is predicted from them, and what is made of both.
constexpr size_t kPredictedBytes = kTransferBytes / 4;
constexpr size_t kMadeBytes = kTransferBytes / 2;

}  // namespace

FramePlayer::FramePlayer(Source* base, const PayloadHeader& header, TargetWriter& target, const ArenaViews& arena)
    : header_(header),
      target_(target),
      arena_(arena),
      streams_(header, arena),
      base_(base, header, arena),
      block_(header, arena) {}

Status FramePlayer::SetMap(ByteView plain) {
  map_ = TILL_TRY(MipsMap::Parse(plain));
  return Ok();
}

Status FramePlayer::Rehash(Source& written, uint64_t count) {
  while (position_ < count) {
    const MutableByteView part = arena_.transfer.first(std::min<uint64_t>(count - position_, kTransferBytes));
    TILL_TRY(ReadFully(written, position_, part));
    hash_.Update(part);
    position_ += part.size();
  }
  return Ok();
}

Status FramePlayer::Play(const FrameHeader& frame, ByteView coded) {
  TILL_TRY(streams_.Begin(frame, coded));
  ControlReader control(streams_.control(), frame.streams[kControl].plain_bytes);
  base_.SetSegments({});
  if (frame.kind == FrameKind::kSegments) {
    base_.SetSegments(TILL_TRY(ReadSegments(control, header_, arena_.segments)));
  }
  OpReader ops(control, frame, header_, base_.address_space());
  cursor_ = frame.target_offset;
  block_.Close();
  predict_ = Op{.kind = OpKind::kPredict};
  TILL_TRY(PlayOps(ops));
  TILL_TRY(ops.Finish());
  return streams_.Finish();
}

Status FramePlayer::PlayOps(OpReader& ops) {
  while (!ops.at_end()) {
    const Op op = TILL_TRY(ops.Next());
    if (op.kind == OpKind::kBlock) {
      block_.Begin(op);
    } else if (op.kind == OpKind::kPredict) {
      if (op.predictor != 0 && op.region >= map_.region_count()) {
        return Error{ErrorCode::kCorrupt, "a region the map has not", op.region};
      }
      predict_ = op;
    } else {
      TILL_TRY(PlayOp(op));
      if (ops.block_is_full()) TILL_TRY(FinishBlock(ops));
    }
  }
  return Ok();
}

// Whether the piece made now, which ends at `end` unless a block is open, is still wanted.
bool FramePlayer::NeedsBytes(uint64_t end) const {
  return (block_.open() ? cursor_ + block_.block().length : end) > position_;
}

Status FramePlayer::PlayOp(const Op& op) {
  uint64_t done = 0;
  if (op.kind == OpKind::kCopy && !block_.open()) done = std::min(op.length, position_ - cursor_);
  if (op.kind == OpKind::kDiff) TILL_TRY(StartDiff(op));
  while (done < op.length) {
    const uint64_t left = op.length - done;
    MutableByteView out = block_.open() ? block_.Room(left) : arena_.transfer.last(kMadeBytes);
    out = out.first(std::min<uint64_t>(left, out.size()));
    if (op.kind == OpKind::kDiff) {
      out = out.first(std::min(out.size(), kPredictedBytes));
      if (out.size() < left) out = out.first(WholeWords(op.base_offset + done, out.size()));
    }
    TILL_TRY(MakePiece(op, done, out));
    const uint64_t at = cursor_ + done;
    if (block_.open()) {
      block_.Advance(out.size());
    } else if (at + out.size() > position_) {
      TILL_TRY(Emit(out.subspan(position_ - at)));
    }
    done += out.size();
  }
  if (!block_.open()) cursor_ += op.length;
  return Ok();
}

Status FramePlayer::MakePiece(const Op& op, uint64_t done, MutableByteView out) {
  const bool needed = NeedsBytes(cursor_ + done + out.size());
  switch (op.kind) {
    case OpKind::kCopy:
      return needed ? base_.Read(op.base_offset + done, out) : Ok();
    case OpKind::kDiff: {
      if (!needed && !streams_.diff_needs_prediction()) return streams_.ReadDiff({}, out);
      const MutableByteView predicted = arena_.transfer.first(out.size());
      TILL_TRY(Predict(op, done, predicted));
      return streams_.ReadDiff(predicted, out);
    }
    case OpKind::kData:
      return streams_.ReadLiteral(out);
    case OpKind::kBlock:
    case OpKind::kPredict:
      break;
  }
  return Error{ErrorCode::kUnsupported, "op", static_cast<uint64_t>(op.kind)};
}

// Where in its region an address lies: raw bytes and opened segments each count from their own start.
uint64_t FramePlayer::RegionOffset(uint64_t address) const {
  const uint64_t from = address >= header_.base_size ? address - header_.base_size : address;
  return from + static_cast<uint64_t>(predict_.bias);
}

Status FramePlayer::StartDiff(const Op& op) {
  if (predict_.predictor == 0) {
    streams_.StartDiff(op.base_offset);
    return Ok();
  }
  const uint64_t offset = RegionOffset(op.base_offset);
  const uint64_t size = map_.size(predict_.region);
  if (offset > size || op.length > size - offset) {
    return Error{ErrorCode::kCorrupt, "a prediction outside its region", offset};
  }
  mips_ = MipsPredictor(map_);
  mips_.Start(predict_.region, static_cast<uint32_t>(offset));
  streams_.StartDiff(offset);
  return Ok();
}

// How much of a piece ends with a word, for the predictor and for the residual model.
size_t FramePlayer::WholeWords(uint64_t address, size_t bytes) const {
  if (predict_.predictor == 0 || bytes < 4) return streams_.WholeWords(bytes);
  return bytes - (RegionOffset(address) + bytes) % 4;
}

Status FramePlayer::Predict(const Op& op, uint64_t done, MutableByteView predicted) {
  TILL_TRY(base_.Read(op.base_offset + done, predicted));
  if (predict_.predictor != 0) mips_.Predict(predicted);
  return Ok();
}

Status FramePlayer::FinishBlock(OpReader& ops) {
  const bool needed = NeedsBytes(cursor_ + block_.block().length);
  const uint64_t length = block_.block().length;
  MutableByteView coded = needed ? TILL_TRY(block_.Encode()) : arena_.block_coded.first(length);
  const uint64_t fixes = TILL_TRY(ops.BeginFixes());
  MutableByteView rest = coded;
  for (uint64_t i = 0; i < fixes; ++i) {
    const Fix fix = TILL_TRY(ops.NextFix());
    TILL_TRY(ops.FixBytes(rest.subspan(fix.gap, fix.length)));
    rest = rest.subspan(fix.gap + fix.length);
  }
  block_.Close();
  const uint64_t passed = std::min<uint64_t>(position_ - cursor_, length);
  cursor_ += length;
  return needed ? Emit(coded.subspan(passed)) : Ok();
}

Status FramePlayer::Emit(ByteView bytes) {
  while (!bytes.empty()) {
    const ByteView part = bytes.first(std::min<size_t>(bytes.size(), kTransferBytes));
    TILL_TRY(target_.Write(part));
    hash_.Update(part);
    position_ += part.size();
    bytes = bytes.subspan(part.size());
  }
  return Ok();
}

}  // namespace till::delta
