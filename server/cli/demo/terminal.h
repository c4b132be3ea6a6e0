// One terminal of the demo: the real boot selector and the real agent as processes, slots and boot state as files, a
// supervisor thread in the place of the power supply and the reset line.
//   Thread rule: the public functions may be called from one other thread.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "core/json/json.h"
#include "server/cli/demo/process.h"

namespace till::cli::demo {

struct TerminalSpec {
  std::string id;
  std::string folder;      // everything of this terminal
  std::string bin_folder;  // till-boot, till-bootctl, tilld
  std::string hub_url;
  std::string token;
  std::string board;
  std::string product;
  std::string trusted_root;
  std::string health_folder;
  std::string factory_image;
  std::string factory_version;
  uint64_t slot_bytes = 0;
  uint64_t rate_bytes_per_s = 0;
};

class Terminal {
 public:
  explicit Terminal(TerminalSpec spec) : spec_(std::move(spec)) {}
  ~Terminal() { Stop(); }

  // Makes the slots, the boot state and the configuration, and lets the agent learn what slot A holds.
  Status Provision();
  void Start();
  void Stop();
  // The plug is pulled now (SIGKILL); power returns after `off_ms`.
  void CutPower(int64_t off_ms);

  // The agent's status file; a null Value when there is none yet.
  json::Value ReadStatus() const;
  // Fraction of the current payload that arrived, in permille.
  unsigned ProgressPermille() const;
  // The slot that the boot selector chose last: 'a' or 'b'.
  char running_slot() const { return running_slot_.load(); }
  unsigned boots() const { return boots_.load(); }
  std::string SlotPath(char slot) const { return spec_.folder + "/slot-" + slot + ".img"; }
  const TerminalSpec& spec() const { return spec_; }
  // What went wrong with the terminal itself (a program that crashed), "" when nothing did.
  std::string trouble() const;

 private:
  enum class Ended { kReboot, kPowerCut, kStopped, kCrashed };

  Status WriteConfiguration() const;
  Result<char> SelectSlot() const;
  Ended RunAgent(char slot);
  void Supervise();

  TerminalSpec spec_;
  std::thread supervisor_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> cut_power_ms_{-1};
  std::atomic<char> running_slot_{'a'};
  std::atomic<unsigned> boots_{0};
  std::atomic<int> crash_code_{0};
};

}  // namespace till::cli::demo
