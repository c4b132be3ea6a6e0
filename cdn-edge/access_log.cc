#include "cdn-edge/access_log.h"

#include <fcntl.h>
#include <unistd.h>
#include <cstdio>
#include <utility>

#include "cdn-edge/complain.h"
#include "cdn-edge/faults.h"
#include "core/json/json.h"
#include "core/log.h"

namespace till::edge {
namespace {

constexpr int kOlderLogs = 4;

}  // namespace

Result<std::unique_ptr<AccessLog>> AccessLog::Open(const std::string& path, uint64_t max_bytes, Clock& clock) {
  std::unique_ptr<AccessLog> log(new AccessLog(path, max_bytes, clock));
  const std::lock_guard lock(log->mutex_);
  if (!path.empty()) TILL_TRY(log->OpenLocked());
  return log;
}

Status AccessLog::OpenLocked() {
  UniqueFd file = TILL_TRY(OpenFile(path_, O_WRONLY | O_CREAT | O_APPEND, 0640));
  bytes_ = TILL_TRY(FileSize(file.get()));
  file_ = std::move(file);
  return Ok();
}

void AccessLog::Reopen() {
  const std::lock_guard lock(mutex_);
  if (path_.empty()) return;
  const Status opened = OpenLocked();
  told_ = false;
  if (!opened.ok()) Complain(kAccessLog, path_, &opened.error());  // the old one is written on
}

void AccessLog::RotateLocked() {
  for (int i = kOlderLogs; i > 0; --i) {
    const std::string younger = i == 1 ? path_ : path_ + "." + std::to_string(i - 1);
    (void)rename(younger.c_str(), (path_ + "." + std::to_string(i)).c_str());
  }
  const Status opened = OpenLocked();
  if (opened.ok()) return;
  bytes_ = 0;  // tried again after as many lines
  if (!std::exchange(told_, true)) Complain(kAccessLog, path_, &opened.error());
}

void AccessLog::Write(const AccessLine& line) {
  if (path_.empty()) return;
  json::Value value;
  value.Set("time", FormatUtc(clock_.UnixMs() / 1000));
  value.Set("peer", line.peer);
  value.Set("agent", line.agent);
  value.Set("method", line.method);
  value.Set("path", line.path);
  value.Set("object", line.object);
  value.Set("status", line.status);
  value.Set("first", line.first);
  value.Set("asked", line.asked);
  value.Set("sent", line.sent);
  value.Set("complete", line.complete);
  value.Set("cache", line.cache);
  const std::string text = json::Write(value) + "\n";
  const std::lock_guard lock(mutex_);
  if (max_bytes_ != 0 && bytes_ + text.size() > max_bytes_) RotateLocked();
  bytes_ += text.size();
  if (write(file_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return;
  const Error error = SystemError("cannot write a line");
  if (!std::exchange(told_, true)) Complain(kAccessLog, path_, &error);
}

}  // namespace till::edge
