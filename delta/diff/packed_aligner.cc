#include "delta/diff/packed_aligner.h"

#include <algorithm>

#include "delta/diff/matcher.h"

namespace till::delta {
namespace {

constexpr uint64_t kWholeBytes = 64 << 20;  // up to here the base is searched whole
constexpr uint64_t kPartBytes = 16 << 20;   // beyond, for each part of the target what stands around it in the base

// What of the stretches lies in [begin, end) of the target.
Content PartOf(ByteView target, const std::vector<PackedStretch>& stretches, uint64_t begin, uint64_t end) {
  Content content;
  for (const PackedStretch& stretch : stretches) {
    const uint64_t from = std::max(stretch.offset, begin);
    const uint64_t to = std::min(stretch.offset + stretch.length, end);
    if (from < to) content.Append(target.subspan(from, to - from), Address::Raw(from));
  }
  return content;
}

// Cuts a match at the ends of the target's stretches.
void Append(uint64_t base_at, const Content& target, Match match, std::vector<Alignment>& out) {
  while (match.length > 0) {
    const Stretch& to = target.StretchAt(match.target_offset);
    const uint64_t part = std::min(match.length, to.end() - match.target_offset);
    out.push_back({to.address + (match.target_offset - to.begin), Address::Raw(base_at + match.base_offset), part});
    match.base_offset += part;
    match.target_offset += part;
    match.length -= part;
  }
}

}  // namespace

Result<std::vector<Alignment>> AlignPacked(ByteView base, ByteView target, const std::vector<PackedStretch>& stretches,
                                           const DiffOptions& options) {
  std::vector<Alignment> found;
  const bool whole = base.size() <= kWholeBytes;
  const uint64_t part_bytes = whole ? target.size() : kPartBytes;
  for (uint64_t at = 0; at < target.size(); at += part_bytes) {
    const Content content = PartOf(target, stretches, at, at + part_bytes);
    if (content.size() == 0) continue;
    const uint64_t begin = whole || at < kPartBytes ? 0 : std::min<uint64_t>(at - kPartBytes, base.size());
    const ByteView from = base.subspan(begin, whole ? base.size() : std::min(base.size() - begin, 3 * kPartBytes));
    for (const Match& match : TILL_TRY(FindMatches(from, content.bytes(), options))) {
      Append(begin, content, match, found);
    }
  }
  return found;
}

}  // namespace till::delta
