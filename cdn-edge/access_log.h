// The access log: one JSON line per answered range of an object (docs/wires.md), each leaving in one write(2).
//   A line that cannot be written is dropped and complained about once: answering goes before logging.
//   A log that reaches its bound becomes FILE.1, and so on to FILE.4, which goes (core/log_file.h). Any thread.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "core/clock.h"
#include "core/log_file.h"

namespace till::edge {

struct AccessLine {
  std::string peer;
  std::string agent;
  std::string method;
  std::string path;
  std::string object;  // SHA-256 in hex; "" when the name was no name
  int status = 0;
  uint64_t first = 0;  // offset of the first byte
  uint64_t asked = 0;
  uint64_t sent = 0;  // body bytes handed to the kernel
  bool complete = false;
  std::string cache;  // "hit", "miss", "partial", "none"
};

class AccessLog {
 public:
  // "" = no log. `max_bytes` 0: it grows until somebody moves it away and calls Reopen().
  static Result<std::unique_ptr<AccessLog>> Open(const std::string& path, uint64_t max_bytes, Clock& clock);
  void Write(const AccessLine& line);
  void Reopen();

 private:
  AccessLog(std::string path, std::optional<LogFile> file, Clock& clock)
      : path_(std::move(path)), file_(std::move(file)), clock_(clock) {}
  void TellOnce(const Error& error);

  const std::string path_;
  std::optional<LogFile> file_;
  Clock& clock_;
  std::atomic<bool> told_{false};
};

}  // namespace till::edge
