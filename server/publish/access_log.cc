#include "server/publish/access_log.h"

#include "core/json/json.h"

namespace till::server {
namespace {

class WatchedStream : public http::BodyStream {
 public:
  WatchedStream(std::unique_ptr<http::BodyStream> next, AccessLog& log, AccessLog::Line line)
      : next_(std::move(next)), log_(log), line_(std::move(line)) {}
  http::Piece Next() override { return next_->Next(); }
  void OnDone(uint64_t sent_bytes, bool complete) override {
    line_.sent = sent_bytes;
    line_.complete = complete;
    log_.Write(line_);
    next_->OnDone(sent_bytes, complete);
  }

 private:
  std::unique_ptr<http::BodyStream> next_;
  AccessLog& log_;
  AccessLog::Line line_;
};

}  // namespace

Result<std::unique_ptr<AccessLog>> AccessLog::Open(const std::string& path, Clock& clock) {
  std::optional<LogFile> file;
  if (!path.empty()) file.emplace(TILL_TRY(LogFile::Open(path)));
  return std::unique_ptr<AccessLog>(new AccessLog(std::move(file), clock));
}

void AccessLog::Write(const Line& line) {
  if (!file_) return;
  const std::string text = json::Write(json::Value::Object({
                               {"time", FormatUtc(clock_.UnixMs() / 1000)},
                               {"peer", line.peer},
                               {"agent", line.agent},
                               {"method", line.method},
                               {"path", line.path},
                               {"object", line.object},
                               {"status", line.status},
                               {"first", line.first},
                               {"asked", line.asked},
                               {"sent", line.sent},
                               {"complete", line.complete},
                               {"cache", "origin"},
                           })) +
                           "\n";
  // A full disk must not stop downloads; the counters of the server still count.
  if (!file_->Write(text).ok()) return;
}

std::unique_ptr<http::BodyStream> AccessLog::Watch(std::unique_ptr<http::BodyStream> next, Line line) {
  if (!file_) return next;
  return std::make_unique<WatchedStream>(std::move(next), *this, std::move(line));
}

AccessLog::Line LineOf(const http::Request& request, std::string_view object) {
  AccessLog::Line line;
  line.peer = request.peer;
  line.agent = request.header("User-Agent");
  line.method = request.method;
  line.path = request.path;
  line.object = object;
  return line;
}

}  // namespace till::server
