// Shows how far a long step is: a bar on a TTY, a line per 10 s elsewhere, with --json one event per second on stdout.
//   {"event":"progress","what":"rootfs from 1.0.0","stage":"match","done_bytes":n,"total_bytes":n}. Any thread.
#pragma once

#include <mutex>
#include <string>

#include "core/clock.h"
#include "packer/commands.h"

namespace till::packer {

class Progress {
 public:
  // `clock` is not owned.
  Progress(const GlobalOptions& options, Clock& clock);
  ~Progress();  // leaves no half-drawn bar behind

  struct Step {
    std::string_view what;   // "rootfs from 1.0.0", a file's name
    std::string_view stage;  // "match", "pack", "prove"
    uint64_t done_bytes = 0;
    uint64_t total_bytes = 0;
  };
  void Show(const Step& step);

 private:
  enum class Form { kBar, kLines, kEvents };
  Form form_;
  Clock& clock_;
  std::mutex mutex_;
  int64_t next_ms_;
  bool drawn_ = false;
};

}  // namespace till::packer
