#include "cdn-edge/access_log.h"

#include <fcntl.h>
#include <unistd.h>

#include "cdn-edge/complain.h"
#include "cdn-edge/faults.h"
#include "core/json/json.h"
#include "core/log.h"

namespace till::edge {

Result<AccessLog> AccessLog::Open(const std::string& path, Clock& clock) {
  if (path.empty()) return AccessLog(UniqueFd(), clock);
  return AccessLog(TILL_TRY(OpenFile(path, O_WRONLY | O_CREAT | O_APPEND, 0640)), clock);
}

void AccessLog::Write(const AccessLine& line) {
  if (!file_.valid()) return;
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
  // One write of an O_APPEND file: lines of several threads do not mix.
  if (write(file_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return;
  const Error error = SystemError("cannot write a line");
  if (!told_.exchange(true)) Complain(kAccessLog, "access log", &error);
}

}  // namespace till::edge
