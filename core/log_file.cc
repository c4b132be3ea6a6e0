#include "core/log_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

namespace till {

Result<LogFile> LogFile::Open(std::string path, Bounds bounds) {
  LogFile log(std::move(path), bounds);
  TILL_TRY(log.Begin());
  return log;
}

Status LogFile::Begin() {
  UniqueFd file = TILL_TRY(OpenFile(path_, O_WRONLY | O_CREAT | O_APPEND, 0640));
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return SystemError("cannot look at the log file");
  is_file_ = S_ISREG(info.st_mode);
  bytes_ = is_file_ ? static_cast<uint64_t>(info.st_size) : 0;
  file_ = std::move(file);
  return Ok();
}

Status LogFile::Reopen() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return Begin();
}

void LogFile::Rotate() {
  bool renamed = false;
  for (unsigned i = bounds_.older; i > 0; --i) {
    const std::string younger = i == 1 ? path_ : path_ + "." + std::to_string(i - 1);
    renamed = rename(younger.c_str(), (path_ + "." + std::to_string(i)).c_str()) == 0;  // the last one counts: the file
  }
  // Otherwise a try for each line would follow; the next one comes after as many bytes again.
  if (!renamed || !Begin().ok()) bytes_ = 0;
}

Status LogFile::Write(std::string_view line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool full = is_file_ && bounds_.max_bytes != 0 && bytes_ + line.size() > bounds_.max_bytes;
  if (bytes_ > 0 && full) Rotate();
  TILL_TRY(WriteAll(file_.get(), AsBytes(line)));
  bytes_ += line.size();
  return Ok();
}

}  // namespace till
