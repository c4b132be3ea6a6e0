#include "delta/diff/content.h"

#include <algorithm>

namespace till::delta {

void Content::Append(ByteView bytes, Address address) {
  if (bytes.empty()) return;
  const bool follows = !stretches_.empty() && stretches_.back().address + stretches_.back().length == address;
  if (follows) {
    stretches_.back().length += bytes.size();
  } else {
    stretches_.push_back({bytes_.size(), bytes.size(), address});
  }
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

Content Content::OfFile(ExpandedImage& image, const ContainedFile& file) {
  Content content;
  for (const Extent& extent : file.extents) {
    if (extent.kind == Extent::Kind::kRaw) {
      content.Append(image.image().subspan(extent.offset, extent.length), Address::Raw(extent.offset));
    } else if (extent.kind == Extent::Kind::kBlock) {
      const ByteView plain = image.Plain(extent.block);
      if (extent.offset > plain.size() || extent.length > plain.size() - extent.offset) continue;
      content.Append(plain.subspan(extent.offset, extent.length), Address::InBlock(extent.block, extent.offset));
    }
  }
  return content;
}

const Stretch& Content::StretchAt(uint64_t at) const {
  const auto behind = std::upper_bound(stretches_.begin(), stretches_.end(), at,
                                       [](uint64_t value, const Stretch& s) { return value < s.begin; });
  return *(behind - 1);
}

void AppendAlignments(const Content& base, uint64_t base_at, const Content& target, uint64_t target_at, uint64_t length,
                      std::vector<Alignment>& out) {
  while (length > 0) {
    const Stretch& from = base.StretchAt(base_at);
    const Stretch& to = target.StretchAt(target_at);
    const uint64_t part = std::min({length, from.end() - base_at, to.end() - target_at});
    out.push_back({to.address + (target_at - to.begin), from.address + (base_at - from.begin), part});
    base_at += part;
    target_at += part;
    length -= part;
  }
}

}  // namespace till::delta
