#include "cdn-edge/access_log.h"

#include "cdn-edge/complain.h"
#include "cdn-edge/faults.h"
#include "core/json/json.h"

namespace till::edge {
namespace {

constexpr unsigned kOlderLogs = 4;

}  // namespace

Result<std::unique_ptr<AccessLog>> AccessLog::Open(const std::string& path, uint64_t max_bytes, Clock& clock) {
  std::optional<LogFile> file;
  if (!path.empty()) file.emplace(TILL_TRY(LogFile::Open(path, {.max_bytes = max_bytes, .older = kOlderLogs})));
  return std::unique_ptr<AccessLog>(new AccessLog(path, std::move(file), clock));
}

void AccessLog::Reopen() {
  if (!file_) return;
  const Status opened = file_->Reopen();
  told_ = false;
  if (!opened.ok()) TellOnce(opened.error());  // the old one is written on
}

void AccessLog::TellOnce(const Error& error) {
  if (!told_.exchange(true)) Complain(kAccessLog, path_, &error);
}

void AccessLog::Write(const AccessLine& line) {
  if (!file_) return;
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
  const Status written = file_->Write(json::Write(value) + "\n");
  if (!written.ok()) TellOnce(written.error());
}

}  // namespace till::edge
