// Shows how far a long step is: a bar on a TTY, a line per 10 s elsewhere, with --json one event per line on stdout.
//   {"event":"progress","stage":"match","done_bytes":n,"total_bytes":n}. Thread rule: one thread.
#pragma once

#include "core/clock.h"
#include "delta/diff/diff.h"
#include "packer/commands.h"

namespace till::packer {

class Progress {
 public:
  // `name` is shown before the bar; `clock` is not owned.
  Progress(const GlobalOptions& options, std::string name, Clock& clock);
  ~Progress();  // leaves no half-drawn bar behind
  void Show(const delta::DiffProgress& progress);

 private:
  enum class Form { kBar, kLines, kEvents };
  Form form_;
  std::string name_;
  Clock& clock_;
  int64_t next_ms_;
  bool drawn_ = false;
};

}  // namespace till::packer
