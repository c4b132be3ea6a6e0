#include "core/log_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

namespace till {

Result<LogFile> LogFile::Open(std::string path, uint64_t max_bytes) {
  LogFile log(std::move(path), max_bytes);
  TILL_TRY(log.Begin());
  return log;
}

Status LogFile::Begin() {
  UniqueFd file = TILL_TRY(OpenFile(path_, O_WRONLY | O_CREAT | O_APPEND, 0640));
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return SystemError("cannot look at the log file");
  if (!S_ISREG(info.st_mode)) max_bytes_ = UINT64_MAX;
  bytes_ = S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0;
  file_ = std::move(file);
  return Ok();
}

void LogFile::Rotate() {
  const std::string older = path_ + ".1";
  const bool renamed = rename(path_.c_str(), older.c_str()) == 0;
  // Otherwise a try for each line would follow; the next one comes after as many bytes again.
  if (!renamed || !Begin().ok()) bytes_ = 0;
}

Status LogFile::Write(std::string_view line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (bytes_ > 0 && bytes_ + line.size() > max_bytes_) Rotate();
  TILL_TRY(WriteAll(file_.get(), AsBytes(line)));
  bytes_ += line.size();
  return Ok();
}

}  // namespace till
