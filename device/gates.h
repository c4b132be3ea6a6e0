// When an update may go on: maintenance windows in local time, the month's data budget, the merchant's word. Pure.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace till::device {

// "02:00-05:00", "mon-fri 22:00-04:00; sat,sun 20:00-08:00". A span that ends before it begins goes over midnight and
// belongs to the day it began on. At most 16 spans.
struct WindowSpan {
  uint8_t days = 0x7f;  // bit 0 = sunday
  uint16_t from_minute = 0, until_minute = 0;
};
Result<std::vector<WindowSpan>> ParseWindow(std::string_view text);
// True without spans.
bool InWindow(const std::vector<WindowSpan>& spans, const std::tm& local);

// What the month has left of a budget (0: no budget). `month` is 202611.
struct Budget {
  uint64_t bytes = 0;
  uint32_t month = 0;
  uint64_t used_bytes = 0;

  uint64_t left_bytes(uint32_t now_month) const {
    if (bytes == 0) return UINT64_MAX;
    // A clock that fell back does not open a month anew.
    const uint64_t used = now_month > month ? 0 : used_bytes;
    return used >= bytes ? 0 : bytes - used;
  }
};
uint32_t MonthOf(const std::tm& local);

// A merchant's "later" is never for longer: a clock that was set back must not turn hours into years.
inline constexpr int64_t kLongestLaterS = 30 * 86'400;

// The merchant's answer to "restart now?", as `tilld consent` or the consent hook leave it.
struct Consent {
  std::string action;
  bool yes = false;
  int64_t later_until_unix_s = 0;
};
std::string EncodeConsent(const Consent& consent);
Result<Consent> DecodeConsent(std::string_view text);

struct ConsentQuestion {
  std::string action;
  int64_t now_unix_s = 0;
  int64_t asked_unix_s = 0;  // 0: this is the first time
  int64_t patience_s = 0;    // after this the restart goes without an answer; 0: never
};
enum class ConsentVerdict : uint8_t { kYes, kLater, kAsk };
ConsentVerdict JudgeConsent(const Consent& answer, const ConsentQuestion& question);

}  // namespace till::device
