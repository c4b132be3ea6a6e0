// A clock in the test's hand: it stands still until somebody sleeps or sets it. Any thread.
#pragma once

#include <atomic>

#include "core/clock.h"

namespace till {

class TestClock : public Clock {
 public:
  int64_t UnixMs() const override { return unix_ms; }
  int64_t MonotonicMs() const override { return monotonic_ms; }
  void SleepMs(int64_t ms) override { monotonic_ms += ms; }
  std::atomic<int64_t> unix_ms{1'767'225'600'000};  // 2026-01-01T00:00:00Z
  std::atomic<int64_t> monotonic_ms{1'000};
};

}  // namespace till
