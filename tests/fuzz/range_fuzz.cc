// Ranges that are accepted lie inside the object, ascending and disjoint, 1 to 4 of them; the strict way never accepts
// what the plain way does not.
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "core/http/message.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckSelection(const till::http::RangeSelection& selection, uint64_t size) {
  if (selection.verdict != till::http::RangeVerdict::kPartial) return Require(selection.ranges.empty());
  Require(!selection.ranges.empty() && selection.ranges.size() <= 4);
  uint64_t free_from = 0;
  for (const till::http::ByteRange& range : selection.ranges) {
    Require(range.length > 0 && range.first < size && range.length <= size - range.first);
    Require(range.first >= free_from);
    free_from = range.first + range.length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint64_t object_size = 0;
  if (size < sizeof(object_size)) return 0;
  std::memcpy(&object_size, data, sizeof(object_size));
  if (data[0] % 2 == 0) object_size %= 1000;
  const std::string_view header(reinterpret_cast<const char*>(data) + sizeof(object_size), size - sizeof(object_size));
  using till::http::RangeVerdict;
  const auto plain = till::http::SelectRange(header, object_size);
  const auto strict = till::http::SelectRange(header, object_size, true);
  CheckSelection(plain, object_size);
  CheckSelection(strict, object_size);
  if (strict.verdict == RangeVerdict::kPartial) {
    Require(plain.verdict == RangeVerdict::kPartial && plain.ranges.size() == strict.ranges.size());
  }
  return 0;
}
