// One JSON line per answered payload range, as docs/wires.md says, so that bytes can be added up across programs.
//   Any thread; rotated by size (core/log_file.h). No file = does nothing.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/clock.h"
#include "core/http/server.h"
#include "core/log_file.h"

namespace till::server {

class AccessLog {
 public:
  // `path` "" = none. Appends to an existing file.
  static Result<std::unique_ptr<AccessLog>> Open(const std::string& path, Clock& clock);

  struct Line {
    std::string peer, agent, method, path, object;
    int status = 200;
    uint64_t first = 0, asked = 0, sent = 0;
    bool complete = false;
  };
  void Write(const Line& line);

  // `next`, with a line written when it is done.
  std::unique_ptr<http::BodyStream> Watch(std::unique_ptr<http::BodyStream> next, Line line);

 private:
  AccessLog(std::optional<LogFile> file, Clock& clock) : file_(std::move(file)), clock_(clock) {}
  std::optional<LogFile> file_;
  Clock& clock_;
};

// The line of a request, for the object it asks for.
AccessLog::Line LineOf(const http::Request& request, std::string_view object);

}  // namespace till::server
