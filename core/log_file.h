// A file of lines that programs write for people to keep, and that does not fill the disk: past `max_bytes` it becomes
// PATH.1 (the one that was there is replaced) and a new one begins. Each line leaves in one write(2). Any thread.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "core/file.h"

namespace till {

class LogFile {
 public:
  static constexpr uint64_t kUsualBytes = uint64_t{64} << 20;
  // Appends to an existing file. A path that is no regular file (a pipe, /dev/stdout) is written on and never renamed.
  static Result<LogFile> Open(std::string path, uint64_t max_bytes = kUsualBytes);
  LogFile(LogFile&& other) noexcept
      : path_(std::move(other.path_)),
        max_bytes_(other.max_bytes_),
        bytes_(other.bytes_),
        file_(std::move(other.file_)) {}

  // `line` with its newline. When a new file cannot be begun, the old one goes on.
  Status Write(std::string_view line);

 private:
  LogFile(std::string path, uint64_t max_bytes) : path_(std::move(path)), max_bytes_(max_bytes) {}
  Status Begin();
  void Rotate();

  std::string path_;
  uint64_t max_bytes_;
  std::mutex mutex_;
  uint64_t bytes_ = 0;
  UniqueFd file_;
};

}  // namespace till
