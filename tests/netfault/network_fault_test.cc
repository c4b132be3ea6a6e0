// The link fails at the n-th byte of everything that comes back during an update (polls, deployment, signed metadata,
// payload, answers to reports; then the same of the run that confirms), in six ways; then it is sound again. Each time
// the update ends confirmed, and what came twice is at most what the broken answers had brought.
//   TILL_LONG=1: ended or torn at every byte that is not payload and at every KiB of it, the other ways at every 8th.
//   Otherwise a sample of both.
// covers F09 F10 F11
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/device/terminal_for_tests.h"
#include "tests/netfault/fault_proxy.h"

namespace till::device {
namespace {

using netfault::Fault;
using netfault::FaultProxy;

constexpr Fault kEnds[] = {Fault::kFin, Fault::kReset};
constexpr Fault kOthers[] = {Fault::kCorrupt, Fault::kReplay, Fault::kTrickle};
constexpr char kPayload[] = "payloads/pos/2.0.0/rootfs/full";

// Which run of the agent the link fails in.
enum class In : uint8_t { kInstall, kTrial };

// The parameter: which quarter of the places, so that the long tier can run in four processes.
class BrokenLink : public AgentTest, public testing::WithParamInterface<unsigned> {
 protected:
  void SetUp() override {
    AgentTest::SetUp();
    proxy_ = std::make_unique<FaultProxy>(hub_->port());
    hub_->SetPublicUrl(proxy_->url());
    hub_->PublishPayload("2.0.0", "", new_image_);
    hub_->Sign();
  }

  // One update with a fault at `after`. Answers the bytes that came back in the run it was armed for.
  uint64_t Update(Fault fault, uint64_t after, In in = In::kInstall) {
    const std::string name = folder_ + "/" + std::to_string(++updates_);
    TerminalForTests terminal(name, *hub_, old_image_, "1.0.0");
    const std::string action = std::to_string(updates_);
    hub_->Offer({.action = action, .payload_path = kPayload});
    if (in == In::kTrial) {
      EXPECT_EQ(terminal.BootAndRun().status, 10) << terminal.FileText("log");
    }
    proxy_->Arm(fault, after);
    const int status = terminal.BootAndRun().status;
    EXPECT_TRUE(status == 0 || status == 10) << terminal.FileText("log");
    const uint64_t bytes = proxy_->bytes();
    marked_at_ = proxy_->marked_at();
    proxy_->Arm(Fault::kNone, 0);
    for (int run = 0; run < 6 && hub_->Outcome(action).empty(); run++) terminal.BootUntilItRests();
    const std::string outcome = hub_->Outcome(action);
    const std::string place = std::string(netfault::FaultName(fault)) + " at byte " + std::to_string(after) +
                              (in == In::kTrial ? " of the trial" : "");
    // Wrong bytes from the only source there is end the action, with the reason: payload (T2023), metadata (T2013), the
    // offer's own hashes and sizes (T2014), its names (T2012).
    const bool wrong_bytes = in == In::kInstall && (fault == Fault::kCorrupt || fault == Fault::kReplay);
    const bool refused =
        wrong_bytes && (outcome.starts_with("failure: T2012") || outcome.starts_with("failure: T2013") ||
                        outcome.starts_with("failure: T2014") || outcome.starts_with("failure: T2023"));
    EXPECT_TRUE(outcome == "success" || refused) << place << ": " << outcome << "\n" << terminal.FileText("log");
    EXPECT_EQ(terminal.running(), refused ? 'a' : 'b') << place;
    EXPECT_TRUE(terminal.Holds(terminal.running(), refused ? old_image_ : new_image_)) << place;
    std::filesystem::remove_all(name);
    return bytes;
  }

  // Faults in the bytes [begin, end), `step` apart.
  void Break(uint64_t begin, uint64_t end, uint64_t step, In in = In::kInstall) {
    for (uint64_t at = begin + GetParam() * step; at < end && !HasFailure(); at += step * kQuarters) {
      Update(kEnds[ends_++ % std::size(kEnds)], at, in);
      if (ends_ % kOthersEvery == 0) Update(kOthers[others_++ % std::size(kOthers)], at, in);
    }
  }

  static constexpr unsigned kQuarters = 4;
  const size_t kOthersEvery = getenv("TILL_LONG") ? 8 : 1;
  std::unique_ptr<FaultProxy> proxy_;
  uint64_t marked_at_ = 0;
  unsigned updates_ = 0, ends_ = 0, others_ = 0;
};

TEST_P(BrokenLink, AtAnyByteCostsAnotherTry) {
  const uint64_t payload = hub_->payload(kPayload).size();
  proxy_->Watch(hub_->payload(kPayload).substr(0, 64));
  const uint64_t whole = Update(Fault::kNone, 0);
  const uint64_t before = marked_at_;  // polls, deployment, metadata, the head of the payload's answer
  ASSERT_LT(before + payload, whole);
  const uint64_t trial = Update(Fault::kNone, 0, In::kTrial);
  ASSERT_GT(trial, 100u);
  const bool every = getenv("TILL_LONG") != nullptr;
  Break(0, before, every ? 1 : before / 16);
  Break(before, before + payload, every ? 1'024 : payload / 8);
  Break(before + payload, whole, every ? 1 : (whole - before - payload) / 4);
  Break(0, trial, every ? 1 : trial / 4, In::kTrial);
  printf("%u faults at %u places in %llu bytes before the payload, %llu of payload, %llu after it, %llu of the trial\n",
         ends_ + others_, ends_, static_cast<unsigned long long>(before), static_cast<unsigned long long>(payload),
         static_cast<unsigned long long>(whole - before - payload), static_cast<unsigned long long>(trial));
}

// Given up after a minute below the lowest rate: too long for every commit.
TEST_P(BrokenLink, ThatFallsSilentIsGivenUp) {
  if (getenv("TILL_LONG") == nullptr) GTEST_SKIP() << "TILL_LONG=1";
  constexpr uint64_t kPlaces[kQuarters] = {100, 5'000, 150'000, 311'000};
  Update(Fault::kStall, kPlaces[GetParam()]);
}

INSTANTIATE_TEST_SUITE_P(Quarters, BrokenLink, testing::Range(0u, 4u));

}  // namespace
}  // namespace till::device
