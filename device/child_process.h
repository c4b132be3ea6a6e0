// Runs a program of the integrator's (a health check, a hook) with a deadline, in a process group of its own that is
// gone afterwards, grandchildren included.
//   Bounds: the last 4 KiB of its output are kept. Errors: `started` false. One thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"

namespace till::device {

using Variables = std::vector<std::pair<std::string, std::string>>;

// Leaves of this process' environment PATH and TZ, and adds `variables`. For a process that is about to become another.
void CleanEnvironment(const Variables& variables);

struct ChildCall {
  std::string path;
  std::vector<std::string> arguments{};
  Variables environment{};  // with PATH and TZ all that it sees of ours: no token, no setting
  int64_t deadline_ms = 60'000;
};

struct ChildEnd {
  bool started = false;
  bool on_time = false;
  int status = 0;  // of waitpid
  std::string output;

  bool good() const { return started && on_time && status == 0; }
  int exit_code() const;          // -1 when it did not exit by itself
  std::string last_line() const;  // the last one that says something, printable, 160 bytes at most
  // "exit 1: no receipt printer", "killed by signal 9", "not done after 5 s"
  std::string Describe(int64_t deadline_ms) const;
};

ChildEnd RunChild(const ChildCall& call, Clock& clock);

}  // namespace till::device
