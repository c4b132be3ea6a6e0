#include "server/ddi/artifact_range.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <vector>

#include "core/text.h"

namespace till::server {
namespace {

std::string_view Unquoted(std::string_view tag) {
  tag = Trim(tag);
  if (tag.starts_with("W/")) tag.remove_prefix(2);
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') tag = tag.substr(1, tag.size() - 2);
  return tag;
}

bool MatchesAny(std::string_view list, std::string_view sha1) {
  for (const std::string_view tag : Split(list, ',')) {
    if (Trim(tag) == "*" || Unquoted(tag) == sha1) return true;
  }
  return false;
}

void Drop(http::Request& request, std::string_view name) {
  std::erase_if(request.headers, [&](const http::HeaderField& field) { return EqualsIgnoreCase(field.name, name); });
}

// One "a-b", "a-" or "-n" of a file of `size` bytes; nothing when it cannot be read or begins behind the end.
std::optional<http::ByteRange> OneRange(std::string_view text, uint64_t size) {
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view left = text.substr(0, dash), right = text.substr(dash + 1);
  if (left.empty()) {
    const auto count = ParseUint(right);
    if (!count.ok() || *count == 0 || size == 0) return std::nullopt;
    const uint64_t length = std::min(*count, size);
    return http::ByteRange{size - length, length};
  }
  const auto first = ParseUint(left);
  if (!first.ok() || *first >= size) return std::nullopt;
  if (right.empty()) return http::ByteRange{*first, size - *first};
  const auto last = ParseUint(right);
  if (!last.ok() || *last < *first) return std::nullopt;
  return http::ByteRange{*first, std::min(*last, size - 1) - *first + 1};
}

bool IsServableRange(std::string_view header, uint64_t size) {
  if (!header.starts_with("bytes=")) return false;
  std::vector<http::ByteRange> ranges;
  for (const std::string_view part : Split(header.substr(6), ',')) {
    const auto range = OneRange(part, size);
    if (!range) return false;
    ranges.push_back(*range);
  }
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].first + ranges[i - 1].length) return false;
  }
  return true;
}

}  // namespace

ArtifactAsk ReadArtifactAsk(const http::Request& request, const std::string& sha1, const std::string& last_modified,
                            uint64_t size) {
  ArtifactAsk ask;
  ask.request = request;
  if (request.has_header("If-Match") && !MatchesAny(request.header("If-Match"), sha1)) {
    ask.verdict = ArtifactAsk::Verdict::kPreconditionFailed;
    return ask;
  }
  for (const char* name : {"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}) {
    Drop(ask.request, name);
  }
  if (request.has_header("If-Range")) {
    const std::string_view known = Trim(request.header("If-Range"));
    const bool same = Unquoted(known) == sha1 || known == last_modified;
    Drop(ask.request, "If-Range");
    if (!same) Drop(ask.request, "Range");
  }
  if (ask.request.has_header("Range") && !IsServableRange(ask.request.header("Range"), size)) {
    ask.verdict = ArtifactAsk::Verdict::kUnsatisfiable;
  }
  return ask;
}

std::string HttpDate(int64_t unix_s) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const time_t when = unix_s;
  struct tm parts {};
  gmtime_r(&when, &parts);
  char text[64];
  snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[static_cast<size_t>(parts.tm_wday)],
           parts.tm_mday, kMonths[static_cast<size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
           parts.tm_sec);
  return text;
}

}  // namespace till::server
