// Shows how far a long step is: a bar on a TTY, a line per 10 s elsewhere, with --json one event per second on stdout.
//   {"event":"progress","what":"rootfs from 1.0.0","stage":"match","done_bytes":n,"total_bytes":n,"made":n,"planned":n}
//   Rate and time left are of the stage that is shown. Any thread.
#pragma once

#include <map>
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
    unsigned made = 0;     // payloads that are done
    unsigned planned = 0;  // of so many; 0: there is only the one
  };
  void Show(const Step& step);

 private:
  enum class Form { kBar, kLines, kEvents };
  // How long a stage has been running, by what is shown of it.
  struct Started {
    int64_t at_ms = 0;
    uint64_t from_bytes = 0;
  };
  std::string RateAndRest(const Step& step, int64_t now_ms);

  Form form_;
  Clock& clock_;
  std::mutex mutex_;
  int64_t next_ms_;
  std::map<std::string, Started> started_;  // by what and stage; a release has a few dozen
  bool drawn_ = false;
};

}  // namespace till::packer
