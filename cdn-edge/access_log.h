// The access log: one JSON line per answered range of an object (docs/wires.md), each leaving in one write(2).
//   A line that cannot be written is dropped and complained about once: answering goes before logging. Any thread.
#pragma once

#include <atomic>
#include <string>

#include "core/clock.h"
#include "core/file.h"

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
  // "" = no log.
  static Result<AccessLog> Open(const std::string& path, Clock& clock);
  AccessLog(AccessLog&& other) noexcept : file_(std::move(other.file_)), clock_(other.clock_) {}
  void Write(const AccessLine& line);

 private:
  AccessLog(UniqueFd file, Clock& clock) : file_(std::move(file)), clock_(clock) {}
  UniqueFd file_;
  Clock& clock_;
  std::atomic<bool> told_{false};
};

}  // namespace till::edge
