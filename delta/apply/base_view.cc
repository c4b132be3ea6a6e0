#include "delta/apply/base_view.h"

#include <algorithm>

#include "delta/codec/recode.h"

namespace till::delta {

BaseView::BaseView(Source* base, const PayloadHeader& header, const ArenaViews& arena)
    : base_(base), header_(header), arena_(arena) {}

uint64_t BaseView::address_space() const {
  return segments_.empty() ? header_.base_size : segments_.back().address + segments_.back().plain_bytes;
}

Status BaseView::Read(uint64_t address, MutableByteView out) {
  if (address < header_.base_size) return ReadFully(*base_, address, out);
  // The last segment that begins at or before the address.
  auto next = std::ranges::upper_bound(segments_, address, {}, &Segment::address);
  while (!out.empty()) {
    assert(next != segments_.begin());
    const Segment& segment = *std::prev(next);
    const ByteView plain = TILL_TRY(Open(segment));
    const uint64_t at = address - segment.address;
    const size_t count = std::min<uint64_t>(out.size(), plain.size() - at);
    std::ranges::copy(plain.subspan(at, count), out.begin());
    address += count;
    out = out.subspan(count);
    ++next;
  }
  return Ok();
}

MutableByteView BaseView::Bytes(size_t slot) const {
  return arena_.cache.subspan(slot * header_.block_plain_bytes_max, header_.block_plain_bytes_max);
}

Result<ByteView> BaseView::Open(const Segment& segment) {
  size_t oldest = 0;
  for (size_t i = 0; i < header_.cache_blocks; ++i) {
    Slot& slot = slots_[i];
    if (slot.coded_bytes == segment.coded_bytes && slot.offset == segment.offset && slot.recode == segment.recode &&
        slot.plain_bytes == segment.plain_bytes) {
      slot.used_at = ++clock_;
      return ByteView(Bytes(i).first(segment.plain_bytes));
    }
    if (slot.used_at < slots_[oldest].used_at) oldest = i;
  }
  TILL_TRY(Fill(segment, oldest));
  return ByteView(Bytes(oldest).first(segment.plain_bytes));
}

Status BaseView::Fill(const Segment& segment, size_t slot) {
  slots_[slot] = {};
  const MutableByteView coded = arena_.block_coded.first(segment.coded_bytes);
  TILL_TRY(ReadFully(*base_, segment.offset, coded));
  const Result<size_t> made =
      RecodeDecode(header_.recodes[segment.recode], coded, Bytes(slot).first(segment.plain_bytes), arena_.recode);
  if (!made.ok() || *made != segment.plain_bytes) {
    return Error{ErrorCode::kCorrupt, "a segment of the base does not open as the payload says", segment.offset};
  }
  slots_[slot] = {segment.offset, segment.coded_bytes, segment.plain_bytes, segment.recode, ++clock_};
  ++opened_;
  return Ok();
}

}  // namespace till::delta
