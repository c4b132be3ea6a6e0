// Who may object to an update: windows, the month's data budget, the till's application, the merchant, the server, the
// integrator's hooks.
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "core/file.h"
#include "core/text.h"
#include "device/child_process.h"
#include "device/faults.h"
#include "device/gates.h"
#include "device/runner.h"
#include "device/stop_signal.h"

namespace till::device {
namespace {

constexpr int64_t kLookAtWindowMs = 60'000;
constexpr int64_t kLookAtLockMs = 10'000;
constexpr int64_t kAskAgainMs = 60'000;
constexpr int kLater = 75;  // EX_TEMPFAIL

tm LocalTime(int64_t unix_s) {
  const time_t seconds = unix_s;
  tm local{};
  localtime_r(&seconds, &local);
  return local;
}

}  // namespace

Runner::Outcome Runner::NotYet(const std::string& why, int64_t look_again_ms) {
  look_again_ms_ = look_again_ms;
  if (!hindrance_) hindrance_ = Refuse(kWaits, why);
  log::Info("waiting", {{"for", why}});
  return Emit(Event::Kind::kNotYet, why);
}

// A wrong clock does not know the hour: then a window counts as shut, and the status says why (T2007).
bool Runner::WindowIsOpen(const std::string& window) const {
  const auto spans = ParseWindow(window);
  if (!spans.ok() || spans->empty()) return spans.ok();
  return !judge_->ClockIsWrong() && InWindow(*spans, LocalTime(Now()));
}

// --- The data budget ---

// A month that a clock named when it ran ahead must not keep the budget shut until it comes.
void Runner::TakeMonthBack(AgentState& state) const {
  const uint32_t now = MonthOf(LocalTime(Now()));
  if (now < state.month && !judge_->ClockIsWrong()) state.month = now;
}

uint64_t Runner::BudgetLeft() const {
  return Budget{config_.data_budget, state_.month, state_.month_bytes}.left_bytes(MonthOf(LocalTime(Now())));
}

void Runner::CountWireBytes(AgentState& state) {
  if (wire_bytes_ == 0) return;
  TakeMonthBack(state);
  const uint32_t month = MonthOf(LocalTime(Now()));
  if (month > state.month) {
    state.month = month;
    state.month_bytes = 0;
  }
  state.month_bytes += wire_bytes_;
  wire_bytes_ = 0;
}

Runner::Outcome Runner::AskInstall() {
  const bool local = !server_->takes_reports();  // a technician stands before the terminal
  if (!local && !WindowIsOpen(config_.download_window)) return NotYet("download window", kLookAtWindowMs);
  if (!local && config_.data_budget > 0) {
    const uint64_t wanted = state_.total_bytes - std::min(state_.total_bytes, state_.received());
    if (wanted > config_.data_budget) {
      return EmitRefused(
          Refuse(kOverBudget, FormatSize(wanted) + " wanted, " + FormatSize(config_.data_budget) + " a month"));
    }
    AgentState next = state_;
    TakeMonthBack(next);
    const Status saved = SaveIfChanged(next);
    if (!saved.ok()) Complain(Refuse(kJournal, saved.error()));
    if (wanted > BudgetLeft()) return NotYet("data budget", 0);
  }
  return Emit(Event::Kind::kMayInstall);
}

// --- Hooks ---

// The hook's exit status; 0 when there is none, -1 when it did not end by itself.
int Runner::RunHook(const char* name, std::string& said) {
  if (config_.hooks_dir.empty()) return 0;
  ChildCall call{.path = config_.hooks_dir + "/" + name,
                 .deadline_ms = static_cast<int64_t>(config_.hook_deadline_s) * 1000};
  if (access(call.path.c_str(), X_OK) != 0) return 0;
  const std::string& other = running_ == SlotId::kA ? config_.slot_b : config_.slot_a;
  call.environment = {{"TILL_SLOT", SlotName(running_)},   {"TILL_SLOT_IMAGE", SlotPath(running_)},
                      {"TILL_SPARE", SlotName(spare())},   {"TILL_SPARE_IMAGE", other},
                      {"TILL_VERSION", state_.version},    {"TILL_ACTION", state_.action},
                      {"TILL_REASON", state_.trouble.text}};
  const ChildEnd end = RunChild(call, clock_);
  if (!end.good()) said = std::string(name) + " " + end.Describe(call.deadline_ms);
  return end.exit_code();
}

// nullopt: go on.
std::optional<Runner::Outcome> Runner::AskHook(const char* name) {
  std::string said;
  const int code = RunHook(name, said);
  if (code == 0) return std::nullopt;
  if (code == kLater) return NotYet(std::string("hook ") + name, kAskAgainMs);
  return EmitRefused(Refuse(kHookRefused, said));
}

void Runner::TellHook(const char* name) {
  std::string said;
  if (RunHook(name, said) != 0) log::Warn("a hook failed", {{"hook", said}});
}

// --- The restart ---

// nullopt: go on. The answer lies in data_dir/consent (`tilld consent`), or the hook `consent` gives it: 0 now, else
// later.
std::optional<Runner::Outcome> Runner::AskConsent() {
  if (config_.consent != "ask") return std::nullopt;
  const std::string file = config_.data_dir + "/consent";
  const auto text = ReadTextFile(file, 4096);
  const auto answer = text.ok() ? DecodeConsent(*text) : Result<Consent>(text.error());
  const ConsentQuestion question{.action = state_.action,
                                 .now_unix_s = Now(),
                                 .asked_unix_s = state_.asked_unix_s,
                                 .patience_s = static_cast<int64_t>(config_.consent_patience_s)};
  switch (JudgeConsent(answer.ok() ? *answer : Consent{}, question)) {
    case ConsentVerdict::kYes:
      return std::nullopt;
    case ConsentVerdict::kLater:
      return NotYet("consent: later", kAskAgainMs);
    case ConsentVerdict::kAsk:
      break;
  }
  if (config_.hooks_dir.empty() || access((config_.hooks_dir + "/consent").c_str(), X_OK) != 0) {
    return NotYet("consent", kAskAgainMs);
  }
  std::string said;
  if (RunHook("consent", said) == 0) return std::nullopt;
  const Consent later{state_.action, false, Now() + std::min(static_cast<int64_t>(config_.defer_s), kLongestLaterS)};
  const std::string kept = EncodeConsent(later);
  const Status saved = WriteFileAtomically(file, AsBytes(kept));
  if (!saved.ok()) log::Warn("the answer is not kept", {{"cause", saved.error()}});
  return NotYet("consent: later", kAskAgainMs);
}

Runner::Outcome Runner::AskSwitch() {
  const Status server = AskServer();
  if (!server.ok() && server.error().code == ErrorCode::kUnavailable) return NotYet("server window", 0);
  if (!server.ok()) {
    Outcome outcome = Emit(Event::Kind::kCancel);
    outcome.event->action = cancel_action_;
    return outcome;
  }
  if (!WindowIsOpen(config_.window)) return NotYet("window", kLookAtWindowMs);
  const auto held = locks_.List();
  if (!held.empty()) return NotYet("lock: " + held[0].reason, std::min(held[0].left_ms, kLookAtLockMs));
  if (auto outcome = AskConsent()) return *outcome;
  if (auto outcome = AskHook("pre-switch")) return *outcome;
  auto gate = locks_.ShutGate();  // from here on no lock is given
  if (!gate.ok() && gate.error().code == ErrorCode::kConflict) return NotYet("lock", kLookAtLockMs);
  if (gate.ok()) gate_ = std::move(*gate);
  return Emit(Event::Kind::kMaySwitch);
}

}  // namespace till::device
