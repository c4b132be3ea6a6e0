// A program that the demo started: ended by its pid when its owner goes, never by name.
//   Output goes to files in the demo's folder. A child also ends when the thread that started it dies (PDEATHSIG), so
//   that an interrupted demo leaves nothing behind.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"

namespace till::cli::demo {

struct Command {
  std::vector<std::string> argv;                   // argv[0] is a path
  std::map<std::string, std::string> environment;  // added to ours
  std::string stdout_file;                         // "" = /dev/null
  std::string stderr_file;                         // appended; "" = /dev/null
};

class Process {
 public:
  static Result<Process> Start(const Command& command);
  Process(Process&& other) noexcept : pid_(other.pid_), exit_status_(other.exit_status_) { other.pid_ = -1; }
  Process& operator=(Process&& other) noexcept;
  ~Process();  // SIGTERM, three seconds, SIGKILL

  pid_t pid() const { return pid_; }
  // The wait status once it has ended: exit code, or 128 + signal.
  std::optional<int> Poll();
  int Wait();
  void Signal(int signal);

 private:
  explicit Process(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
  std::optional<int> exit_status_;
};

// Runs to the end. kIo when it cannot start; kInvalid (detail: exit code) when it fails.
Status RunToEnd(const Command& command);

// Waits for the one line {"event":"ready",…,"url":…} that our servers print on stdout; answers its url.
Result<std::string> AwaitReadyUrl(Process& process, const std::string& stdout_file, int64_t timeout_ms);

}  // namespace till::cli::demo
