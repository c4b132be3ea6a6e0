// A file of lines that programs write for people to keep, and that does not fill the disk: past its bound it becomes
// PATH.1, what was there PATH.2 and so on, the oldest goes, and a new one begins. Each line leaves in one write(2). Any
// thread.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "core/file.h"

namespace till {

class LogFile {
 public:
  struct Bounds {
    uint64_t max_bytes =
        uint64_t{64} << 20;  // of one file; 0: it grows until somebody moves it away and calls Reopen()
    unsigned older = 1;      // files kept beside the one that is written
  };
  // Appends to an existing file. A path that is no regular file (a pipe, /dev/stdout) is written on and never renamed.
  static Result<LogFile> Open(std::string path, Bounds bounds);
  static Result<LogFile> Open(std::string path) { return Open(std::move(path), Bounds()); }
  LogFile(LogFile&& other) noexcept
      : path_(std::move(other.path_)),
        bounds_(other.bounds_),
        is_file_(other.is_file_),
        bytes_(other.bytes_),
        file_(std::move(other.file_)) {}

  // `line` with its newline. When a new file cannot be begun, the old one goes on.
  Status Write(std::string_view line);
  // Begins what stands at the path now; the old file goes on when that cannot be.
  Status Reopen();

 private:
  LogFile(std::string path, Bounds bounds) : path_(std::move(path)), bounds_(bounds) {}
  Status Begin();
  void Rotate();

  std::string path_;
  Bounds bounds_;
  std::mutex mutex_;
  bool is_file_ = false;
  uint64_t bytes_ = 0;
  UniqueFd file_;
};

}  // namespace till
