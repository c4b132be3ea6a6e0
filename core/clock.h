// Time, injected: nothing in the product reads a clock but through this.
#pragma once

#include <cstdint>
#include <string>

namespace till {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t UnixMs() const = 0;       // wall clock; may jump, may be 1970 on a terminal
  virtual int64_t MonotonicMs() const = 0;  // never goes back; for deadlines
  virtual void SleepMs(int64_t ms) = 0;
};

// The process's real clock. Any thread.
Clock& SystemClock();

// Seconds since 1970 as RFC 3339 in UTC, "2026-11-22T20:15:00Z" (the form TUF asks for), and back;
// 1970 to 9999, held to these by FormatUtc. ParseUtc answers -1 for any other form.
std::string FormatUtc(int64_t unix_seconds);
int64_t ParseUtc(const std::string& text);

}  // namespace till
