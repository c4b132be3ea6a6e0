#include "packer/progress.h"

#include <unistd.h>

#include <cstdio>

#include "core/json/json.h"
#include "core/text.h"

namespace till::packer {
namespace {

constexpr int64_t kBarMs = 100;
constexpr int64_t kLineMs = 10'000;
constexpr int64_t kEventMs = 1'000;
constexpr unsigned kBarWidth = 24;

unsigned Parts(const delta::DiffProgress& progress, unsigned whole) {
  if (progress.total_bytes == 0) return whole;
  return static_cast<unsigned>(progress.done_bytes * whole / progress.total_bytes);
}

}  // namespace

Progress::Progress(const GlobalOptions& options, std::string name, Clock& clock)
    : form_(options.json            ? Form::kEvents
            : isatty(STDERR_FILENO) ? Form::kBar
                                    : Form::kLines),
      name_(std::move(name)),
      clock_(clock),
      next_ms_(clock.MonotonicMs() + (form_ == Form::kLines ? kLineMs : 0)) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::Show(const delta::DiffProgress& progress) {
  const int64_t now_ms = clock_.MonotonicMs();
  if (now_ms < next_ms_) return;
  if (form_ == Form::kEvents) {
    next_ms_ = now_ms + kEventMs;
    json::Value event = json::Value::Object();
    event.Set("event", "progress").Set("stage", progress.stage);
    event.Set("done_bytes", progress.done_bytes).Set("total_bytes", progress.total_bytes);
    std::printf("%s\n", json::Write(event).c_str());
    std::fflush(stdout);
    return;
  }
  const std::string done = FormatSize(progress.done_bytes) + " of " + FormatSize(progress.total_bytes);
  if (form_ == Form::kLines) {
    next_ms_ = now_ms + kLineMs;
    std::fprintf(stderr, " %s: %s, %s\n", name_.c_str(), progress.stage, done.c_str());
    return;
  }
  next_ms_ = now_ms + kBarMs;
  const unsigned filled = Parts(progress, kBarWidth);
  const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
  std::fprintf(stderr, "\r %s  %-5s [%s] %3u %%  %s\033[K", name_.c_str(), progress.stage, bar.c_str(),
               Parts(progress, 100), done.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace till::packer
