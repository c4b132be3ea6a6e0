#include "delta/diff/frame_packer.h"

#include <algorithm>

#include "delta/codec/lzma_encode.h"
#include "delta/format/arena.h"

namespace till::delta {
namespace {

constexpr int kMaxTries = 6;
constexpr uint64_t kOpEstimateBytes = 3;
// Of the frame's room, what the first try aims at: estimates are rough.
constexpr uint64_t kAimNumerator = 15;
constexpr uint64_t kAimDenominator = 16;

class FramePacker {
 public:
  FramePacker(const PackInput& in, Plan& plan)
      : in_(in), plan_(plan), phases_(in.base->files()), mips_(MipsRegions::Find(*in.base, *in.target, plan)) {}

  Result<PackedFrames> Run() {
    SetBlockFields();
    TILL_TRY(PutMap());
    Cursor at;
    while (at.item < plan_.items.size()) {
      const PlanItem& item = plan_.items[at.item];
      if (in_.options->progress && !in_.options->progress({"pack", item.target_offset, in_.target->image().size()})) {
        return Error{ErrorCode::kCanceled, "stopped on request"};
      }
      at = TILL_TRY(PackOne(at));
    }
    out_.header.frames_bytes = frames_.size();
    out_.frames = std::move(frames_).Take();
    return std::move(out_);
  }

 private:
  // Next to pack: an item, and how much of it went before (raw items only).
  struct Cursor {
    size_t item = 0;
    size_t op = 0;
    uint64_t op_bytes = 0;
    uint64_t target_bytes = 0;
  };
  struct Taken {
    std::vector<FramePiece> pieces;
    Cursor next;
    uint64_t target_offset = 0;
    uint64_t target_bytes = 0;
    uint64_t estimate = 0;
    uint64_t made = 0;
    uint64_t stream_bytes = 0;  // DIFF and DATA, plain
    size_t ops = 0;
    bool full = false;
  };

  void SetBlockFields() {
    PayloadHeader& h = out_.header;
    h.minor_version = 2;
    h.kind = PayloadKind::kDelta;
    h.window_logs = {0, 0, 0};
    h.base_size = in_.base->image().size();
    h.target_size = in_.target->image().size();
    std::vector<bool> used(plan_.recodes.size());
    for (const PlanItem& item : plan_.items) {
      if (item.remake) {
        h.block_plain_bytes_max = std::max(h.block_plain_bytes_max, item.plain_bytes);
        h.block_coded_bytes_max = std::max(h.block_coded_bytes_max, static_cast<uint32_t>(item.target_bytes));
        used[item.recode] = true;
      }
      for (const PlannedOp& op : item.ops) {
        if (op.kind == PlannedOp::Kind::kData || !op.base.in_block()) continue;
        const CodedBlock& block = in_.base->blocks()[op.base.block()];
        h.block_plain_bytes_max = std::max(h.block_plain_bytes_max, block.plain_bytes);
        h.cache_blocks = static_cast<uint8_t>(plan_.cache_blocks);
        used[plan_.base_recode[op.base.block()]] = true;
      }
    }
    KeepRecodes(used);
  }

  void KeepRecodes(const std::vector<bool>& used) {
    PayloadHeader& h = out_.header;
    std::vector<uint8_t> number(used.size());
    for (size_t i = 0; i < used.size(); ++i) {
      if (!used[i]) continue;
      number[i] = h.recode_count;
      h.recodes[h.recode_count++] = plan_.recodes[i];
    }
    for (PlanItem& item : plan_.items) {
      if (item.remake) item.recode = number[item.recode];
    }
    for (uint8_t& recode : plan_.base_recode) recode = recode < number.size() ? number[recode] : recode;
    plan_.recodes.assign(h.recodes.begin(), h.recodes.begin() + h.recode_count);
  }

  Status PutMap() {
    const ByteView plain = mips_.map_plain();
    map_ = TILL_TRY(MipsMap::Parse(plain));
    if (plain.empty()) return Ok();
    PayloadHeader& h = out_.header;
    h.map_plain_bytes = static_cast<uint32_t>(plain.size());
    Bytes coded = EncodeLzma(plain, {0, 2, 2}, MapWindowLog(h));
    h.map_codec = coded.empty() ? Codec::kStored : Codec::kLzma;
    if (coded.empty()) coded.assign(plain.begin(), plain.end());
    h.map_coded_bytes = static_cast<uint32_t>(coded.size());
    frames_.Append(coded);
    return Ok();
  }

  Taken Take(Cursor at, uint64_t estimate_limit) const {
    Taken taken;
    taken.target_offset = plan_.items[at.item].target_offset + at.target_bytes;
    taken.next = at;
    while (taken.next.item < plan_.items.size() && !taken.full) {
      const PlanItem& item = plan_.items[taken.next.item];
      if (item.remake) {
        TakeBlock(item, estimate_limit, taken);
      } else {
        TakeRaw(item, estimate_limit, taken);
      }
    }
    return taken;
  }

  void TakeBlock(const PlanItem& item, uint64_t estimate_limit, Taken& taken) const {
    const bool fits = taken.estimate + item.estimated_bytes <= estimate_limit &&
                      taken.made + item.target_bytes <= kMaxFrameMadeBytes &&
                      taken.stream_bytes + item.plain_bytes <= kMaxStreamPlainBytes &&
                      taken.ops + item.ops.size() + 1 <= kMaxFrameOps;
    if (!fits && !taken.pieces.empty()) {
      taken.full = true;
      return;
    }
    taken.pieces.push_back({&item, item.target_offset, item.ops});
    taken.estimate += item.estimated_bytes;
    taken.made += item.target_bytes;
    taken.stream_bytes += item.plain_bytes;
    taken.ops += item.ops.size() + 1;
    taken.target_bytes += item.target_bytes;
    taken.next = {taken.next.item + 1, 0, 0, 0};
  }

  void TakeRaw(const PlanItem& item, uint64_t estimate_limit, Taken& taken) const {
    FramePiece piece{&item, item.target_offset + taken.next.target_bytes, {}};
    Cursor& at = taken.next;
    while (at.op < item.ops.size() && !taken.full) {
      PlannedOp op = item.ops[at.op];
      op.length -= at.op_bytes;
      if (op.kind != PlannedOp::Kind::kData) op.base = op.base + at.op_bytes;
      if (op.kind == PlannedOp::Kind::kCopy) {
        taken.full = taken.estimate + kOpEstimateBytes > estimate_limit;
      } else {
        const uint64_t room = std::min(estimate_limit - std::min(estimate_limit, taken.estimate + kOpEstimateBytes),
                                       kMaxFrameMadeBytes - taken.made);
        op.length = std::min(op.length, room);
        taken.full = op.length == 0;
      }
      taken.full = taken.full || taken.ops + 1 > kMaxFrameOps;
      if (taken.full) break;
      piece.ops.push_back(op);
      const bool made = op.kind != PlannedOp::Kind::kCopy;
      taken.estimate += kOpEstimateBytes + (made ? op.length : 0);
      taken.made += made ? op.length : 0;
      taken.stream_bytes += made ? op.length : 0;
      ++taken.ops;
      taken.target_bytes += op.length;
      at.target_bytes += op.length;
      at.op_bytes += op.length;
      if (at.op_bytes == item.ops[at.op].length) at = {at.item, at.op + 1, 0, at.target_bytes};
    }
    if (!piece.ops.empty()) taken.pieces.push_back(std::move(piece));
    if (at.op == item.ops.size()) at = {at.item + 1, 0, 0, 0};
  }

  Result<Cursor> PackOne(Cursor at) {
    uint64_t limit = kMaxFrameCodedBytes * kAimNumerator / kAimDenominator * ratio_percent_ / 100;
    for (int attempt = 0;; ++attempt) {
      if (attempt == kMaxTries) limit = kMaxFrameCodedBytes / 2;
      const Taken taken = Take(at, limit);
      FrameDraft draft =
          DraftFrame({in_.base, in_.target, &plan_, &phases_, &mips_, &map_, &out_.header}, taken.pieces);
      const CodedStreams coded = CodeStreams(draft.streams, in_.coder);
      if (coded.coded_bytes() <= kMaxFrameCodedBytes && draft.segments.size() <= kMaxFrameSegments) {
        const uint64_t percent = taken.estimate * 100 / std::max<uint64_t>(coded.coded_bytes(), 1);
        if (taken.full && taken.made > 0) ratio_percent_ = std::clamp<uint64_t>(percent, 50, 1000);
        TILL_TRY(Emit(taken, draft, coded));
        return taken.next;
      }
      if (taken.pieces.size() == 1 && taken.pieces.front().item->remake) {
        SendRaw(plan_.items[at.item]);
      } else {
        limit = std::min(limit, taken.estimate) * kMaxFrameCodedBytes / (coded.coded_bytes() + 1) * 15 / 16;
      }
    }
  }

  static void SendRaw(PlanItem& item) {
    item.remake = false;
    item.fixes.clear();
    item.ops = {{PlannedOp::Kind::kData, item.target_bytes, {}}};
  }

  Status Emit(const Taken& taken, const FrameDraft& draft, const CodedStreams& coded) {
    PayloadHeader& h = out_.header;
    if (h.frame_count == UINT32_MAX) return Error{ErrorCode::kLimit, "too many frames", UINT32_MAX};
    FrameHeader frame;
    frame.kind = FrameKind::kSegments;
    frame.index = h.frame_count++;
    frame.op_count = draft.op_count;
    frame.target_offset = taken.target_offset;
    frame.target_bytes = taken.target_bytes;
    frame.streams = coded.infos;
    for (const StreamIndex stream : {kControl, kDiff, kLiteral}) {
      h.stream_codecs[stream] |= CodecBit(coded.infos[stream].codec);
      h.window_logs[stream] = std::max(h.window_logs[stream], static_cast<uint8_t>(coded.window_logs[stream]));
    }
    h.frame_plain_bytes_max = std::max(h.frame_plain_bytes_max, static_cast<uint32_t>(frame.plain_bytes()));
    h.frame_coded_bytes_max = std::max(h.frame_coded_bytes_max, static_cast<uint32_t>(frame.coded_bytes()));
    h.op_count += frame.op_count;
    frames_.Append(EncodeFrameHeader(frame));
    for (const Bytes& stream : coded.bytes) frames_.Append(stream);
    return Ok();
  }

  const PackInput& in_;
  Plan& plan_;
  WordPhases phases_;
  MipsRegions mips_;
  MipsMap map_;
  PackedFrames out_;
  ByteWriter frames_;
  uint64_t ratio_percent_ = 100;  // estimates against what came out, from the frame before
};

}  // namespace

Result<PackedFrames> PackFrames(const PackInput& input, Plan& plan) { return FramePacker(input, plan).Run(); }

}  // namespace till::delta
