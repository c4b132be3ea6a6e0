#include "delta/diff/locality.h"

#include <algorithm>
#include <map>

#include "delta/diff/op_list.h"
#include "delta/diff/profile.h"

namespace till::delta {

bool OpenedBlocks::Keeps(uint32_t block) const {
  const size_t oldest = held_.size() == capacity_ ? 1 : 0;
  return std::find(held_.begin() + static_cast<ptrdiff_t>(oldest), held_.end(), block) != held_.end();
}

bool OpenedBlocks::Use(uint32_t block) {
  const auto held = std::find(held_.begin(), held_.end(), block);
  const bool opens = held == held_.end();
  if (!opens) {
    held_.erase(held);
  } else if (held_.size() >= capacity_) {
    held_.erase(held_.begin());
  }
  held_.push_back(block);
  return opens;
}

std::set<uint32_t> ChooseSources(const ExpandedImage& base, const ExpandedImage& target,
                                 const std::vector<Alignment>& alignments, const OpenedBlocks& opened, size_t most) {
  std::map<uint32_t, uint64_t> equal_bytes;
  for (const Alignment& a : alignments) {
    if (!a.base.in_block()) continue;
    const ByteView from = BytesAt(base, a.base, a.length);
    const ByteView to = BytesAt(target, a.target, a.length);
    uint64_t equal = 0;
    for (size_t i = 0; i < from.size(); ++i) equal += from[i] == to[i] ? 1 : 0;
    equal_bytes[a.base.block()] += equal;
  }
  std::vector<std::pair<uint64_t, uint32_t>> ranked;
  ranked.reserve(equal_bytes.size());
  for (const auto& [block, equal] : equal_bytes) ranked.emplace_back(equal, block);
  std::sort(ranked.begin(), ranked.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  std::set<uint32_t> chosen;
  for (const auto& [equal, block] : ranked) {
    if (chosen.size() == most) break;
    if (chosen.empty() || equal >= kWorthOpeningBytes || opened.Keeps(block)) chosen.insert(block);
  }
  return chosen;
}

void CountDecodes(const ExpandedImage& base, Plan& plan) {
  OpenedBlocks opened(plan.cache_blocks);
  plan.counts.base_decodes = 0;
  plan.counts.base_decoded_bytes = 0;
  plan.counts.stream_plain_bytes = 0;
  plan.counts.literal_plain_bytes = 0;
  plan.counts.block_instructions = 0;
  for (const PlanItem& item : plan.items) {
    if (item.remake) plan.counts.block_instructions += EncodeInstructions(plan.recodes[item.recode], item.plain_bytes);
    for (const PlannedOp& op : item.ops) {
      if (op.kind != PlannedOp::Kind::kCopy) plan.counts.stream_plain_bytes += op.length;
      if (op.kind == PlannedOp::Kind::kData) plan.counts.literal_plain_bytes += op.length;
      if (op.kind == PlannedOp::Kind::kData || !op.base.in_block() || !opened.Use(op.base.block())) continue;
      ++plan.counts.base_decodes;
      const uint32_t plain_bytes = base.blocks()[op.base.block()].plain_bytes;
      plan.counts.base_decoded_bytes += plain_bytes;
      plan.counts.block_instructions +=
          DecodeInstructions(plan.recodes[plan.base_recode[op.base.block()]], plain_bytes);
    }
  }
}

}  // namespace till::delta
