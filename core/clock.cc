#include "core/clock.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <string_view>

namespace till {
namespace {

// glibc's 32-bit mipsel only with -D_TIME_BITS=64 (cmake/mipsel.cmake), musl always.
static_assert(sizeof(time_t) == 8, "a terminal must live beyond 2038");

int64_t NowMs(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

class RealClock : public Clock {
 public:
  int64_t UnixMs() const override { return NowMs(CLOCK_REALTIME); }
  int64_t MonotonicMs() const override { return NowMs(CLOCK_MONOTONIC); }
  void SleepMs(int64_t ms) override {
    if (ms <= 0) return;
    timespec left{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
  }
};

}  // namespace

Clock& SystemClock() {
  static RealClock clock;
  return clock;
}

namespace {

// Days since 1970-01-01 of a date in the proleptic Gregorian calendar, and back. Done by hand: timegm() is in no
// standard. After H. Hinnant, "chrono-compatible low-level date algorithms":
// years begin in March, so that the leap day is the last of its year; an era is 400 years = 146097 days.
int64_t DaysOf(int64_t year, int64_t month, int64_t day) {
  if (month <= 2) --year;
  const int64_t era = year / 400;
  const int64_t year_of_era = year % 400;
  const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

struct Date {
  int64_t year, month, day;
};

Date DateOf(int64_t days) {
  days += 719468;
  const int64_t era = days / 146097;
  const int64_t day_of_era = days % 146097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return {year, month, day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

constexpr int64_t kSecondsOfDay = 86400;
constexpr int64_t kLastSecond = 253402300799;  // 9999-12-31T23:59:59Z: years have four digits

}  // namespace

std::string FormatUtc(int64_t unix_seconds) {
  const int64_t seconds = std::clamp<int64_t>(unix_seconds, 0, kLastSecond);
  const Date date = DateOf(seconds / kSecondsOfDay);
  const int64_t in_day = seconds % kSecondsOfDay;
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", static_cast<int>(date.year),
                static_cast<int>(date.month), static_cast<int>(date.day), static_cast<int>(in_day / 3600),
                static_cast<int>(in_day / 60 % 60), static_cast<int>(in_day % 60));
  return text;
}

int64_t ParseUtc(const std::string& text) {
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:ddZ";
  if (text.size() != kForm.size()) return -1;
  int64_t fields[6] = {};
  size_t field = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == 'd' ? !is_digit : text[i] != kForm[i]) return -1;
    if (is_digit) {
      fields[field] = fields[field] * 10 + (text[i] - '0');
    } else {
      ++field;
    }
  }
  const auto [year, month, day, hour, minute, second] = fields;
  if (year < 1970 || month < 1 || month > 12) return -1;
  const int64_t seconds = DaysOf(year, month, day) * kSecondsOfDay + hour * 3600 + minute * 60 + second;
  return FormatUtc(seconds) == text ? seconds : -1;  // refuses the 31st of April and the 25th hour
}

}  // namespace till
