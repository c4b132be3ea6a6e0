// A clock in the test's hand for one thread: the terminal has no 64-bit atomics of its own (TestClock is for more).
#pragma once

#include "core/clock.h"

namespace till {

class HandClock final : public Clock {
 public:
  int64_t UnixMs() const override { return 1'800'000'000'000 + now_ms; }
  int64_t MonotonicMs() const override { return now_ms; }
  void SleepMs(int64_t ms) override { now_ms += ms; }
  int64_t now_ms = 5'000;
};

}  // namespace till
