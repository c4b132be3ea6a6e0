#include "delta/format/ops.h"

namespace till::delta {
namespace {

constexpr unsigned kKindBits = 2;
constexpr uint64_t kKindMask = (1 << kKindBits) - 1;
constexpr uint64_t kNumbered = 3;  // op kind whose number stands in the length's place
constexpr uint64_t kNumberBlock = 0;
constexpr uint64_t kNumberPredict = 1;
constexpr uint64_t kMaxPredictor = 1;

Error Corrupt(const char* what, uint64_t offset) { return Error{ErrorCode::kCorrupt, what, offset}; }

// What a segment's record says of its plain length: the common one is a bit.
constexpr uint64_t kFullBlockBit = 1;

}  // namespace

Result<uint8_t> ControlReader::Byte() {
  if (at_ == filled_) {
    const size_t count = std::min<uint64_t>(unread_, buffer_.size());
    if (count == 0) return Corrupt("the control stream ends early", offset_);
    TILL_TRY(input_.Read(MutableByteView(buffer_).first(count)));
    unread_ -= count;
    at_ = 0;
    filled_ = count;
  }
  ++offset_;
  return static_cast<uint8_t>(buffer_[at_++]);
}

Result<uint64_t> ControlReader::Varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const uint64_t offset = offset_;
    const uint8_t byte = TILL_TRY(Byte());
    const uint64_t bits = byte & 0x7f;
    if (shift == 63 && byte > 1) return Corrupt("number longer than 64 bits", offset);
    value |= bits << shift;
    if (byte < 0x80) {
      if (byte == 0 && shift > 0) return Corrupt("number not in its shortest form", offset);
      return value;
    }
  }
  return Corrupt("number longer than 64 bits", offset_);
}

Result<int64_t> ControlReader::SignedVarint() {
  const uint64_t zigzag = TILL_TRY(Varint());
  return static_cast<int64_t>(zigzag >> 1) ^ -static_cast<int64_t>(zigzag & 1);
}

Status ControlReader::Take(MutableByteView out) {
  if (out.size() > unread_ + (filled_ - at_)) return Corrupt("the control stream ends early", offset_);
  const size_t buffered = std::min(out.size(), filled_ - at_);
  std::ranges::copy(ByteView(buffer_).subspan(at_, buffered), out.begin());
  at_ += buffered;
  offset_ += out.size();
  out = out.subspan(buffered);
  if (out.empty()) return Ok();
  unread_ -= out.size();
  return input_.Read(out);
}

Result<std::span<const Segment>> ReadSegments(ControlReader& control, const PayloadHeader& payload,
                                              std::span<Segment> room) {
  const uint64_t count = TILL_TRY(control.Varint());
  if (count > room.size() || count > kMaxFrameSegments) {
    return Error{ErrorCode::kLimit, "segments of a frame", kMaxFrameSegments};
  }
  uint64_t end = 0;
  uint64_t address = payload.base_size;
  for (Segment& s : room.first(count)) {
    const uint64_t at = control.offset();
    const int64_t shift = TILL_TRY(control.SignedVarint());
    int64_t offset = 0;
    const uint64_t coded = TILL_TRY(control.Varint());
    if (coded == 0 || coded > CodedBound(payload.block_plain_bytes_max)) return Corrupt("segment length", at);
    if (__builtin_add_overflow(static_cast<int64_t>(end), shift, &offset) || offset < 0 ||
        static_cast<uint64_t>(offset) > payload.base_size ||
        coded > payload.base_size - static_cast<uint64_t>(offset)) {
      return Corrupt("segment outside the base", at);
    }
    const uint64_t word = TILL_TRY(control.Varint());
    const uint64_t recode = word >> 1;
    if (recode >= payload.recode_count) return Corrupt("segment with an unknown recode", at);
    const bool full = (word & kFullBlockBit) != 0;
    const uint64_t plain = full ? payload.block_plain_bytes_max : TILL_TRY(control.Varint());
    if (plain == 0 || plain > payload.block_plain_bytes_max || (!full && plain == payload.block_plain_bytes_max)) {
      return Corrupt("plain length of a segment", at);
    }
    s = {static_cast<uint64_t>(offset), static_cast<uint32_t>(coded), static_cast<uint32_t>(plain),
         static_cast<uint8_t>(recode), address};
    end = s.offset + coded;
    address += plain;
  }
  if (count > 0 && payload.cache_blocks == 0) return Corrupt("segments without a cache", 0);
  return std::span<const Segment>(room.first(count));
}

void EncodeSegments(std::span<const Segment> segments, const PayloadHeader& payload, ByteWriter& out) {
  assert(segments.size() <= kMaxFrameSegments);
  out.Varint(segments.size());
  uint64_t end = 0;
  for (const Segment& s : segments) {
    out.SignedVarint(static_cast<int64_t>(s.offset) - static_cast<int64_t>(end));
    out.Varint(s.coded_bytes);
    const bool full = s.plain_bytes == payload.block_plain_bytes_max;
    out.Varint(uint64_t{s.recode} << 1 | (full ? kFullBlockBit : 0));
    if (!full) out.Varint(s.plain_bytes);
    end = s.offset + s.coded_bytes;
  }
}

OpReader::OpReader(ControlReader& control, const FrameHeader& frame, const PayloadHeader& payload,
                   uint64_t address_space)
    : control_(control),
      payload_(payload),
      knows_blocks_(frame.kind == FrameKind::kSegments),
      address_space_(address_space),
      ops_left_(frame.op_count),
      target_left_(frame.target_bytes),
      diff_left_(frame.streams[kDiff].plain_bytes),
      literal_left_(frame.streams[kLiteral].plain_bytes) {}

Result<Op> OpReader::Next() {
  const uint64_t offset = control_.offset();
  if (ops_left_ == 0 || block_is_full()) return Corrupt("an op where none may stand", offset);
  const uint64_t word = TILL_TRY(control_.Varint());
  const uint64_t kind = word & kKindMask;
  --ops_left_;
  if (kind == kNumbered) return NextWithNumber(word >> kKindBits, offset);
  Op op{.kind = static_cast<OpKind>(kind), .length = word >> kKindBits};
  TILL_TRY(Charge(op, offset));
  if (op.kind != OpKind::kData) TILL_TRY(Locate(op, offset));
  return op;
}

Result<Op> OpReader::NextWithNumber(uint64_t number, uint64_t offset) {
  if (!knows_blocks_) return Error{ErrorCode::kUnsupported, "op", kNumbered};
  if (number == kNumberBlock) return NextBlock(offset);
  if (number != kNumberPredict) return Error{ErrorCode::kUnsupported, "op number", number};
  Op op{.kind = OpKind::kPredict};
  const uint64_t predictor = TILL_TRY(control_.Varint());
  if (predictor > kMaxPredictor) return Error{ErrorCode::kUnsupported, "predictor", predictor};
  op.predictor = static_cast<uint32_t>(predictor);
  if (predictor == 0) return op;
  op.region = TILL_TRY(control_.Varint());
  op.bias = TILL_TRY(control_.SignedVarint());
  return op;
}

Result<Op> OpReader::NextBlock(uint64_t offset) {
  if (in_block_) return Corrupt("a block within a block", offset);
  Op op{.kind = OpKind::kBlock};
  const uint64_t recode = TILL_TRY(control_.Varint());
  const uint64_t plain = TILL_TRY(control_.Varint());
  op.length = TILL_TRY(control_.Varint());
  if (recode >= payload_.recode_count) return Corrupt("a block with an unknown recode", offset);
  if (plain == 0 || plain > payload_.block_plain_bytes_max) return Corrupt("plain length of a block", offset);
  if (op.length == 0 || op.length > payload_.block_coded_bytes_max) return Corrupt("coded length of a block", offset);
  if (op.length > target_left_) return Corrupt("op past the frame's target", offset);
  if (op.length > made_left_) return Corrupt("a frame that makes too much", offset);
  op.recode = static_cast<uint32_t>(recode);
  op.plain_bytes = static_cast<uint32_t>(plain);
  target_left_ -= op.length;
  made_left_ -= op.length;
  in_block_ = true;
  block_left_ = plain;
  fix_room_ = op.length;
  return op;
}

// Every length is taken from what is left of its bound.
Status OpReader::Charge(const Op& op, uint64_t offset) {
  if (op.length == 0) return Corrupt("an op that makes nothing", offset);
  uint64_t& room = in_block_ ? block_left_ : target_left_;
  if (op.length > room) return Corrupt(in_block_ ? "op past its block" : "op past the frame's target", offset);
  room -= op.length;
  if (op.kind == OpKind::kCopy) return Ok();
  uint64_t& stream = op.kind == OpKind::kDiff ? diff_left_ : literal_left_;
  if (op.length > stream) {
    return Corrupt(op.kind == OpKind::kDiff ? "op past the diff stream" : "op past the literal stream", offset);
  }
  stream -= op.length;
  if (in_block_) return Ok();
  if (op.length > made_left_) return Corrupt("a frame that makes too much", offset);
  made_left_ -= op.length;
  return Ok();
}

Status OpReader::Locate(Op& op, uint64_t offset) {
  const int64_t shift = TILL_TRY(control_.SignedVarint());
  int64_t signed_position = 0;
  if (__builtin_add_overflow(static_cast<int64_t>(position_), shift, &signed_position) || signed_position < 0) {
    return Corrupt("op outside the base", offset);
  }
  const auto at = static_cast<uint64_t>(signed_position);
  // Wholly in the base or wholly in the segments behind it.
  const uint64_t end = at < payload_.base_size ? payload_.base_size : address_space_;
  if (at > end || op.length > end - at) return Corrupt("op outside the base", offset);
  op.base_offset = at;
  position_ = at + op.length;
  return Ok();
}

Result<uint64_t> OpReader::BeginFixes() {
  assert(block_is_full());
  const uint64_t offset = control_.offset();
  const uint64_t count = TILL_TRY(control_.Varint());
  if (count > fix_room_) return Corrupt("more fixes than bytes", offset);
  in_block_ = false;
  return count;
}

Result<Fix> OpReader::NextFix() {
  const uint64_t offset = control_.offset();
  Fix fix;
  fix.gap = TILL_TRY(control_.Varint());
  fix.length = TILL_TRY(control_.Varint());
  if (fix.gap > fix_room_ || fix.length == 0 || fix.length > fix_room_ - fix.gap) {
    return Corrupt("a fix outside its block", offset);
  }
  fix_room_ -= fix.gap + fix.length;
  return fix;
}

Status OpReader::Finish() const {
  if (ops_left_ != 0 || target_left_ != 0 || diff_left_ != 0 || literal_left_ != 0 || in_block_ || !control_.at_end()) {
    return Corrupt("the ops do not fill their frame", control_.offset());
  }
  return Ok();
}

void EncodeOp(const Op& op, uint64_t& position, ByteWriter& out) {
  switch (op.kind) {
    case OpKind::kBlock:
      assert(op.length > 0 && op.plain_bytes > 0);
      out.Varint(kNumberBlock << kKindBits | kNumbered);
      out.Varint(op.recode);
      out.Varint(op.plain_bytes);
      out.Varint(op.length);
      return;
    case OpKind::kPredict:
      out.Varint(kNumberPredict << kKindBits | kNumbered);
      out.Varint(op.predictor);
      if (op.predictor == 0) return;
      out.Varint(op.region);
      out.SignedVarint(op.bias);
      return;
    case OpKind::kCopy:
    case OpKind::kDiff:
    case OpKind::kData:
      assert(op.length > 0 && op.length <= kMaxImageBytes);
      out.Varint(op.length << kKindBits | static_cast<uint64_t>(op.kind));
      if (op.kind == OpKind::kData) return;
      out.SignedVarint(static_cast<int64_t>(op.base_offset) - static_cast<int64_t>(position));
      position = op.base_offset + op.length;
      return;
  }
}

void EncodeFixes(std::span<const Fix> fixes, ByteView bytes, ByteWriter& out) {
  out.Varint(fixes.size());
  for (const Fix& fix : fixes) {
    out.Varint(fix.gap);
    out.Varint(fix.length);
    out.Append(bytes.first(fix.length));
    bytes = bytes.subspan(fix.length);
  }
}

}  // namespace till::delta
