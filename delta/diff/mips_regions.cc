#include "delta/diff/mips_regions.h"

#include <algorithm>

namespace till::delta {
namespace {

constexpr uint64_t kMinRegionBytes = 256 << 10;
constexpr uint64_t kMaxRegionBytes = 64 << 20;

Address PlaceOfExtent(const Extent& extent) {
  return extent.kind == Extent::Kind::kBlock ? Address::InBlock(extent.block, extent.offset)
                                             : Address::Raw(extent.offset);
}

// The bytes of an extent; nothing when its block was never decoded.
ByteView BytesOf(const ExpandedImage& image, const Extent& extent) {
  const ByteView from = extent.kind == Extent::Kind::kBlock ? image.DecodedPlain(extent.block) : image.image();
  if (extent.offset > from.size() || extent.length > from.size() - extent.offset) return {};
  return from.subspan(extent.offset, extent.length);
}

// A file put together. Undecoded blocks are zeros if `partly`, else they make the whole file nothing.
Bytes Gather(const ExpandedImage& image, const ContainedFile& file, bool partly) {
  Bytes bytes;
  for (const Extent& extent : file.extents) {
    const ByteView part = BytesOf(image, extent);
    if (part.size() != extent.length && !partly) return {};
    bytes.insert(bytes.end(), part.begin(), part.end());
    bytes.resize(bytes.size() + extent.length - part.size());
  }
  return bytes;
}

std::vector<ContainedFile> CandidatesOf(const ExpandedImage& image) {
  std::vector<ContainedFile> files;
  const auto fits = [](uint64_t size) { return size >= kMinRegionBytes && size <= kMaxRegionBytes; };
  for (const ContainedFile& file : image.files()) {
    if (fits(file.size)) files.push_back(file);
  }
  if (files.empty() && fits(image.image().size())) {
    ContainedFile whole;
    whole.size = image.image().size();
    whole.extents.push_back({Extent::Kind::kRaw, 0, 0, whole.size});
    files.push_back(std::move(whole));
  }
  return files;
}

using Places = std::map<Address, std::pair<uint64_t, uint64_t>>;  // first byte: offset in the region, length

class Stretches {
 public:
  Stretches(Places old_at, Places new_at) : old_at_(std::move(old_at)), new_at_(std::move(new_at)) {}

  std::vector<MovedStretch> From(const Plan& plan) {
    for (const PlanItem& item : plan.items) {
      Address made = item.remake ? Address::InBlock(item.block, 0) : Address::Raw(item.target_offset);
      for (const PlannedOp& op : item.ops) {
        if (op.kind != PlannedOp::Kind::kData) Add(op, made);
        made = made + op.length;
      }
    }
    return std::move(stretches_);
  }

 private:
  static std::optional<uint64_t> OffsetOf(const Places& places, Address at, uint64_t length) {
    const auto behind = places.upper_bound(at);
    if (behind == places.begin()) return std::nullopt;
    const auto& [begin, place] = *std::prev(behind);
    const uint64_t into = at.value - begin.value;
    if (into > place.second || length > place.second - into) return std::nullopt;
    return place.first + into;
  }

  void Add(const PlannedOp& op, Address made) {
    const auto old_offset = OffsetOf(old_at_, op.base, op.length);
    const auto new_offset = OffsetOf(new_at_, made, op.length);
    if (!old_offset || !new_offset) return;
    if (!stretches_.empty()) {
      MovedStretch& last = stretches_.back();
      if (last.old_offset + last.length == *old_offset && last.new_offset + last.length == *new_offset) {
        last.length += op.length;
        return;
      }
    }
    stretches_.push_back({*old_offset, *new_offset, op.length});
  }

  Places old_at_;
  Places new_at_;
  std::vector<MovedStretch> stretches_;
};

Places PlacesOf(const ContainedFile& file) {
  Places places;
  uint64_t offset = 0;
  for (const Extent& extent : file.extents) {
    if (extent.kind != Extent::Kind::kHole) places.try_emplace(PlaceOfExtent(extent), offset, extent.length);
    offset += extent.length;
  }
  return places;
}

}  // namespace

MipsRegions MipsRegions::Find(const ExpandedImage& base, const ExpandedImage& target, const Plan& plan) {
  MipsRegions found;
  size_t regions = 0;
  const std::vector<ContainedFile> new_files = CandidatesOf(target);
  for (const ContainedFile& file : CandidatesOf(base)) {
    const auto is_next = [&](const ContainedFile& other) { return other.path == file.path; };
    const auto next = std::find_if(new_files.begin(), new_files.end(), is_next);
    if (next == new_files.end() || regions == MipsMap::kMaxRegions) continue;
    const Bytes before = Gather(base, file, false);
    const uint32_t load_address = before.empty() ? 0 : GuessLoadAddress(before);
    if (load_address == 0) continue;
    const Bytes after = Gather(target, *next, true);
    const MipsRegion region{before, after, load_address, Stretches(PlacesOf(file), PlacesOf(*next)).From(plan)};
    const MipsMapResult result = BuildMipsMap(region);
    if (result.plain.empty() || found.map_plain_.size() + result.plain.size() > kMaxMapPlainBytes) continue;
    found.map_plain_.insert(found.map_plain_.end(), result.plain.begin(), result.plain.end());
    for (const auto& [at, place] : PlacesOf(file))
      found.parts_.try_emplace(at, Part{regions, place.first, place.second});
    ++regions;
  }
  return found;
}

std::optional<MipsRegions::Place> MipsRegions::PlaceOf(Address at, uint64_t length) const {
  const auto behind = parts_.upper_bound(at);
  if (behind == parts_.begin()) return std::nullopt;
  const auto& [begin, part] = *std::prev(behind);
  const uint64_t into = at.value - begin.value;
  if (into > part.length || length > part.length - into) return std::nullopt;
  return Place{part.region, part.offset + into};
}

}  // namespace till::delta
