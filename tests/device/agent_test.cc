// The pure step: what the agent decides, without any I/O.
#include "device/agent.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "bootloader/boot_state.h"

namespace till::device {
namespace {

using Kind = Event::Kind;

Plan SomePlan() {
  Plan plan;
  plan.payload = crypto::Sha256Of(AsBytes("payload"));
  plan.payload_bytes = 1000;
  plan.target = {true, crypto::Sha256Of(AsBytes("target")), 5000, 2, "2.0.0"};
  plan.signed_floor = 2;
  return plan;
}

AgentState In(Phase phase) {
  AgentState state;
  state.phase = phase;
  if (phase == Phase::kIdle) return state;
  state.action = "7";
  state.plan = SomePlan();
  state.feedback_seq = 2;
  if (phase >= Phase::kVerified) state.slots[1] = state.plan.target;
  return state;
}

Event Of(Kind kind, const std::string& text = "") {
  Event event;
  event.kind = kind;
  event.action = "7";
  event.text = text;
  event.plan = SomePlan();
  return event;
}

BootView Trial(SlotId running) {
  BootView boot;
  boot.running = running;
  boot.in_trial = true;
  boot.trial = SlotId::kB;
  return boot;
}

bool Has(const Step& step, Action action) {
  return std::find(step.actions.begin(), step.actions.end(), action) != step.actions.end();
}

TEST(Agent, WalksFromOfferToTrial) {
  struct Turn {
    Kind event;
    Phase phase;
    Action action;
    uint32_t code;
  };
  const Turn kTurns[] = {
      {Kind::kOffer, Phase::kIdle, Action::kCheck, 0},
      {Kind::kAccepted, Phase::kOffered, Action::kAskInstall, 100},
      {Kind::kMayInstall, Phase::kOffered, Action::kPrepare, 0},
      {Kind::kReady, Phase::kInstalling, Action::kInstall, 110},
      {Kind::kInstalled, Phase::kWritten, Action::kReadBack, 120},
      {Kind::kReadBack, Phase::kVerified, Action::kAskSwitch, 130},
      {Kind::kMaySwitch, Phase::kTrying, Action::kBeginTrial, 140},
  };
  AgentState state;
  for (const Turn& turn : kTurns) {
    const size_t before = state.feedbacks.size();
    const Step step = Decide(state, Of(turn.event));
    EXPECT_EQ(step.state.phase, turn.phase);
    EXPECT_TRUE(Has(step, turn.action));
    if (turn.code != 0) {
      ASSERT_EQ(step.state.feedbacks.size(), before + 1);
      EXPECT_EQ(step.state.feedbacks.back().code, turn.code);
      EXPECT_EQ(step.state.feedbacks.back().seq, before + 1);
    }
    state = step.state;
  }
}

// The invariant behind everything: the boot record is touched in kTrying only, and success is said only after
// kConfirmed.
TEST(Agent, SwitchesInNoOtherPhaseAndNeverClaimsSuccessEarly) {
  for (int phase = 0; phase <= static_cast<int>(Phase::kTrying); phase++) {
    for (int kind = 0; kind <= static_cast<int>(Kind::kConfirmed); kind++) {
      for (const bool new_slot_runs : {false, true}) {
        Event event = Of(static_cast<Kind>(kind));
        event.boot = Trial(new_slot_runs ? SlotId::kB : SlotId::kA);
        const AgentState before = In(static_cast<Phase>(phase));
        const Step step = Decide(before, event);
        if (Has(step, Action::kBeginTrial)) {
          EXPECT_EQ(step.state.phase, Phase::kTrying);
        }
        if (Has(step, Action::kConfirm)) {
          EXPECT_TRUE(before.phase == Phase::kTrying && event.kind == Kind::kHealthy) << phase << " " << kind;
        }
        if (Has(step, Action::kInstall)) {
          EXPECT_EQ(step.state.phase, Phase::kInstalling);
        }
        for (size_t i = before.feedbacks.size(); i < step.state.feedbacks.size(); i++) {
          const Feedback& f = step.state.feedbacks[i];
          if (f.finished != "success" || f.about_cancel) continue;
          EXPECT_TRUE((before.phase == Phase::kTrying && event.kind == Kind::kConfirmed) ||
                      event.kind == Kind::kAlready);
        }
      }
    }
  }
}

TEST(Agent, AsksForWhatIsDueInEachPhaseAfterAKill) {
  EXPECT_TRUE(Has(Decide(In(Phase::kIdle), Of(Kind::kStarted)), Action::kPoll));
  EXPECT_TRUE(Has(Decide(In(Phase::kOffered), Of(Kind::kStarted)), Action::kPoll));
  EXPECT_TRUE(Has(Decide(In(Phase::kInstalling), Of(Kind::kStarted)), Action::kPoll));
  EXPECT_TRUE(Has(Decide(In(Phase::kWritten), Of(Kind::kStarted)), Action::kReadBack));
  EXPECT_TRUE(Has(Decide(In(Phase::kVerified), Of(Kind::kStarted)), Action::kAskSwitch));
  Event event = Of(Kind::kStarted);
  event.boot = Trial(SlotId::kB);
  EXPECT_TRUE(Has(Decide(In(Phase::kTrying), event), Action::kCheckHealth));
  event.boot = BootView{};  // killed before the record was written
  EXPECT_TRUE(Has(Decide(In(Phase::kTrying), event), Action::kBeginTrial));
  event.boot.running = event.boot.stable = SlotId::kB;  // killed behind the confirm
  EXPECT_EQ(Decide(In(Phase::kTrying), event).state.feedbacks.back().finished, "success");
}

TEST(Agent, SaysWhyTheBootCodeFellBack) {
  Event event = Of(Kind::kStarted);
  event.boot.has_failed = true;
  event.boot.failed = SlotId::kB;
  event.boot.failed_reason = TILL_BOOT_REASON_TRIES;
  Step step = Decide(In(Phase::kTrying), event);
  EXPECT_EQ(step.state.feedbacks.back().details[0], "boot: tries used up");
  EXPECT_TRUE(Has(step, Action::kEraseSpare));
  EXPECT_EQ(step.state.phase, Phase::kIdle);
  AgentState failing = In(Phase::kTrying);
  failing.failure = "health: x exit 1";
  event.boot.failed_reason = TILL_BOOT_REASON_HEALTH;
  EXPECT_EQ(Decide(failing, event).state.feedbacks.back().details[0], "health: x exit 1");
}

TEST(Agent, DoesNotRestartForeverWhenTheNewSlotNeverComesUp) {
  AgentState state = In(Phase::kTrying);
  Event event = Of(Kind::kStarted);
  event.boot = Trial(SlotId::kA);
  int restarts = 0;
  for (;; restarts++) {
    ASSERT_LT(restarts, 10);
    const Step step = Decide(state, event);
    state = step.state;
    if (!Has(step, Action::kReboot)) {
      EXPECT_TRUE(Has(step, Action::kMarkFailed));
      break;
    }
  }
  EXPECT_EQ(restarts, 3);
}

TEST(Agent, IgnoresAnActionItHasClosed) {
  AgentState state;
  state.closed_action = "7";
  const Step step = Decide(state, Of(Kind::kOffer));
  EXPECT_FALSE(Has(step, Action::kCheck));
}

TEST(Agent, DropsTheOldPayloadWhenTheServerOffersAnother) {
  AgentState state = In(Phase::kInstalling);
  state.checkpoint = {100, 1, 200};
  state.received_bytes = 150;
  Event other = Of(Kind::kOffer);
  other.action = "8";
  const Step step = Decide(state, other);
  EXPECT_TRUE(Has(step, Action::kEraseSpare));
  EXPECT_TRUE(step.state.erase_spare);
  EXPECT_EQ(step.state.action, "8");
  EXPECT_EQ(step.state.checkpoint, delta::Checkpoint{});

  Event same_action = Of(Kind::kAccepted);
  same_action.plan.payload = crypto::Sha256Of(AsBytes("another choice of the server"));
  const Step again = Decide(state, same_action);
  EXPECT_EQ(again.state.checkpoint, delta::Checkpoint{});
  EXPECT_EQ(again.state.received_bytes, 0u);
  EXPECT_EQ(Decide(state, Of(Kind::kAccepted)).state.checkpoint, state.checkpoint);
}

TEST(Agent, CancelsBeforeTheTrialAndNotDuringIt) {
  for (const Phase phase : {Phase::kOffered, Phase::kInstalling, Phase::kVerified}) {
    const Step step = Decide(In(phase), Of(Kind::kCancel));
    EXPECT_EQ(step.state.phase, Phase::kIdle);
    EXPECT_EQ(step.state.feedbacks.back().finished, "success");
    EXPECT_TRUE(step.state.feedbacks.back().about_cancel);
    EXPECT_GT(step.state.feedbacks.back().seq, 2u) << "the server would drop it as a repeat";
  }
  const Step late = Decide(In(Phase::kTrying), Of(Kind::kCancel));
  EXPECT_EQ(late.state.phase, Phase::kTrying);
  EXPECT_EQ(late.state.feedbacks.back().execution, "rejected");
  Event foreign = Of(Kind::kCancel);
  foreign.action = "3";
  EXPECT_EQ(Decide(In(Phase::kIdle), foreign).state.feedbacks.back().seq, 0u);
}

TEST(Agent, KeepsOutcomesWhenTheReportsPileUp) {
  AgentState state = In(Phase::kInstalling);
  Feedback outcome{false, "1", 1, 0, "closed", "success", 0, {}};
  state.feedbacks.push_back(outcome);
  Feedback progress{false, "7", 1, 0, "proceeding", "none", 110, {}};
  while (state.feedbacks.size() < AgentState::kMaxFeedbacks) state.feedbacks.push_back(progress);
  const Step step = Decide(state, Of(Kind::kRefused, "T2024"));
  EXPECT_EQ(step.state.feedbacks.size(), AgentState::kMaxFeedbacks);
  EXPECT_EQ(step.state.feedbacks.front().finished, "success");
  EXPECT_EQ(step.state.feedbacks.back().details[0], "T2024");
}

}  // namespace
}  // namespace till::device
