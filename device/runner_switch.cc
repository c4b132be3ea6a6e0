// The runner's work on the boot record: trial, health, confirm, rollback.
#include "device/faults.h"
#include "device/health.h"
#include "device/runner.h"
#include "device/stop_signal.h"

namespace till::device {

Runner::Outcome Runner::BeginTrial() {
  const SlotImage& target = state_.slot(state_.target);
  const auto view = LookAtBootRecord();
  if (view.ok() && view->in_trial && view->trial == spare()) return {};
  const Status begun =
      boot_.BeginTrial(spare(), target.version, target.rollback_index, static_cast<uint8_t>(config_.tries));
  if (!begun.ok()) return EmitRefused(Refuse(kBootRecord, begun.error()));
  return {};
}

Runner::Outcome Runner::CheckHealth() {
  HealthInput input;
  input.folder = config_.health_dir;
  input.deadline_ms = static_cast<int64_t>(config_.health_deadline_s) * 1000;
  input.slot_image = SlotPath(running_);
  input.slot_name = std::string(SlotName(running_));
  input.version = state_.slot(running_).version;
  // The images must still be the ones that were signed: the first check, before any script.
  HealthVerdict verdict;
  for (size_t i = 0; i < components_.size() && verdict.healthy; i++) {
    const bool expected = i == 0 || state_.slot(running_, i).known;
    if (!expected || running_known_[i]) continue;
    verdict.healthy = false;
    verdict.reason.append("health: the slot does not hold the signed image of ").append(components_[i]);
  }
  if (verdict.healthy) verdict = RunHealthChecks(input, clock_);
  if (verdict.healthy && verdict.checks == 0 && !input.folder.empty()) {
    Complain(Refuse(kHealthFolder, "no check in " + input.folder));
    // Nobody has seen that the image works, and somebody wanted to: the old one did.
    verdict.healthy = !HealthRequired(config_);
    if (!verdict.healthy) verdict.reason = "health: no check in " + input.folder;
  }
  if (verdict.healthy) return Emit(Event::Kind::kHealthy);
  Complain(Refuse(kHealthFailed, verdict.reason));
  return Emit(Event::Kind::kUnhealthy, verdict.reason);
}

Runner::Outcome Runner::Confirm() {
  const Status confirmed = boot_.Confirm(running_, state_.signed_floor);
  if (!confirmed.ok()) {
    Complain(Refuse(kBootRecord, confirmed.error()));
    return Rest(true);
  }
  const auto view = LookAtBootRecord();
  if (view.ok()) boot_view_ = *view;
  status_.SetError("");
  TellHook("post-confirm");
  log::Info("confirmed", {{"slot", SlotName(running_)}, {"version", state_.slot(running_).version}});
  return Emit(Event::Kind::kConfirmed);
}

void Runner::MarkFailed() {
  const bool health = state_.failure.starts_with("health:");
  const uint8_t reason = health ? TILL_BOOT_REASON_HEALTH : TILL_BOOT_REASON_TRIES;
  const Status marked = boot_.MarkFailed(boot_view_.trial, reason);
  if (!marked.ok()) Complain(Refuse(kBootRecord, marked.error()));
  const auto view = LookAtBootRecord();
  if (view.ok()) boot_view_ = *view;
}

void Runner::EraseSpare() {
  AgentState next = state_;
  for (size_t i = 0; i < components_.size(); i++) {
    // What was not touched (nothing of the action went there) stays.
    if (state_.slot(spare(), i).known && i > 0 && state_.slot(spare(), i).sha256 == state_.slot(running_, i).sha256) {
      continue;
    }
    auto slot = bank(i).OpenSpare(spare(), running_);
    const Status erased = slot.ok() ? (*slot)->Erase() : Status(slot.error());
    if (!erased.ok()) return Complain(Refuse(kSlotWrite, erased.error()));  // asked for again at the next start
    next.slot(spare(), i) = SlotImage{};
  }
  next.erase_spare = false;
  const Status saved = SaveIfChanged(next);
  if (!saved.ok()) Complain(Refuse(kJournal, saved.error()));
}

}  // namespace till::device
