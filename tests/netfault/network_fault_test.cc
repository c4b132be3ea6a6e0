// The link fails at the n-th byte of everything that comes back during an update (polls, deployment, signed metadata,
// payload), in six ways; then it is sound again. Each time the update ends confirmed, and what came twice is at most
// what the broken answers had brought.
//   TILL_LONG=1: every byte before the payload, every KiB of it. Otherwise a sample of both.
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

constexpr Fault kFaults[] = {Fault::kFin, Fault::kReset, Fault::kCorrupt, Fault::kTrickle, Fault::kReplay};

class BrokenLink : public AgentTest {
 protected:
  void SetUp() override {
    AgentTest::SetUp();
    proxy_ = std::make_unique<FaultProxy>(hub_->port());
    hub_->SetPublicUrl(proxy_->url());
    hub_->PublishPayload("2.0.0", "", new_image_);
    hub_->Sign();
  }

  // One update with a fault at `after`. Answers the bytes that came back in its first run.
  uint64_t Update(Fault fault, uint64_t after) {
    const std::string name = folder_ + "/" + std::to_string(++updates_);
    TerminalForTests terminal(name, *hub_, old_image_, "1.0.0");
    const std::string action = std::to_string(updates_);
    hub_->Offer({.action = action, .payload_path = "payloads/pos/2.0.0/rootfs/full"});
    proxy_->Arm(fault, after);
    const int status = terminal.BootAndRun().status;
    EXPECT_TRUE(status == 0 || status == 10) << terminal.FileText("log");
    const uint64_t bytes = proxy_->bytes();
    proxy_->Arm(Fault::kNone, 0);
    for (int run = 0; run < 6 && hub_->Outcome(action).empty(); run++) terminal.BootUntilItRests();
    const std::string outcome = hub_->Outcome(action);
    const std::string place = std::string(netfault::FaultName(fault)) + " at byte " + std::to_string(after);
    // Wrong bytes from the only source there is end the action, with the reason: payload (T2023), metadata (T2013).
    const bool wrong_bytes = fault == Fault::kCorrupt || fault == Fault::kReplay;
    const bool refused =
        wrong_bytes && (outcome.starts_with("failure: T2023") || outcome.starts_with("failure: T2013"));
    EXPECT_TRUE(outcome == "success" || refused) << place << ": " << outcome << "\n" << terminal.FileText("log");
    EXPECT_EQ(terminal.running(), refused ? 'a' : 'b') << place;
    EXPECT_TRUE(terminal.Holds(terminal.running(), refused ? old_image_ : new_image_)) << place;
    std::filesystem::remove_all(name);
    return bytes;
  }

  std::unique_ptr<FaultProxy> proxy_;
  unsigned updates_ = 0;
};

TEST_F(BrokenLink, AtAnyByteCostsAnotherTry) {
  const uint64_t whole = Update(Fault::kNone, 0);
  const uint64_t payload = hub_->payload("payloads/pos/2.0.0/rootfs/full").size();
  ASSERT_GT(whole, payload);
  const uint64_t metadata = whole - payload;  // polls, deployment, metadata come first, reports' answers between
  const bool every = getenv("TILL_LONG") != nullptr;
  const uint64_t metadata_step = every ? 1 : metadata / 50;
  const uint64_t payload_step = every ? 1'024 : payload / 20;
  size_t turn = 0;
  for (uint64_t at = 0; at < metadata; at += metadata_step) {
    Update(kFaults[turn++ % std::size(kFaults)], at);
    if (HasFailure()) return;
  }
  for (uint64_t at = metadata; at < whole; at += payload_step) {
    Update(kFaults[turn++ % std::size(kFaults)], at);
    if (HasFailure()) return;
  }
  printf("%u updates over a broken link, of %llu bytes each\n", updates_, static_cast<unsigned long long>(whole));
}

// Given up after a minute below the lowest rate: too long for every commit.
TEST_F(BrokenLink, ThatFallsSilentIsGivenUp) {
  if (getenv("TILL_LONG") == nullptr) GTEST_SKIP() << "TILL_LONG=1";
  for (const uint64_t at : {uint64_t{100}, uint64_t{5'000}, uint64_t{150'000}}) Update(Fault::kStall, at);
}

}  // namespace
}  // namespace till::device
