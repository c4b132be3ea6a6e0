// data_dir/status.json: what tilld is doing, for people and supervisors (docs/wires.md, "Processes"). Replaced
// atomically; an unwritable one is no reason to stop.
#pragma once

#include <string>

#include "core/clock.h"
#include "device/agent_state.h"

namespace till::device {

class StatusFile {
 public:
  StatusFile(std::string path, SlotId running, Clock& clock)
      : path_(std::move(path)), running_(running), clock_(clock) {}

  // Writes when something is to be said: always with `force`, else at most every half second.
  void Write(const AgentState& state, uint64_t received_bytes, bool force);
  void SetError(std::string text) { last_error_ = std::move(text); }
  void SetStale(bool stale) { stale_ = stale; }
  // What the running slot holds was checked at the start.
  void SetRunningImageKnown(bool known) { image_known_ = known; }

 private:
  Status Replace(const std::string& text);

  std::string path_;
  SlotId running_;
  Clock& clock_;
  std::string last_error_;
  bool stale_ = true;  // until the signed metadata was refreshed
  bool image_known_ = false;
  int64_t written_ms_ = -1'000'000;
};

}  // namespace till::device
