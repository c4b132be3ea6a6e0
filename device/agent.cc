#include "device/agent.h"

#include <algorithm>
#include <array>

#include "bootloader/boot_state.h"
#include "device/agent_report.h"

namespace till::device {
namespace {

using Kind = Event::Kind;

constexpr uint8_t kMaxReboots = 3;  // asked for without the new slot coming up: the boot code will not try it

// --- What several rows do ---

void Forget(AgentState& s) {
  s.phase = Phase::kIdle;
  s.action.clear();
  s.version.clear();
  s.plan = Plan{};
  s.waiting.clear();
  s.signed_floor = 0;
  s.refused.clear();
  s.checkpoint = delta::Checkpoint{};
  s.received_bytes = 0;
  s.received_before = 0;
  s.total_bytes = 0;
  s.waiting_for.clear();
  s.asked_unix_s = 0;
  s.feedback_seq = 0;
  s.reboots = 0;
  s.failure.clear();
}

// What came was paid for, however it ended.
void CountReceived(AgentState& s, const Event& event) {
  s.received_bytes = std::max(s.received_bytes, event.received_bytes);
}

void Begin(AgentState& s, const std::string& action) {
  Forget(s);
  s.action = action;
}

void Close(Step& step, bool success, const std::string& reason, const Event& event) {
  AgentState& s = step.state;
  QueueOutcome(s, success, reason, event.details);
  step.ending = success ? Ending::kSucceeded : Ending::kFailed;
  step.reason = reason;
  // What went wrong is news until an update went well.
  s.trouble = success ? Trouble{} : Trouble{reason, s.action, s.version, event.unix_s};
  s.closed_action = s.action;
  Forget(s);
}

// What was written for a rejected payload goes; the wish outlives a kill until the runner has done it.
void EraseIfWritten(Step& step) {
  const Phase phase = step.state.phase;
  if (phase == Phase::kIdle || phase == Phase::kOffered) return;
  step.state.erase_spare = true;
  step.actions.push_back(Action::kEraseSpare);
}

void Add(Step& step, std::initializer_list<Action> actions) {
  step.actions.insert(step.actions.end(), actions.begin(), actions.end());
}

// --- Rows ---

void PollNow(Step& step, const Event&) { Add(step, {Action::kSendFeedback, Action::kPoll}); }
void Rest(Step& step, const Event&) { Add(step, {Action::kRest}); }
void BackOff(Step& step, const Event& event) {
  CountReceived(step.state, event);
  Add(step, {Action::kBackOff});
}

void Offer(Step& step, const Event& event) {
  AgentState& s = step.state;
  const bool again = event.action == s.closed_action && !event.action.starts_with(kLocalAction);
  if (again) return Add(step, {Action::kSendFeedback, Action::kRest});
  if (s.action != event.action) {
    // The server gave up the old one: what was written for it goes.
    EraseIfWritten(step);
    Begin(s, event.action);
  }
  Add(step, {Action::kCheck});
}

void Gone(Step& step, const Event&) {
  EraseIfWritten(step);
  Forget(step.state);
  Add(step, {Action::kRest});
}

// What the offer says of the whole release; `plans` begin with the one to install now.
void TakePlans(AgentState& s, const Event& event, std::vector<Plan> plans) {
  if (!event.plan.target.version.empty()) s.version = event.plan.target.version;
  s.signed_floor = event.plan.component == 0 ? event.plan.signed_floor : 0;
  for (const Plan& plan : event.waiting) {
    if (plan.component == 0 && !plan.is_copy()) s.signed_floor = plan.signed_floor;
  }
  s.plan = std::move(plans.front());
  plans.erase(plans.begin());
  s.waiting = std::move(plans);
  s.total_bytes = s.received_before + s.plan.travel_bytes;
  for (const Plan& plan : s.waiting) s.total_bytes += plan.travel_bytes;
}

std::vector<Plan> AllPlans(const Event& event) {
  std::vector<Plan> plans = {event.plan};
  plans.insert(plans.end(), event.waiting.begin(), event.waiting.end());
  return plans;
}

void Accept(Step& step, const Event& event) {
  AgentState& s = step.state;
  TakePlans(s, event, AllPlans(event));
  s.phase = Phase::kOffered;
  QueueStep(s, 100, "offered: " + s.version);
  Add(step, {Action::kSendFeedback, Action::kAskInstall});
}

// The same action was offered again after an interruption. What is in the slot already stays there.
void AcceptAgain(Step& step, const Event& event) {
  AgentState& s = step.state;
  std::vector<Plan> plans = AllPlans(event);
  if (s.phase == Phase::kInstalling) {
    std::erase_if(plans, [&](const Plan& plan) {
      const SlotImage& there = s.slot(s.target, plan.component);
      return there.known && there.sha256 == plan.target.sha256;
    });
    const auto current =
        std::find_if(plans.begin(), plans.end(), [&](const Plan& plan) { return s.plan.SamePayload(plan); });
    if (current != plans.end()) std::rotate(plans.begin(), current, current + 1);
  }
  if (plans.empty()) {  // it all came before
    s.phase = Phase::kVerified;
    return Add(step, {Action::kSendFeedback, Action::kAskSwitch});
  }
  if (s.plan.SamePayload(plans.front())) {
    plans.front().travel_bytes = s.plan.travel_bytes;
  } else {
    s.checkpoint = delta::Checkpoint{};
    s.received_bytes = 0;
  }
  TakePlans(s, event, std::move(plans));
  Add(step, {Action::kSendFeedback, Action::kAskInstall});
}

void Refuse(Step& step, const Event& event) {
  CountReceived(step.state, event);
  EraseIfWritten(step);
  Close(step, false, event.text, event);
  Add(step, {Action::kSendFeedback, Action::kRest});
}

// A payload was given up and policy knows another: never twice the same, and never one that was not allowed.
void RefuseOrNext(Step& step, const Event& event) {
  AgentState& s = step.state;
  if (!event.next_choice || s.refused.size() >= AgentState::kMaxRefused) return Refuse(step, event);
  s.refused.push_back(s.plan.payload);
  CountReceived(s, event);
  s.received_before += s.received_bytes;
  s.received_bytes = 0;
  s.checkpoint = delta::Checkpoint{};
  s.phase = Phase::kOffered;
  QueueStep(s, 115, "another payload is taken: " + event.text);
  Add(step, {Action::kSendFeedback, Action::kCheck});
}

void NotYet(Step& step, const Event& event) {
  AgentState& s = step.state;
  // Somebody's patience is counted by a right clock only; one that was set back begins it anew.
  if (s.phase == Phase::kVerified && event.clock_is_right) {
    s.asked_unix_s = s.asked_unix_s == 0 ? event.unix_s : std::min(s.asked_unix_s, event.unix_s);
  }
  if (s.waiting_for == event.text) return Add(step, {Action::kRest});
  s.waiting_for = event.text;
  QueueStep(s, s.phase < Phase::kVerified ? 105 : 135, "waiting: " + event.text);
  Add(step, {Action::kSendFeedback, Action::kRest});
}

// The restart did not come: the hub hears of it, and it is asked for again.
void NotRestarted(Step& step, const Event& event) {
  AgentState& s = step.state;
  if (s.waiting_for != event.text) QueueStep(s, 135, "waiting: " + event.text);
  s.waiting_for = event.text;
  Add(step, {Action::kSendFeedback, Action::kBackOff});
}

// What it waits for stays until it is ready: who objects in between, each time anew, is said once.
void MayInstall(Step& step, const Event&) { Add(step, {Action::kPrepare}); }

void Already(Step& step, const Event& event) {
  Close(step, true, "runs already: " + event.text, event);
  Add(step, {Action::kSendFeedback, Action::kRest});
}

const char* KindWords(Plan::Kind kind) {
  switch (kind) {
    case Plan::Kind::kFull:
      return "a full payload";
    case Plan::Kind::kDelta:
      return "a delta";
    case Plan::Kind::kChunks:
      return "chunks";
    case Plan::Kind::kCopy:
      return "a copy";
  }
  return "a payload";
}

void StartInstall(Step& step, const Event& event) {
  AgentState& s = step.state;
  s.phase = Phase::kInstalling;
  s.waiting_for.clear();
  s.erase_spare = false;
  s.target = OtherSlot(event.boot.running);
  s.slot(s.target, s.plan.component) = SlotImage{};
  for (const Plan& plan : s.waiting) s.slot(s.target, plan.component) = SlotImage{};
  QueueStep(s, 110,
            std::string("downloading ") + KindWords(s.plan.kind) + " of " + std::to_string(s.plan.payload_bytes) +
                " bytes" + (s.waiting.empty() ? "" : ", " + std::to_string(s.waiting.size()) + " more parts"));
  Add(step, {Action::kSendFeedback, Action::kInstall});
}

void GoOnInstalling(Step& step, const Event&) {
  step.state.waiting_for.clear();
  Add(step, {Action::kInstall});
}

void Progress(Step& step, const Event& event) {
  AgentState& s = step.state;
  CountReceived(s, event);
  if (event.travel_bytes == 0) {
    s.checkpoint = event.checkpoint;
  } else if (event.travel_bytes != s.plan.travel_bytes) {
    s.total_bytes += event.travel_bytes - s.plan.travel_bytes;  // modulo 2^64, as wanted
    s.plan.travel_bytes = event.travel_bytes;
    QueueStep(s, 110, "of them " + std::to_string(event.travel_bytes) + " bytes are not here");
  }
}

void Written(Step& step, const Event& event) {
  AgentState& s = step.state;
  s.phase = Phase::kWritten;
  s.received_bytes = event.received_bytes;
  s.peak_rss_kib = event.peak_rss_kib;
  if (s.waiting.empty()) QueueStep(s, 120, "written: " + std::to_string(s.plan.target.length_bytes) + " bytes");
  Add(step, {Action::kSendFeedback, Action::kReadBack});
}

void Verified(Step& step, const Event&) {
  AgentState& s = step.state;
  s.slot(s.target, s.plan.component) = s.plan.target;
  if (!s.waiting.empty()) {
    s.received_before += s.received_bytes;
    s.received_bytes = 0;
    s.checkpoint = delta::Checkpoint{};
    s.plan = s.waiting.front();
    s.waiting.erase(s.waiting.begin());
    s.phase = Phase::kInstalling;
    return Add(step, {Action::kInstall});
  }
  s.phase = Phase::kVerified;
  QueueStep(s, 130, "verified: read back, peak memory " + std::to_string(s.peak_rss_kib) + " KiB");
  Add(step, {Action::kSendFeedback, Action::kAskSwitch});
}

void Switch(Step& step, const Event&) {
  AgentState& s = step.state;
  s.phase = Phase::kTrying;
  s.waiting_for.clear();
  QueueStep(s, 140, "trying: " + s.version);
  Add(step, {Action::kBeginTrial, Action::kSendFeedback, Action::kReboot});
}

void Healthy(Step& step, const Event&) { Add(step, {Action::kConfirm}); }

void Unhealthy(Step& step, const Event& event) {
  step.state.failure = event.text;
  Add(step, {Action::kMarkFailed, Action::kReboot});
}

void Confirmed(Step& step, const Event& event) {
  AgentState& s = step.state;
  s.floor = std::max(s.floor, std::min(s.signed_floor, s.slot(s.target).rollback_index));
  Close(step, true, "confirmed: " + s.version, event);
  Add(step, {Action::kSendFeedback, Action::kPoll});
}

void CancelNow(Step& step, const Event& event) {
  AgentState& s = step.state;
  if (event.action == s.action && !s.action.empty()) {
    EraseIfWritten(step);
    QueueCancelAnswer(s, event.action, true, "stopped");
    s.closed_action = s.action;
    Forget(s);
  } else {
    QueueCancelAnswer(s, event.action, true, "not under way here");
  }
  Add(step, {Action::kSendFeedback, Action::kRest});
}

void CancelTooLate(Step& step, const Event& event) {
  QueueCancelAnswer(step.state, event.action, false, "too late: the new image is being tried");
  Add(step, {Action::kSendFeedback, Action::kRest});
}

// --- Starting, by what the boot record says ---

std::string FallBackReason(uint8_t reason) {
  switch (reason) {
    case TILL_BOOT_REASON_TRIES:
      return "boot: tries used up";
    case TILL_BOOT_REASON_HEALTH:
      return "health: checks failed";
    case TILL_BOOT_REASON_IMAGE:
      return "boot: image not bootable";
    case TILL_BOOT_REASON_FLOOR:
      return "boot: below the rollback floor";
    case TILL_BOOT_REASON_OPERATOR:
      return "boot: marked failed by hand";
    default:
      return "boot: fell back";
  }
}

void RollBack(Step& step, const std::string& reason, const Event& event) {
  EraseIfWritten(step);
  Close(step, false, reason, event);
  Add(step, {Action::kSendFeedback, Action::kPoll});
}

void RebootAgain(Step& step) {
  AgentState& s = step.state;
  if (++s.reboots > kMaxReboots) {
    s.failure = "boot: the new slot was not started in " + std::to_string(kMaxReboots) + " restarts";
    return Add(step, {Action::kMarkFailed, Action::kLook});
  }
  Add(step, {Action::kSendFeedback, Action::kReboot});
}

void StartTrying(Step& step, const Event& event) {
  AgentState& s = step.state;
  const BootView& boot = event.boot;
  const bool failing = !s.failure.empty();
  if (boot.in_trial && boot.running == boot.trial) {
    if (failing) return Add(step, {Action::kMarkFailed, Action::kReboot});
    return Add(step, {Action::kCheckHealth});
  }
  if (boot.in_trial) {
    if (!failing) return RebootAgain(step);
    return Add(step, {Action::kMarkFailed, Action::kLook});
  }
  if (boot.running != boot.stable) return Add(step, {Action::kReboot});  // marked failed, still running in it
  if (boot.has_failed) return RollBack(step, failing ? s.failure : FallBackReason(boot.failed_reason), event);
  if (boot.running == s.target) return Confirmed(step, event);               // killed behind the confirm
  Add(step, {Action::kBeginTrial, Action::kSendFeedback, Action::kReboot});  // killed before the trial
}

// A trial that this journal knows nothing about: somebody began it by hand, or the journal was lost.
void StartIdle(Step& step, const Event& event) {
  const BootView& boot = event.boot;
  if (boot.in_trial && boot.running == boot.trial) {
    step.state.phase = Phase::kTrying;
    step.state.target = boot.running;
    step.state.version = step.state.slot(boot.running).version;
    return Add(step, {Action::kCheckHealth});
  }
  if (step.state.erase_spare && !boot.in_trial) Add(step, {Action::kEraseSpare});
  PollNow(step, event);
}

// The trial could not be begun.
void TrialRefused(Step& step, const Event& event) { RollBack(step, event.text, event); }

// Somebody started the other slot meanwhile: what lies in the one that runs is no half-written payload of ours.
void StartInstalling(Step& step, const Event& event) {
  if (event.boot.running == step.state.target) Forget(step.state);
  PollNow(step, event);
}

void StartWritten(Step& step, const Event&) { Add(step, {Action::kReadBack}); }
void StartVerified(Step& step, const Event&) { Add(step, {Action::kAskSwitch}); }

// --- The table ---

struct Row {
  Phase phase;
  Kind event;
  void (*act)(Step& step, const Event& event);
};

constexpr std::array kTable = {
    Row{Phase::kIdle, Kind::kStarted, StartIdle},
    Row{Phase::kIdle, Kind::kNothing, Rest},
    Row{Phase::kIdle, Kind::kOffer, Offer},
    Row{Phase::kIdle, Kind::kCancel, CancelNow},
    Row{Phase::kIdle, Kind::kAccepted, Accept},
    Row{Phase::kIdle, Kind::kAlready, Already},
    Row{Phase::kIdle, Kind::kRefused, Refuse},
    Row{Phase::kIdle, Kind::kInterrupted, BackOff},

    Row{Phase::kOffered, Kind::kStarted, PollNow},
    Row{Phase::kOffered, Kind::kNothing, Gone},
    Row{Phase::kOffered, Kind::kOffer, Offer},
    Row{Phase::kOffered, Kind::kCancel, CancelNow},
    Row{Phase::kOffered, Kind::kAccepted, AcceptAgain},
    Row{Phase::kOffered, Kind::kAlready, Already},
    Row{Phase::kOffered, Kind::kRefused, RefuseOrNext},
    Row{Phase::kOffered, Kind::kInterrupted, BackOff},
    Row{Phase::kOffered, Kind::kNotYet, NotYet},
    Row{Phase::kOffered, Kind::kMayInstall, MayInstall},
    Row{Phase::kOffered, Kind::kReady, StartInstall},

    Row{Phase::kInstalling, Kind::kStarted, StartInstalling},
    Row{Phase::kInstalling, Kind::kNothing, Gone},
    Row{Phase::kInstalling, Kind::kOffer, Offer},
    Row{Phase::kInstalling, Kind::kCancel, CancelNow},
    Row{Phase::kInstalling, Kind::kAccepted, AcceptAgain},
    Row{Phase::kInstalling, Kind::kRefused, RefuseOrNext},
    Row{Phase::kInstalling, Kind::kNotYet, NotYet},
    Row{Phase::kInstalling, Kind::kMayInstall, MayInstall},
    Row{Phase::kInstalling, Kind::kReady, GoOnInstalling},
    Row{Phase::kInstalling, Kind::kProgress, Progress},
    Row{Phase::kInstalling, Kind::kInterrupted, BackOff},
    Row{Phase::kInstalling, Kind::kInstalled, Written},

    Row{Phase::kWritten, Kind::kStarted, StartWritten},
    Row{Phase::kWritten, Kind::kRefused, Refuse},
    Row{Phase::kWritten, Kind::kReadBack, Verified},

    Row{Phase::kVerified, Kind::kStarted, StartVerified},
    Row{Phase::kVerified, Kind::kRefused, Refuse},
    Row{Phase::kVerified, Kind::kCancel, CancelNow},
    Row{Phase::kVerified, Kind::kNotYet, NotYet},
    Row{Phase::kVerified, Kind::kMaySwitch, Switch},

    Row{Phase::kTrying, Kind::kStarted, StartTrying},
    Row{Phase::kTrying, Kind::kRefused, TrialRefused},
    Row{Phase::kTrying, Kind::kNotYet, NotRestarted},
    Row{Phase::kTrying, Kind::kHealthy, Healthy},
    Row{Phase::kTrying, Kind::kUnhealthy, Unhealthy},
    Row{Phase::kTrying, Kind::kConfirmed, Confirmed},
    Row{Phase::kTrying, Kind::kCancel, CancelTooLate},
};

}  // namespace

const char* ActionName(Action action) {
  switch (action) {
    case Action::kSendFeedback:
      return "send-feedback";
    case Action::kPoll:
      return "poll";
    case Action::kCheck:
      return "check";
    case Action::kAskInstall:
      return "ask-install";
    case Action::kPrepare:
      return "prepare";
    case Action::kInstall:
      return "install";
    case Action::kReadBack:
      return "read-back";
    case Action::kAskSwitch:
      return "ask-switch";
    case Action::kBeginTrial:
      return "begin-trial";
    case Action::kLook:
      return "look";
    case Action::kReboot:
      return "reboot";
    case Action::kCheckHealth:
      return "check-health";
    case Action::kConfirm:
      return "confirm";
    case Action::kMarkFailed:
      return "mark-failed";
    case Action::kEraseSpare:
      return "erase-spare";
    case Action::kBackOff:
      return "back-off";
    case Action::kRest:
      return "rest";
  }
  return "rest";
}

Step Decide(const AgentState& state, const Event& event) {
  Step step;
  step.state = state;
  for (const Row& row : kTable) {
    if (row.phase != state.phase || row.event != event.kind) continue;
    row.act(step, event);
    break;
  }
  return step;
}

}  // namespace till::device
