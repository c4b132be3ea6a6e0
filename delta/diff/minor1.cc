// Payloads of minor version 1, which every terminal reads: an image whole, or bytes against bytes.
#include <algorithm>
#include <bit>

#include "delta/diff/diff.h"
#include "delta/diff/frame_builder.h"
#include "delta/diff/matcher.h"
#include "delta/diff/payload_writer.h"
#include "delta/format/arena.h"

namespace till::delta {
namespace {

// Zeros in the diff stream cost zstd less than ops do: an expanded kernel took 376,345 bytes at 48, 352,879 at 512.
constexpr uint64_t kMinCopyBytes = 512;

// Makes ops of a stretch that resembles the base: COPY where enough bytes in a row are equal, DIFF between.
class PlainOps {
 public:
  PlainOps(ByteView base, ByteView target, uint64_t min_copy_bytes)
      : base_(base), target_(target), min_copy_bytes_(min_copy_bytes) {}

  void AddData(uint64_t length) { Add({OpKind::kData, length, 0}); }

  void AddMatch(const Match& match) {
    uint64_t begin = 0;  // of the DIFF that is growing
    for (uint64_t at = 0; at < match.length;) {
      const uint64_t equal = EqualRun(match, at);
      if (equal >= min_copy_bytes_ || equal == match.length) {
        Add({OpKind::kDiff, at - begin, match.base_offset + begin});
        Add({OpKind::kCopy, equal, match.base_offset + at});
        begin = at + equal;
      }
      at += equal > 0 ? equal : 1;
    }
    Add({OpKind::kDiff, match.length - begin, match.base_offset + begin});
  }

  std::vector<Op> Take() && { return std::move(ops_); }

 private:
  uint64_t EqualRun(const Match& match, uint64_t at) const {
    const std::byte* from = base_.data() + match.base_offset + at;
    const std::byte* to = target_.data() + match.target_offset + at;
    const std::byte* end = to + (match.length - at);
    return static_cast<uint64_t>(std::mismatch(to, end, from).first - to);
  }

  void Add(const Op& op) {
    if (op.length == 0) return;
    if (!ops_.empty() && ops_.back().kind == op.kind && op.kind != OpKind::kDiff) {
      Op& last = ops_.back();
      if (op.kind == OpKind::kData || last.base_offset + last.length == op.base_offset) {
        last.length += op.length;
        return;
      }
    }
    ops_.push_back(op);
  }

  ByteView base_;
  ByteView target_;
  uint64_t min_copy_bytes_;
  std::vector<Op> ops_;
};

Result<Bytes> Pack(ByteView base, ByteView target, std::vector<Op> ops, PayloadHeader header,
                   const DiffOptions& options) {
  FrameBuilder builder(base, target, options);
  const FramesResult frames = TILL_TRY(builder.Build(std::move(ops)));
  header.frame_count = frames.frame_count;
  header.frame_plain_bytes_max = frames.plain_bytes_max;
  header.frame_coded_bytes_max = frames.coded_bytes_max;
  header.window_logs[kControl] = static_cast<uint8_t>(std::max<unsigned>(
      kMinWindowLog, frames.stream_bytes_max <= 1 ? 0 : std::bit_width(frames.stream_bytes_max - 1)));
  header.arena_bytes = static_cast<uint32_t>(ArenaBytesFor(header));
  header.target_size = target.size();
  header.target_sha256 = crypto::Sha256Of(target);
  header.op_count = frames.op_count;
  header.frames_bytes = frames.frames.size();
  return WritePayload(header, frames.frames);
}

}  // namespace

Result<Bytes> MakePlainDelta(ByteView base, ByteView target, const DiffOptions& options) {
  const std::vector<Match> matches = TILL_TRY(FindMatches(base, target, options));
  PlainOps ops(base, target, std::min(options.min_copy_bytes, kMinCopyBytes));
  uint64_t at = 0;
  for (const Match& match : matches) {
    ops.AddData(match.target_offset - at);
    ops.AddMatch(match);
    at = match.target_offset + match.length;
  }
  ops.AddData(target.size() - at);
  PayloadHeader header;
  header.kind = PayloadKind::kDelta;
  header.base_size = base.size();
  header.base_sha256 = crypto::Sha256Of(base);
  return Pack(base, target, std::move(ops).Take(), header, options);
}

Result<Bytes> MakeFull(ByteView target, const DiffOptions& options) {
  std::vector<Op> ops;
  if (!target.empty()) ops.push_back({OpKind::kData, target.size(), 0});
  return Pack({}, target, std::move(ops), PayloadHeader(), options);
}

}  // namespace till::delta
