#include "delta/format/format.h"

namespace till::delta {
namespace {

constexpr unsigned kKindBits = 2;
constexpr uint64_t kKindMask = (1 << kKindBits) - 1;

}  // namespace

OpReader::OpReader(ByteView control, const FrameHeader& frame, uint64_t base_size)
    : reader_(control),
      ops_left_(frame.op_count),
      target_left_(frame.target_bytes),
      diff_left_(frame.streams[kDiff].plain_bytes),
      literal_left_(frame.streams[kLiteral].plain_bytes),
      base_size_(base_size) {}

Result<Op> OpReader::Next() {
  const uint64_t offset = reader_.offset();
  const uint64_t word = TILL_TRY(reader_.Varint());
  const uint64_t kind = word & kKindMask;
  if (kind > static_cast<uint64_t>(OpKind::kData)) return Error{ErrorCode::kUnsupported, "op", kind};
  Op op{.kind = static_cast<OpKind>(kind), .length = word >> kKindBits, .base_offset = 0};
  if (op.length == 0) return Error{ErrorCode::kCorrupt, "an op that makes nothing", offset};
  if (op.length > target_left_) return Error{ErrorCode::kCorrupt, "op past the frame's target", offset};
  target_left_ -= op.length;
  --ops_left_;
  if (op.kind == OpKind::kData) {
    if (op.length > literal_left_) return Error{ErrorCode::kCorrupt, "op past the literal stream", offset};
    literal_left_ -= op.length;
    return op;
  }
  const int64_t shift = TILL_TRY(reader_.SignedVarint());
  int64_t position = 0;
  if (__builtin_add_overflow(static_cast<int64_t>(base_position_), shift, &position) || position < 0 ||
      static_cast<uint64_t>(position) > base_size_ || op.length > base_size_ - static_cast<uint64_t>(position)) {
    return Error{ErrorCode::kCorrupt, "op outside the base", offset};
  }
  if (op.kind == OpKind::kDiff) {
    if (op.length > diff_left_) return Error{ErrorCode::kCorrupt, "op past the diff stream", offset};
    diff_left_ -= op.length;
  }
  op.base_offset = static_cast<uint64_t>(position);
  base_position_ = op.base_offset + op.length;
  return op;
}

Status OpReader::Finish() const {
  if (ops_left_ != 0 || target_left_ != 0 || diff_left_ != 0 || literal_left_ != 0 || !reader_.at_end()) {
    return Error{ErrorCode::kCorrupt, "the ops do not fill their frame", reader_.offset()};
  }
  return Ok();
}

void EncodeOp(const Op& op, uint64_t& base_position, ByteWriter& out) {
  assert(op.length > 0 && op.length <= kMaxImageBytes);
  out.Varint(op.length << kKindBits | static_cast<uint64_t>(op.kind));
  if (op.kind == OpKind::kData) return;
  out.SignedVarint(static_cast<int64_t>(op.base_offset) - static_cast<int64_t>(base_position));
  base_position = op.base_offset + op.length;
}

}  // namespace till::delta
