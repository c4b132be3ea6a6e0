// run_dir/status.json: what tilld is doing, for people and supervisors (docs/wires.md, "Processes"). Replaced
// atomically; an unwritable one is no reason to stop. It may lie on flash: what says the same as before is written once
// an hour.
#pragma once

#include <string>

#include "core/clock.h"
#include "device/agent_state.h"
#include "device/refusal.h"

namespace till::device {

class StatusFile {
 public:
  StatusFile(std::string path, SlotId running, Clock& clock)
      : path_(std::move(path)), running_(running), clock_(clock) {}

  // Writes when something new is to be said: at once with `force`, else at most every half second.
  void Write(const AgentState& state, uint64_t received_bytes, bool force);
  void SetError(std::string text);
  // What keeps the agent from the update server, kept with the time it began; null ends that. True when this is news.
  bool SetContact(const Refusal* refusal);
  // Takes the last error and the lost contact over from the file of an earlier run.
  void Recall();
  // Whether the signed metadata was found fresh; until then nothing is said about it.
  void SetStale(bool stale) { freshness_ = stale ? Freshness::kStale : Freshness::kFresh; }
  // What the running slot holds was checked at the start.
  void SetRunningImageKnown(bool known) { image_known_ = known; }

 private:
  Status Replace(const std::string& text);

  std::string path_;
  SlotId running_;
  Clock& clock_;
  std::string last_error_;
  int64_t last_error_unix_s_ = 0;
  std::string contact_, contact_mend_;
  int64_t contact_since_unix_s_ = 0;
  enum class Freshness : uint8_t { kNotKnown, kFresh, kStale };
  Freshness freshness_ = Freshness::kNotKnown;
  bool image_known_ = false;
  std::string written_;  // without the time
  int64_t written_ms_ = -10'000'000;
};

}  // namespace till::device
