#include "delta/mips/map.h"

namespace till::delta {
namespace {

uint32_t LoadU32(ByteView bytes, size_t index) {
  const std::byte* const at = bytes.data() + 4 * index;
  return static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 | static_cast<uint32_t>(at[2]) << 16 |
         static_cast<uint32_t>(at[3]) << 24;
}

}  // namespace

Result<MipsMap> MipsMap::Parse(ByteView plain) {
  MipsMap map;
  ByteReader in(plain);
  while (!in.at_end()) {
    if (map.count_ == kMaxRegions) return Error{ErrorCode::kLimit, "regions in the map", kMaxRegions};
    Region& region = map.regions_[map.count_++];
    region.load_address = TILL_TRY(in.U32());
    region.size = TILL_TRY(in.U32());
    const uint64_t entries = TILL_TRY(in.U32());
    if (TILL_TRY(in.U32()) != 0) return Error{ErrorCode::kCorrupt, "a map region's last field", in.offset()};
    if (region.size == 0 || region.size > UINT32_MAX - region.load_address) {
      return Error{ErrorCode::kCorrupt, "a map region's size", in.offset()};
    }
    region.starts = TILL_TRY(in.Take(entries * 4));
    region.shifts = TILL_TRY(in.Take(entries * 4));
    for (size_t i = 0; i < entries; ++i) {
      const uint32_t start = LoadU32(region.starts, i);
      if (start >= region.size || (i > 0 && start <= LoadU32(region.starts, i - 1))) {
        return Error{ErrorCode::kCorrupt, "a map entry out of order", in.offset()};
      }
    }
  }
  return map;
}

uint32_t MipsMap::Translate(size_t region, uint32_t offset) const {
  const Region& r = regions_[region];
  size_t low = 0;
  size_t high = r.starts.size() / 4;  // first entry that starts behind `offset`
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (LoadU32(r.starts, middle) <= offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == 0 ? offset : offset + LoadU32(r.shifts, low - 1);
}

}  // namespace till::delta
