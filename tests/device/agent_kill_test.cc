// The agent loses power at its n-th write, for every n, before, in the middle of and behind it; then it is booted until
// it rests. Every time it must end confirmed, without a byte written to the slot that ran and without an operator.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/device/terminal_for_tests.h"

namespace till::device {
namespace {

class KilledAgent : public AgentTest {
 protected:
  // Loops n until a run ends by itself; `reboot` says whether the boot code runs after the cut (a power cut) or only
  // the process is started again (kill -9).
  void KillEverywhere(const std::string& payload, const std::string& mode, bool reboot, unsigned process,
                      uint64_t step = 1) {
    uint64_t n = 1;
    for (;; n += step) {
      ASSERT_LT(n, 500u);
      const std::string name = folder_ + "/" + mode + std::to_string(process) + "-" + std::to_string(n);
      TerminalForTests terminal(name, *hub_, old_image_, "1.0.0");
      const std::string action = std::to_string(++actions_);
      hub_->Offer({.action = action, .payload_path = payload});
      // `process` 0 is the installing run, 1 the one in the new slot.
      for (unsigned i = 0; i < process; i++) ASSERT_EQ(terminal.BootAndRun().status, 10) << terminal.FileText("log");
      const std::string old_slot = terminal.SlotBytes('a');
      const auto killed = terminal.BootAndRun(mode, n);
      if (killed.status != 128 + 9) break;  // it has no n-th write
      // What stood in the slot when the power went: at most a frame and a chunk of it may be asked for again.
      const std::string cut_slot = terminal.SlotBytes('b');
      const size_t whole = static_cast<size_t>(
          std::mismatch(new_image_.begin(), new_image_.end(), cut_slot.begin()).first - new_image_.begin());
      const size_t answers_before = hub_->payload_starts().size();
      if (!reboot) {
        const int status = terminal.RunAgain().status;
        ASSERT_TRUE(status == 0 || status == 10) << terminal.FileText("log");
      }
      terminal.BootUntilItRests();
      if (HasFatalFailure()) return;
      ASSERT_EQ(hub_->Outcome(action), "success") << mode << " at write " << n << "\n" << terminal.FileText("log");
      ASSERT_EQ(terminal.running(), 'b');
      ASSERT_TRUE(terminal.Holds('b', new_image_));
      ASSERT_EQ(terminal.SlotBytes('a'), old_slot) << "the running slot was written";
      ASSERT_EQ(terminal.Record().stable, 1);
      CheckReports(action, payload.ends_with("/chunks"));
      const bool is_chunks = payload.ends_with("/chunks");
      if (!is_chunks && hub_->payload(payload).size() > new_image_.size()) CheckResume(whole, answers_before);
      if (HasFatalFailure()) return;
      std::filesystem::remove_all(name);
    }
    EXPECT_GT(n, process == 0 ? 20u : 3u) << "the loop ended before it met anything";
    cuts_ += n - 1;
  }

  // Without the repeats that the server drops by their number: each step once, in order.
  void CheckReports(const std::string& action, bool is_chunks) {
    std::vector<int64_t> codes;
    for (const Heard& h : hub_->heard_once()) {
      if (h.action == action) codes.push_back(h.code);
    }
    std::vector<int64_t> wanted = {100, 110, 120, 130, 140, 0};
    if (is_chunks) wanted.insert(wanted.begin() + 1, 110);  // how much of them will travel
    ASSERT_EQ(codes, wanted);
  }

  // For a payload as long as its image, so that offsets in both are about the same.
  void CheckResume(size_t whole, size_t answers_before) {
    const auto starts = hub_->payload_starts();
    ASSERT_LE(starts.size(), answers_before + 1);
    if (starts.size() == answers_before) return;
    ASSERT_GE(starts.back() + (128 << 10) + (32 << 10), whole) << "re-downloaded too much";
  }

  uint64_t cuts_ = 0;

 private:
  int actions_ = 0;
};

// covers F03 F04
TEST_F(KilledAgent, EndsConfirmedWhereverTheFullPayloadIsCut) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  KillEverywhere(full, "kill-before", true, 0);
  KillEverywhere(full, "kill-half", true, 0);
  KillEverywhere(full, "kill-after", false, 0);
  RecordProperty("cuts", static_cast<int>(cuts_));
}

// covers F03 F04
TEST_F(KilledAgent, EndsConfirmedWhereverTheDeltaIsCut) {
  const std::string patch = hub_->PublishPayload("2.0.0", old_image_, new_image_);
  hub_->Sign();
  KillEverywhere(patch, "kill-half", true, 0);
  KillEverywhere(patch, "kill-after", false, 0);
  RecordProperty("cuts", static_cast<int>(cuts_));
}

// The base is one that no delta knows; every seventh write, of a chunk each.
// covers F03 F04
TEST_F(KilledAgent, EndsConfirmedWhereverTheChunksAreCut) {
  const std::string chunks = hub_->PublishChunks("2.0.0", new_image_);
  hub_->Sign();
  KillEverywhere(chunks, "kill-half", true, 0, 7);
  KillEverywhere(chunks, "kill-after", false, 0, 13);
  RecordProperty("cuts", static_cast<int>(cuts_));
}

// A cut in the new slot uses up a try; three are given.
// covers F03 F08
TEST_F(KilledAgent, EndsConfirmedWhereverTheTrialIsCut) {
  const std::string patch = hub_->PublishPayload("2.0.0", old_image_, new_image_);
  hub_->Sign();
  KillEverywhere(patch, "kill-before", true, 1);
  KillEverywhere(patch, "kill-half", true, 1);
  KillEverywhere(patch, "kill-after", true, 1);
}

// covers F03 F08
TEST_F(KilledAgent, ReportsTheFailedHealthCheckWhereverTheRollbackIsCut) {
  const std::string patch = hub_->PublishPayload("2.0.0", old_image_, new_image_);
  hub_->Sign();
  for (const unsigned process : {1u, 2u}) {
    for (uint64_t n = 1;; n++) {
      ASSERT_LT(n, 100u);
      const std::string action = "r" + std::to_string(process) + "-" + std::to_string(n);
      TerminalForTests terminal(folder_ + "/" + action, *hub_, old_image_, "1.0.0");
      terminal.WriteHealthCheck("selftest", "test \"$TILL_SLOT\" = a || { echo wrong total; exit 1; }\n");
      hub_->Offer({.action = action, .payload_path = patch});
      for (unsigned i = 0; i < process; i++) ASSERT_EQ(terminal.BootAndRun().status, 10);
      const auto killed = terminal.BootAndRun("kill-half", n);
      if (killed.status != 128 + 9) break;
      terminal.BootUntilItRests();
      if (HasFatalFailure()) return;
      ASSERT_EQ(hub_->Outcome(action), "failure: health: selftest exit 1: wrong total") << terminal.FileText("log");
      ASSERT_EQ(terminal.running(), 'a');
      ASSERT_TRUE(terminal.Holds('a', old_image_));
      ASSERT_EQ(terminal.SlotBytes('b').substr(0, 4096), std::string(4096, '\xff'));
    }
  }
}

}  // namespace
}  // namespace till::device
