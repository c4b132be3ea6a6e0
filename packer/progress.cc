#include "packer/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/json/json.h"
#include "core/text.h"

namespace till::packer {
namespace {

constexpr int64_t kBarMs = 100;
constexpr int64_t kLineMs = 10'000;
constexpr int64_t kEventMs = 1'000;
constexpr int64_t kRateAfterMs = 1'000;  // a rate over less says nothing
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

// "2.1 MiB/s, 4 s left"; "" while nothing can be said.
std::string Progress::RateAndRest(const Step& step, int64_t now_ms) {
  const auto [entry, is_new] =
      started_.emplace(std::string(step.what) + "\n" + std::string(step.stage), Started{now_ms, step.done_bytes});
  const int64_t took_ms = now_ms - entry->second.at_ms;
  if (is_new || took_ms < kRateAfterMs || step.done_bytes <= entry->second.from_bytes) return "";
  const uint64_t done = step.done_bytes - entry->second.from_bytes;
  const uint64_t rest = step.total_bytes - std::min(step.done_bytes, step.total_bytes);
  const uint64_t per_second = std::max<uint64_t>(1, done * 1000 / static_cast<uint64_t>(took_ms));
  return ", " + FormatSize(per_second) + "/s, " + std::to_string((rest + per_second - 1) / per_second) + " s left";
}

void Progress::Show(const Step& step) {
  const std::lock_guard lock(mutex_);
  const int64_t now_ms = clock_.MonotonicMs();
  const std::string rest = RateAndRest(step, now_ms);
  if (now_ms < next_ms_) return;
  if (form_ == Form::kEvents) {
    next_ms_ = now_ms + kEventMs;
    json::Value event = json::Value::Object();
    event.Set("event", "progress").Set("what", step.what).Set("stage", step.stage);
    event.Set("done_bytes", step.done_bytes).Set("total_bytes", step.total_bytes);
    if (step.planned > 0) event.Set("made", step.made).Set("planned", step.planned);
    std::printf("%s\n", json::Write(event).c_str());
    std::fflush(stdout);
    return;
  }
  std::string what = Printable(step.what) + "  " + std::string(step.stage);
  if (step.planned > 1) what = std::to_string(step.made) + "/" + std::to_string(step.planned) + " " + what;
  const std::string done = FormatSize(step.done_bytes) + " of " + FormatSize(step.total_bytes) + rest;
  if (form_ == Form::kLines) {
    next_ms_ = now_ms + kLineMs;
    std::fprintf(stderr, " %s, %s\n", what.c_str(), done.c_str());
    return;
  }
  next_ms_ = now_ms + kBarMs;
  const unsigned filled = Parts(step, kBarWidth);
  const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
  std::fprintf(stderr, "\r %-38s [%s] %3u %%  %s\033[K", what.c_str(), bar.c_str(), Parts(step, 100), done.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace till::packer
