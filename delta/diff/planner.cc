#include "delta/diff/planner.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <unordered_map>

#include "delta/codec/zstd_encode.h"
#include "delta/diff/aligner.h"
#include "delta/diff/block_recodes.h"
#include "delta/diff/locality.h"
#include "delta/diff/packed_aligner.h"
#include "delta/diff/worth_an_op.h"

namespace till::delta {
namespace {

constexpr uint64_t kNoCopy = ~uint64_t{0};
constexpr int kEstimateLevel = 1;
// What the streams' last coders make, in tenths of zstd's first level (pair M, 2026-11): differences shrink much more
// than new bytes do.
constexpr uint64_t kDiffTenths = 3;
constexpr uint64_t kDataTenths = 8;
constexpr uint64_t kOpEstimateBytes = 3;
// Less than this in all is not worth an index of the whole base: it is sent.
constexpr uint64_t kWorthAligningBytes = 256;

class Planner {
 public:
  explicit Planner(const PlanInput& in)
      : base_(*in.base), target_(*in.target), options_(*in.options), profile_(*in.options->profile) {}

  Result<Plan> Run() {
    FindCopies();
    DecodeChanged();
    ArenaBudget budget(profile_);
    BlockRecodes recodes = ChooseRecodes(base_, target_, changed_, budget);
    recode_of_ = std::move(recodes.of_target);
    plan_.recodes = std::move(recodes.recodes);
    plan_.base_recode = std::move(recodes.of_base);
    plan_.cache_blocks = budget.cache_blocks();
    const AlignerInput input{&base_, &target_, &changed_, &plan_.base_recode, plan_.cache_blocks, &options_};
    alignments_ = TILL_TRY(FindAlignments(input));
    DropAlignmentsNotWorthAnOp(base_, target_, options_, alignments_);
    PlanBlocks();
    TILL_TRY(ProveBlocks());
    TILL_TRY(AlignWhatStaysPacked());
    AssembleItems();
    CountDecodes(base_, plan_);
    return std::move(plan_);
  }

 private:
  static std::string_view AsKey(ByteView bytes) { return AsText(bytes); }

  // Blocks whose coded bytes the base has too.
  void FindCopies() {
    std::unordered_map<std::string_view, uint64_t> at;
    for (uint32_t i = 0; i < base_.blocks().size(); ++i)
      at.try_emplace(AsKey(base_.Coded(i)), base_.blocks()[i].offset);
    copy_from_.assign(target_.blocks().size(), kNoCopy);
    changed_.assign(target_.blocks().size(), true);
    for (uint32_t i = 0; i < copy_from_.size(); ++i) {
      const auto found = at.find(AsKey(target_.Coded(i)));
      if (found == at.end()) continue;
      copy_from_[i] = found->second;
      changed_[i] = false;
      ++plan_.counts.copied_blocks;
    }
    plan_.counts.blocks = static_cast<uint32_t>(copy_from_.size());
  }

  void DecodeChanged() {
    std::vector<uint32_t> wanted;
    for (uint32_t i = 0; i < changed_.size(); ++i) {
      if (changed_[i]) wanted.push_back(i);
    }
    target_.DecodeBlocks(wanted, options_.threads);
  }

  uint64_t SketchBytes(ByteView residual, uint64_t tenths) {
    return residual.empty() ? 0 : estimator_.Encode(residual, kMaxWindowLog).size() * tenths / 10;
  }

  // A sketch of what the ops will cost in the payload; counts the new bytes, too.
  uint64_t Estimate(ByteView made, PlanItem& item) {
    Bytes diff, data;
    uint64_t at = 0;
    for (const PlannedOp& op : item.ops) {
      const ByteView bytes = made.subspan(at, op.length);
      at += op.length;
      if (op.kind == PlannedOp::Kind::kData) data.insert(data.end(), bytes.begin(), bytes.end());
      if (op.kind != PlannedOp::Kind::kDiff) continue;
      const ByteView from = BytesAt(base_, op.base, op.length);
      for (size_t i = 0; i < bytes.size(); ++i) {
        diff.push_back(static_cast<std::byte>(static_cast<uint8_t>(bytes[i]) - static_cast<uint8_t>(from[i])));
      }
    }
    item.literal_bytes = data.size();
    return SketchBytes(diff, kDiffTenths) + SketchBytes(data, kDataTenths) + item.ops.size() * kOpEstimateBytes;
  }

  // Whether making the block again costs the terminal and its owner less than fetching it.
  bool WorthRemaking(const PlanItem& item) const {
    const Recode& recode = plan_.recodes[item.recode];
    const uint64_t work = EncodeInstructions(recode, item.plain_bytes) + DecodeInstructions(recode, item.plain_bytes) +
                          StreamInstructions(Codec::kModel, item.plain_bytes) + LiteralInstructions(item.literal_bytes);
    return item.estimated_bytes < kMaxFrameCodedBytes / 2 &&
           item.estimated_bytes * profile_.instructions_per_byte + work <
               item.target_bytes * profile_.instructions_per_byte;
  }

  void PlanBlocks() {
    planned_.resize(changed_.size());
    for (uint32_t i = 0; i < changed_.size(); ++i) {
      if (!changed_[i] || recode_of_[i] == BlockRecodes::kNone) continue;
      const ByteView plain = target_.DecodedPlain(i);
      OpList ops(base_, options_.min_copy_bytes);
      ops.AddRange(plain, Address::InBlock(i, 0), alignments_);
      PlanItem& item = planned_[i];
      item.target_offset = target_.blocks()[i].offset;
      item.target_bytes = target_.blocks()[i].coded_bytes;
      item.block = i;
      item.recode = recode_of_[i];
      item.plain_bytes = static_cast<uint32_t>(plain.size());
      item.ops = ops.Take();
      item.estimated_bytes = Estimate(plain, item);
      item.remake = WorthRemaking(item);
    }
  }

  Status ProveBlocks() {
    std::vector<uint32_t> work;
    for (uint32_t i = 0; i < planned_.size(); ++i) {
      if (planned_[i].remake) work.push_back(i);
    }
    uint64_t total_bytes = 0;
    for (const uint32_t block : work) total_bytes += planned_[block].plain_bytes;
    std::atomic<size_t> next = 0;
    std::atomic<uint64_t> done_bytes = 0;
    std::atomic<bool> canceled = false;
    const auto prove = [&](bool reports) {
      for (size_t i = next++; i < work.size() && !canceled; i = next++) {
        if (reports && options_.progress && !options_.progress({"prove", done_bytes, total_bytes})) canceled = true;
        Prove(planned_[work[i]]);
        done_bytes += planned_[work[i]].plain_bytes;
      }
    };
    {
      std::vector<std::jthread> others;
      for (unsigned i = 1; i < options_.threads; ++i) others.emplace_back(prove, false);
      prove(true);
    }
    if (canceled) return Error{ErrorCode::kCanceled, "stopped on request"};
    return Ok();
  }

  // The recode that the group's sample gave; if this block came from another encoder, one of the others.
  void Prove(PlanItem& item) {
    const ByteView plain = target_.DecodedPlain(item.block);
    const ByteView coded = target_.Coded(item.block);
    const size_t likely = item.recode;
    for (size_t i = 0; i < plan_.recodes.size(); ++i) {
      const size_t index = i == 0 ? likely : i <= likely ? i - 1 : i;
      if (plan_.recodes[index].codec != plan_.recodes[likely].codec) continue;
      std::optional<Remake> remake = TryRecode(plan_.recodes[index], plain, coded);
      if (!remake) continue;
      item.recode = static_cast<uint8_t>(index);
      item.fixes = std::move(remake->fixes);
      return;
    }
    item.remake = false;
  }

  // Blocks that are not made again, and between blocks what the base's own gaps do not resemble.
  std::vector<PackedStretch> StretchesThatStayPacked() const {
    std::vector<PackedStretch> stretches;
    uint64_t at = 0;
    size_t next = 0;
    const auto add = [&](uint64_t end) {
      if (end > at) stretches.push_back({at, end - at});
      at = std::max(at, end);
    };
    const auto add_gap = [&](uint64_t end) {
      for (; next < alignments_.size() && alignments_[next].target < Address::Raw(end); ++next) {
        add(alignments_[next].target.offset());
        at = std::max(at, (alignments_[next].target + alignments_[next].length).offset());
      }
      add(end);
    };
    for (uint32_t i = 0; i < changed_.size(); ++i) {
      const CodedBlock& block = target_.blocks()[i];
      const uint64_t end = block.offset + block.coded_bytes;
      add_gap(block.offset);
      if (changed_[i] && !planned_[i].remake) add(end);
      at = std::max(at, end);
    }
    add_gap(target_.image().size());
    return stretches;
  }

  Status AlignWhatStaysPacked() {
    const std::vector<PackedStretch> stretches = StretchesThatStayPacked();
    uint64_t bytes = 0;
    for (const PackedStretch& stretch : stretches) bytes += stretch.length;
    if (bytes < kWorthAligningBytes) return Ok();
    std::vector<Alignment> found = TILL_TRY(AlignPacked(base_.image(), target_.image(), stretches, options_));
    DropAlignmentsNotWorthAnOp(base_, target_, options_, found);
    alignments_.insert(alignments_.end(), found.begin(), found.end());
    std::stable_sort(alignments_.begin(), alignments_.end(),
                     [](const Alignment& a, const Alignment& b) { return a.target < b.target; });
    return Ok();
  }

  void AssembleItems() {
    uint64_t at = 0;
    OpList raw(base_, options_.min_copy_bytes);
    const auto add_gap = [&](uint64_t end) {
      raw.AddRange(target_.image().subspan(at, end - at), Address::Raw(at), alignments_);
      at = end;
    };
    uint64_t raw_begin = 0;
    const auto close_raw = [&](uint64_t end) {
      PlanItem item;
      item.target_offset = raw_begin;
      item.target_bytes = end - raw_begin;
      item.ops = raw.Take();
      if (!item.ops.empty()) plan_.items.push_back(std::move(item));
    };
    for (uint32_t i = 0; i < changed_.size(); ++i) {
      const CodedBlock& block = target_.blocks()[i];
      add_gap(block.offset);
      at = block.offset + block.coded_bytes;
      if (planned_[i].remake) {
        close_raw(block.offset);
        raw_begin = at;
        ++plan_.counts.remade_blocks;
        plan_.counts.remade_plain_bytes += planned_[i].plain_bytes;
        plan_.items.push_back(std::move(planned_[i]));
      } else if (copy_from_[i] != kNoCopy) {
        raw.AddCopy(block.coded_bytes, Address::Raw(copy_from_[i]));
      } else {
        raw.AddRange(target_.Coded(i), Address::Raw(block.offset), alignments_);
        ++plan_.counts.raw_blocks;
      }
    }
    add_gap(target_.image().size());
    close_raw(at);
  }

  ExpandedImage& base_;
  ExpandedImage& target_;
  const DiffOptions& options_;
  const Profile& profile_;
  ZstdEncoder estimator_{kEstimateLevel};
  std::vector<uint64_t> copy_from_;  // by target block: where the base has the same coded bytes, or kNoCopy
  std::vector<bool> changed_;
  std::vector<uint8_t> recode_of_;
  std::vector<Alignment> alignments_;
  std::vector<PlanItem> planned_;  // by target block
  Plan plan_;
};

}  // namespace

Result<Plan> MakePlan(const PlanInput& input) { return Planner(input).Run(); }

}  // namespace till::delta
