#include "device/zone.h"

#include <string>

#include "core/file.h"
#include "core/text.h"

namespace till::device {
namespace {

// POSIX.1-2017, 8.3: std offset [dst [offset] [,start[/time],end[/time]]]
class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : text_(text) {}

  bool IsRule() {
    if (!Name() || !Offset(kMostHours)) return false;
    if (text_.empty()) return true;
    if (!Name()) return false;
    if (!text_.empty() && text_[0] != ',' && !Offset(kMostHours)) return false;
    if (text_.empty()) return true;
    return Date() && Date() && text_.empty();
  }

 private:
  static constexpr unsigned kMostHours = 24;
  static constexpr unsigned kMostRuleHours = 167;  // of a change's time, as tzdata's newer files have it

  bool Take(char c) {
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool Number(unsigned least, unsigned most) {
    size_t digits = 0;
    unsigned value = 0;
    while (digits < text_.size() && digits < 4 && text_[digits] >= '0' && text_[digits] <= '9') {
      value = value * 10 + static_cast<unsigned>(text_[digits++] - '0');
    }
    text_.remove_prefix(digits);
    return digits > 0 && value >= least && value <= most;
  }
  // Three letters or more, or anything of letters, digits and signs in <>.
  bool Name() {
    const bool quoted = Take('<');
    size_t length = 0;
    const auto letter = [&](char c) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      return plain || (quoted && ((c >= '0' && c <= '9') || c == '+' || c == '-'));
    };
    while (length < text_.size() && letter(text_[length])) length++;
    text_.remove_prefix(length);
    return length >= 3 && (!quoted || Take('>'));
  }
  bool Offset(unsigned most_hours) {
    if (!Take('+')) Take('-');
    if (!Number(0, most_hours)) return false;
    for (int part = 0; part < 2 && Take(':'); part++) {
      if (!Number(0, 59)) return false;
    }
    return true;
  }
  // ",M3.5.0/2", ",J60", ",59"
  bool Date() {
    if (!Take(',')) return false;
    bool good = false;
    if (Take('M')) {
      good = Number(1, 12) && Take('.') && Number(1, 5) && Take('.') && Number(0, 6);
    } else {
      const bool julian = Take('J');
      good = Number(julian ? 1 : 0, 365);
    }
    return good && (!Take('/') || Offset(kMostRuleHours));
  }

  std::string_view text_;
};

bool IsZoneFile(const std::string& path) {
  const auto bytes = ReadTextFile(path, 64 << 10);
  return bytes.ok() && bytes->starts_with("TZif");
}

}  // namespace

Status CheckZone(std::string_view zone) {
  if (zone == "UTC" || zone == "UTC0" || RuleReader(zone).IsRule()) return Ok();
  const std::string name(zone.starts_with(':') ? zone.substr(1) : zone);
  if (!name.empty() && name.find("..") == std::string::npos) {
    if (name[0] == '/' && IsZoneFile(name)) return Ok();
    for (const char* folder : {"/usr/share/zoneinfo/", "/etc/zoneinfo/", "/share/zoneinfo/"}) {  // musl looks in all
      if (name[0] != '/' && IsZoneFile(folder + name)) return Ok();
    }
  }
  return Error{ErrorCode::kInvalid, "no zone file has this name, and it is no rule as CET-1CEST,M3.5.0,M10.5.0/3"};
}

}  // namespace till::device
