#include "delta/diff/word_phases.h"

namespace till::delta {

WordPhases::WordPhases(const std::vector<ContainedFile>& files) {
  for (const ContainedFile& file : files) {
    uint64_t in_file = 0;
    for (const Extent& extent : file.extents) {
      const Address at = extent.kind == Extent::Kind::kBlock ? Address::InBlock(extent.block, extent.offset)
                                                             : Address::Raw(extent.offset);
      if (extent.kind != Extent::Kind::kHole) phase_at_.try_emplace(at, static_cast<uint8_t>(in_file & 3));
      in_file += extent.length;
    }
  }
}

uint8_t WordPhases::Of(Address at) const {
  const auto behind = phase_at_.upper_bound(at);
  if (behind == phase_at_.begin()) return static_cast<uint8_t>(at.offset() & 3);
  const auto& [begin, phase] = *std::prev(behind);
  if (begin.in_block() != at.in_block() || (at.in_block() && begin.block() != at.block())) {
    return static_cast<uint8_t>(at.offset() & 3);
  }
  return static_cast<uint8_t>((at.value - begin.value + phase) & 3);
}

}  // namespace till::delta
