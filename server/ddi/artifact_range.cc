#include "server/ddi/artifact_range.h"

#include <array>
#include <cstdio>
#include <ctime>

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

}  // namespace

ArtifactAsk ReadArtifactAsk(const http::Request& request, const std::string& sha1, const std::string& last_modified) {
  ArtifactAsk ask;
  ask.request = request;
  if (request.has_header("If-Match")) ask.precondition_holds = MatchesAny(request.header("If-Match"), sha1);
  for (const char* name : {"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}) {
    Drop(ask.request, name);
  }
  if (request.has_header("If-Range")) {
    const std::string_view known = Trim(request.header("If-Range"));
    const bool same = Unquoted(known) == sha1 || known == last_modified;
    Drop(ask.request, "If-Range");
    if (!same) Drop(ask.request, "Range");
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
