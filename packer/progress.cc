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

unsigned Parts(const Progress::Step& step, unsigned whole) {
  if (step.total_bytes == 0) return whole;
  return static_cast<unsigned>(step.done_bytes * whole / step.total_bytes);
}

}  // namespace

Progress::Progress(const GlobalOptions& options, Clock& clock)
    : form_(options.json            ? Form::kEvents
            : isatty(STDERR_FILENO) ? Form::kBar
                                    : Form::kLines),
      clock_(clock),
      next_ms_(clock.MonotonicMs() + (form_ == Form::kLines ? kLineMs : 0)) {}

Progress::~Progress() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void Progress::Show(const Step& step) {
  const std::lock_guard lock(mutex_);
  const int64_t now_ms = clock_.MonotonicMs();
  if (now_ms < next_ms_) return;
  if (form_ == Form::kEvents) {
    next_ms_ = now_ms + kEventMs;
    json::Value event = json::Value::Object();
    event.Set("event", "progress").Set("what", step.what).Set("stage", step.stage);
    event.Set("done_bytes", step.done_bytes).Set("total_bytes", step.total_bytes);
    std::printf("%s\n", json::Write(event).c_str());
    std::fflush(stdout);
    return;
  }
  const std::string what = Printable(step.what) + "  " + std::string(step.stage);
  const std::string done = FormatSize(step.done_bytes) + " of " + FormatSize(step.total_bytes);
  if (form_ == Form::kLines) {
    next_ms_ = now_ms + kLineMs;
    std::fprintf(stderr, " %s, %s\n", what.c_str(), done.c_str());
    return;
  }
  next_ms_ = now_ms + kBarMs;
  const unsigned filled = Parts(step, kBarWidth);
  const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
  std::fprintf(stderr, "\r %-34s [%s] %3u %%  %s\033[K", what.c_str(), bar.c_str(), Parts(step, 100), done.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace till::packer
