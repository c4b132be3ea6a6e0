#include "delta/diff/frame_ops.h"

#include <algorithm>
#include <map>

#include "delta/mips/predictor.h"

namespace till::delta {
namespace {

class Drafter {
 public:
  explicit Drafter(const FrameOpsInput& in) : in_(in) {}

  FrameDraft Run(const std::vector<FramePiece>& pieces) {
    CollectSegments(pieces);
    EncodeSegments(draft_.segments, *in_.header, control_);
    for (const FramePiece& piece : pieces) AddPiece(piece);
    draft_.streams.control = std::move(control_).Take();
    return std::move(draft_);
  }

 private:
  void CollectSegments(const std::vector<FramePiece>& pieces) {
    std::map<uint32_t, Segment> used;  // by block of the base: in the order of their offsets
    for (const FramePiece& piece : pieces) {
      for (const PlannedOp& op : piece.ops) {
        if (op.kind != PlannedOp::Kind::kData && op.base.in_block()) used.try_emplace(op.base.block());
      }
    }
    uint64_t address = in_.header->base_size;
    for (auto& [block, segment] : used) {
      const CodedBlock& coded = in_.base->blocks()[block];
      segment = {coded.offset, coded.coded_bytes, static_cast<uint32_t>(in_.base->DecodedPlain(block).size()),
                 in_.plan->base_recode[block], address};
      address_of_[block] = address;
      address += segment.plain_bytes;
      draft_.segments.push_back(segment);
    }
  }

  uint64_t FrameAddress(Address at) const {
    return at.in_block() ? address_of_.at(at.block()) + at.offset() : at.offset();
  }

  void AddPiece(const FramePiece& piece) {
    const PlanItem& item = *piece.item;
    ByteView made = in_.target->image().subspan(piece.target_offset);
    if (item.remake) {
      made = in_.target->DecodedPlain(item.block);
      Put({.kind = OpKind::kBlock,
           .length = item.target_bytes,
           .plain_bytes = item.plain_bytes,
           .recode = item.recode});
    }
    for (const PlannedOp& op : piece.ops) {
      Append(op, made.first(op.length));
      made = made.subspan(op.length);
    }
    Flush();
    if (item.remake) PutFixes(item);
  }

  // Joins ops that go on where the last one ended, also from one segment into the next.
  void Append(const PlannedOp& planned, ByteView made) {
    Op op{.kind = static_cast<OpKind>(planned.kind), .length = planned.length};
    if (op.kind != OpKind::kData) op.base_offset = FrameAddress(planned.base);
    const bool same_space = (op.base_offset < in_.header->base_size) == (held_.base_offset < in_.header->base_size);
    const Op predict = PredictionOf(planned, op);
    const bool joins = predict == predict_ && held_.length > 0 && held_.kind == op.kind &&
                       (op.kind == OpKind::kData || (held_.base_offset + held_.length == op.base_offset && same_space));
    if (!joins) Flush();
    if (op.kind == OpKind::kDiff && predict != predict_) {
      Put(predict);
      predict_ = predict;
    }
    AppendStreams(planned, made, op, joins);
    if (joins) {
      held_.length += op.length;
      return;
    }
    held_ = op;
  }

  // How the bytes of an op are predicted; as so far if it is no DIFF.
  Op PredictionOf(const PlannedOp& planned, const Op& op) const {
    if (op.kind != OpKind::kDiff) return predict_;
    const auto place = in_.mips->PlaceOf(planned.base, op.length);
    if (!place) return {.kind = OpKind::kPredict};
    const bool raw = op.base_offset < in_.header->base_size;
    const uint64_t from = raw ? op.base_offset : op.base_offset - in_.header->base_size;
    return {.kind = OpKind::kPredict,
            .predictor = 1,
            .region = place->region,
            .bias = static_cast<int64_t>(place->offset) - static_cast<int64_t>(from)};
  }

  // What PREDICT makes of an op's position.
  uint64_t RegionOffset(uint64_t address) const {
    const uint64_t from = address < in_.header->base_size ? address : address - in_.header->base_size;
    return from + static_cast<uint64_t>(predict_.bias);
  }

  // The base bytes of the held DIFF become what is predicted of them.
  void Predict() {
    if (held_.kind != OpKind::kDiff || predict_.predictor == 0) return;
    Bytes& predicted = draft_.streams.predicted;
    MipsPredictor predictor(*in_.map);
    predictor.Start(predict_.region, static_cast<uint32_t>(RegionOffset(held_.base_offset)));
    predictor.Predict(MutableByteView(predicted).last(held_.length));
  }

  void AppendStreams(const PlannedOp& planned, ByteView made, const Op& op, bool joins) {
    FrameStreams& streams = draft_.streams;
    const auto length = static_cast<uint32_t>(op.length);
    if (op.kind == OpKind::kCopy) return;
    if (op.kind == OpKind::kData) {
      streams.literal.insert(streams.literal.end(), made.begin(), made.end());
    } else {
      const ByteView from = BytesAt(*in_.base, planned.base, op.length);
      streams.predicted.insert(streams.predicted.end(), from.begin(), from.end());
      streams.actual.insert(streams.actual.end(), made.begin(), made.end());
    }
    if (joins) {
      streams.runs.back().length += length;
      return;
    }
    const bool diff = op.kind == OpKind::kDiff;
    if (diff && predict_.predictor != 0) {
      const uint64_t offset = RegionOffset(op.base_offset);
      streams.runs.push_back({diff, length, offset, static_cast<uint8_t>(offset & 3)});
      return;
    }
    streams.runs.push_back({diff, length, op.base_offset, diff ? in_.phases->Of(planned.base) : uint8_t{0}});
  }

  void Flush() {
    if (held_.length > 0) {
      Predict();
      Put(held_);
    }
    held_ = {};
  }

  void Put(const Op& op) {
    EncodeOp(op, position_, control_);
    ++draft_.op_count;
  }

  void PutFixes(const PlanItem& item) {
    std::vector<Fix> fixes;
    Bytes bytes;
    uint64_t end = 0;
    const ByteView coded = in_.target->Coded(item.block);
    for (const BlockFix& fix : item.fixes) {
      fixes.push_back({fix.offset - end, fix.length});
      end = uint64_t{fix.offset} + fix.length;
      const ByteView right = coded.subspan(fix.offset, fix.length);
      bytes.insert(bytes.end(), right.begin(), right.end());
    }
    EncodeFixes(fixes, bytes, control_);
  }

  const FrameOpsInput& in_;
  FrameDraft draft_;
  ByteWriter control_;
  std::map<uint32_t, uint64_t> address_of_;
  Op held_{.length = 0};
  Op predict_{.kind = OpKind::kPredict};
  uint64_t position_ = 0;
};

}  // namespace

FrameDraft DraftFrame(const FrameOpsInput& input, const std::vector<FramePiece>& pieces) {
  return Drafter(input).Run(pieces);
}

}  // namespace till::delta
