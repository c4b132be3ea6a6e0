#include "delta/diff/frame_builder.h"

#include <algorithm>

namespace till::delta {
namespace {

// One op in the control stream is at most so long: two varints.
constexpr uint64_t kMaxOpBytes = 20;
// Tries to find the frame length whose coded form just fits; each costs one coding of the frame.
constexpr int kMaxTries = 4;

Op CutFront(const Op& op, uint64_t bytes) {
  Op rest = op;
  rest.length -= bytes;
  if (op.kind != OpKind::kData) rest.base_offset += bytes;
  return rest;
}

}  // namespace

void FrameBuilder::AppendPlain(const Op& op, uint64_t target_offset, Draft& draft) const {
  if (op.kind == OpKind::kCopy) return;
  const ByteView made = target_.subspan(target_offset, op.length);
  Bytes& stream = draft.plain[op.kind == OpKind::kDiff ? kDiff : kLiteral];
  if (op.kind == OpKind::kData) {
    stream.insert(stream.end(), made.begin(), made.end());
    return;
  }
  const ByteView from = base_.subspan(op.base_offset, op.length);
  for (size_t i = 0; i < made.size(); ++i) {
    stream.push_back(static_cast<std::byte>(static_cast<uint8_t>(made[i]) - static_cast<uint8_t>(from[i])));
  }
}

FrameBuilder::Draft FrameBuilder::TakeOps(uint64_t plain_limit) const {
  Draft draft;
  ByteWriter control;
  uint64_t base_position = 0;
  uint64_t made = 0;
  size_t next = next_op_;
  for (; next < ops_.size() && draft.header.op_count < kMaxFrameOps; ++next) {
    const uint64_t plain = made + control.size() + kMaxOpBytes;
    Op op = ops_[next];
    if (op.kind != OpKind::kCopy) {
      if (plain >= plain_limit || made == kMaxFrameMadeBytes) break;
      op.length = std::min({op.length, plain_limit - plain, kMaxFrameMadeBytes - made});
      made += op.length;
    } else if (plain > plain_limit || control.size() + kMaxOpBytes > kMaxFrameControlBytes) {
      break;
    }
    EncodeOp(op, base_position, control);
    AppendPlain(op, target_offset_ + draft.header.target_bytes, draft);
    draft.header.target_bytes += op.length;
    ++draft.header.op_count;
    if (op.length < ops_[next].length) {
      draft.cut_bytes = op.length;
      break;
    }
  }
  draft.ops_used = next - next_op_;
  draft.header.target_offset = target_offset_;
  draft.plain[kControl] = std::move(control).Take();
  return draft;
}

void FrameBuilder::CodeStreams(Draft& draft) {
  for (size_t i = 0; i < kStreamCount; ++i) {
    const Bytes& plain = draft.plain[i];
    StreamInfo& info = draft.header.streams[i];
    draft.coded[i] = plain.empty() ? Bytes() : encoder_.Encode(plain, kMaxWindowLog);
    info.codec = Codec::kZstd;
    if (draft.coded[i].size() >= plain.size()) {
      draft.coded[i] = plain;
      info.codec = Codec::kStored;
    }
    info.plain_bytes = static_cast<uint32_t>(plain.size());
    info.coded_bytes = static_cast<uint32_t>(draft.coded[i].size());
  }
}

FrameBuilder::Draft FrameBuilder::TakeFrame() {
  uint64_t limit = plain_guess_;
  Draft best;
  for (int attempt = 0;; ++attempt) {
    // Stored streams always fit, so a limit of kMaxFrameCodedBytes ends every search.
    if (attempt >= kMaxTries && best.header.op_count == 0) limit = kMaxFrameCodedBytes;
    Draft draft = TakeOps(limit);
    CodeStreams(draft);
    const uint64_t coded = draft.header.coded_bytes();
    const bool fits = coded <= kMaxFrameCodedBytes;
    const bool took_all = draft.cut_bytes == 0 && next_op_ + draft.ops_used == ops_.size();
    const uint64_t plain = std::max<uint64_t>(draft.header.plain_bytes(), 1);
    if (fits && plain > best.header.plain_bytes()) best = std::move(draft);
    if (fits && (took_all || limit >= kMaxFrameMadeBytes || coded >= kMaxFrameCodedBytes / 16 * 15)) break;
    if (attempt >= kMaxTries && best.header.op_count > 0) break;
    // Aim a little below the bound: the ratio of the next stretch is not quite that of this one.
    const uint64_t aimed = plain * (kMaxFrameCodedBytes / 64 * 63) / std::max<uint64_t>(coded, 1);
    limit = std::clamp<uint64_t>(aimed, kMaxFrameCodedBytes, kMaxFrameMadeBytes);
    if (fits && limit <= best.header.plain_bytes() + kMaxOpBytes) break;
  }
  plain_guess_ = std::clamp<uint64_t>(limit, kMaxFrameCodedBytes, kMaxFrameMadeBytes);
  return best;
}

Result<FramesResult> FrameBuilder::Build(std::vector<Op> ops) {
  ops_ = std::move(ops);
  FramesResult result;
  ByteWriter out;
  while (next_op_ < ops_.size()) {
    if (options_.progress && !options_.progress({"pack", target_offset_, target_.size()})) {
      return Error{ErrorCode::kCanceled, "stopped on request"};
    }
    Draft draft = TakeFrame();
    if (result.frame_count == UINT32_MAX) return Error{ErrorCode::kLimit, "too many frames", UINT32_MAX};
    draft.header.index = result.frame_count++;
    out.Append(EncodeFrameHeader(draft.header));
    for (const Bytes& stream : draft.coded) out.Append(stream);
    for (const Bytes& stream : draft.plain) {
      result.stream_bytes_max = std::max<uint64_t>(result.stream_bytes_max, stream.size());
    }
    result.plain_bytes_max = std::max(result.plain_bytes_max, static_cast<uint32_t>(draft.header.plain_bytes()));
    result.coded_bytes_max = std::max(result.coded_bytes_max, static_cast<uint32_t>(draft.header.coded_bytes()));
    result.op_count += draft.header.op_count;
    target_offset_ += draft.header.target_bytes;
    next_op_ += draft.ops_used;
    if (draft.cut_bytes > 0) ops_[next_op_] = CutFront(ops_[next_op_], draft.cut_bytes);
  }
  assert(target_offset_ == target_.size());
  result.frames = std::move(out).Take();
  return result;
}

}  // namespace till::delta
