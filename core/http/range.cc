#include <algorithm>

#include "core/http/message.h"
#include "core/text.h"

namespace till::http {
namespace {

constexpr size_t kMaxRanges = 4;       // after coalescing
constexpr size_t kMaxSpecifiers = 64;  // before: nobody honest sends more, and sorting them costs

bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Numbers past 2^64 are well-formed, and past every object's end.
uint64_t Saturated(std::string_view digits) {
  const Result<uint64_t> value = ParseUint(digits);
  return value.ok() ? *value : UINT64_MAX;
}

enum class Spec : uint8_t { kRange, kMisses, kMalformed };

// "5-9", "5-", "-9" against an object of `size` > 0 bytes.
Spec ParseSpecifier(std::string_view text, uint64_t size, ByteRange& range) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return Spec::kMalformed;
  const std::string_view first_text = text.substr(0, dash);
  const std::string_view last_text = text.substr(dash + 1);
  if ((!first_text.empty() && !AllDigits(first_text)) || (!last_text.empty() && !AllDigits(last_text)) ||
      (first_text.empty() && last_text.empty())) {
    return Spec::kMalformed;
  }
  if (first_text.empty()) {
    range.length = std::min(Saturated(last_text), size);
    range.first = size - range.length;
    return range.length == 0 ? Spec::kMisses : Spec::kRange;
  }
  const uint64_t first = Saturated(first_text);
  uint64_t last = last_text.empty() ? UINT64_MAX : Saturated(last_text);
  if (last < first) return Spec::kMalformed;
  if (first >= size) return Spec::kMisses;
  last = std::min(last, size - 1);
  range = {first, last - first + 1};
  return Spec::kRange;
}

// Sorts, and melts those that overlap or touch. Answers whether any overlapped.
bool Coalesce(std::vector<ByteRange>& ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const ByteRange& a, const ByteRange& b) { return a.first < b.first; });
  bool overlap = false;
  size_t kept = 0;
  for (size_t i = 1; i < ranges.size(); ++i) {
    ByteRange& before = ranges[kept];
    const uint64_t before_end = before.first + before.length;
    if (ranges[i].first > before_end) {
      ranges[++kept] = ranges[i];
      continue;
    }
    overlap = overlap || ranges[i].first < before_end;
    before.length = std::max(before_end, ranges[i].first + ranges[i].length) - before.first;
  }
  ranges.resize(std::min(ranges.size(), kept + 1));
  return overlap;
}

}  // namespace

RangeSelection SelectRange(std::string_view range_header, uint64_t size, bool strict_syntax) {
  RangeSelection whole;
  RangeSelection missed{RangeVerdict::kUnsatisfiable, {}};
  RangeSelection malformed = strict_syntax ? missed : whole;
  if (range_header.empty()) return whole;
  const size_t equals = range_header.find('=');
  if (equals == std::string_view::npos || !EqualsIgnoreCase(range_header.substr(0, equals), "bytes")) return malformed;
  const std::vector<std::string_view> specifiers = Split(range_header.substr(equals + 1), ',');
  if (specifiers.size() > kMaxSpecifiers) return malformed;

  std::vector<ByteRange> ranges;
  bool any = false;
  for (const std::string_view specifier : specifiers) {
    const std::string_view text = Trim(specifier);
    if (text.empty()) continue;  // RFC 9110, 5.6.1: empty elements of a list are to be ignored
    any = true;
    ByteRange range;
    const Spec spec = ParseSpecifier(text, size, range);
    if (spec == Spec::kMalformed) return malformed;
    if (spec == Spec::kRange) ranges.push_back(range);
    if (spec == Spec::kMisses && strict_syntax) return missed;
  }
  if (!any) return malformed;
  if (ranges.empty()) return missed;
  const bool overlap = Coalesce(ranges);
  if (overlap && strict_syntax) return missed;
  if (ranges.size() > kMaxRanges) return whole;
  return {RangeVerdict::kPartial, std::move(ranges)};
}

}  // namespace till::http
