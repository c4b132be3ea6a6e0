#include "delta/diff/op_list.h"

#include <algorithm>

namespace till::delta {

ByteView BytesAt(const ExpandedImage& image, Address at, uint64_t length) {
  return (at.in_block() ? image.DecodedPlain(at.block()) : image.image()).subspan(at.offset(), length);
}

void OpList::AddAligned(ByteView made, Address base) {
  const ByteView from = BytesAt(base_, base, made.size());
  const auto equal_run = [&](uint64_t at) {
    const auto begin = made.begin() + static_cast<ptrdiff_t>(at);
    return static_cast<uint64_t>(std::mismatch(begin, made.end(), from.begin() + static_cast<ptrdiff_t>(at)).first -
                                 begin);
  };
  uint64_t begin = 0;  // of the DIFF that is growing
  for (uint64_t at = 0; at < made.size();) {
    const uint64_t equal = equal_run(at);
    if (equal >= min_copy_bytes_ || equal == made.size()) {
      Add({PlannedOp::Kind::kDiff, at - begin, base + begin});
      Add({PlannedOp::Kind::kCopy, equal, base + at});
      begin = at + equal;
    }
    at += equal > 0 ? equal : 1;
  }
  Add({PlannedOp::Kind::kDiff, made.size() - begin, base + begin});
}

void OpList::AddRange(ByteView made, Address at, const std::vector<Alignment>& alignments) {
  const Address end = at + made.size();
  auto next = std::upper_bound(alignments.begin(), alignments.end(), at,
                               [](Address value, const Alignment& a) { return value < a.target; });
  if (next != alignments.begin()) --next;
  uint64_t done = 0;
  for (; next != alignments.end() && next->target < end; ++next) {
    const Address begin = std::max(next->target, at);
    const Address stop = std::min(next->target + next->length, end);
    if (stop <= begin) continue;
    const uint64_t offset = begin.value - at.value;
    AddData(offset - done);
    const uint64_t length = stop.value - begin.value;
    AddAligned(made.subspan(offset, length), next->base + (begin.value - next->target.value));
    done = offset + length;
  }
  AddData(made.size() - done);
}

void OpList::Add(const PlannedOp& op) {
  if (op.length == 0) return;
  if (!ops_.empty() && ops_.back().kind == op.kind) {
    PlannedOp& last = ops_.back();
    if (op.kind == PlannedOp::Kind::kData || last.base + last.length == op.base) {
      last.length += op.length;
      return;
    }
  }
  ops_.push_back(op);
}

}  // namespace till::delta
