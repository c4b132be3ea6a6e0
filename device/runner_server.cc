// The runner's dealings with the update server: reports, attributes, polls, and the checks of an offer.
#include <algorithm>

#include "core/text.h"
#include "delta/format/format.h"
#include "device/faults.h"
#include "device/runner.h"
#include "device/stop_signal.h"

namespace till::device {
namespace {

// A server that will never take a report must not hold up those behind it.
bool IsHopeless(const Error& error) { return error.code == ErrorCode::kNotFound || error.code == ErrorCode::kInvalid; }

}  // namespace

void Runner::SendFeedback() {
  while (!state_.feedbacks.empty() && !StopAsked().load()) {
    const Feedback& feedback = state_.feedbacks.front();
    const Status sent = server_->PostFeedback(feedback, clock_.UnixMs());
    if (!sent.ok() && !IsHopeless(sent.error())) {
      log::Info("a report waits", {{"action", feedback.action}, {"cause", sent.error()}});
      return;
    }
    if (!sent.ok()) log::Warn("a report was not taken", {{"action", feedback.action}, {"cause", sent.error()}});
    AgentState next = state_;
    next.feedbacks.erase(next.feedbacks.begin());
    const Status saved = SaveIfChanged(next);
    // Sent but not crossed out: the server drops the repeat by its number.
    if (!saved.ok()) return Complain(Refuse(kJournal, saved.error()));
  }
}

void Runner::SendConfigData(const std::string& url) {
  const SlotImage& here = state_.slot(running_);
  std::vector<std::pair<std::string, std::string>> attributes = {
      {"till.board", config_.board},
      {"till.slot", SlotName(running_)},
      {"till.format", std::to_string(delta::kMinorVersion)},
      {"till.arena_kib", std::to_string(config_.arena / 1024)},
  };
  if (running_image_known_) {
    attributes.push_back({"till.version." + config_.component, here.version});
    attributes.push_back({"till.image." + config_.component, ToHex(here.sha256)});
  }
  std::string text = ConfigDataBody(attributes);
  if (url.empty() && text == sent_attributes_) return;
  const Status sent = server_->PutConfigData(url, attributes);
  if (!sent.ok()) return log::Info("the attributes wait", {{"cause", sent.error()}});
  sent_attributes_ = std::move(text);
}

Runner::Outcome Runner::Poll() {
  if (!state_.feedbacks.empty()) return Rest(true);  // reports come first, in order
  const bool fresh = state_.phase != Phase::kIdle;
  auto polled = server_->Poll(fresh);
  if (!polled.ok()) {
    if (polled.error().code == ErrorCode::kRefused) Complain(Refuse(kServerRefuses, polled.error()));
    if (polled.error().code == ErrorCode::kCorrupt) Complain(Refuse(kServerAnswer, polled.error()));
    log::Info("the server does not answer", {{"cause", polled.error()}});
    return Rest(true);
  }
  if (!*polled) return Emit(Event::Kind::kNothing);
  const BaseAnswer& answer = **polled;
  if (answer.sleep_s > 0) server_sleep_s_ = std::min<int64_t>(answer.sleep_s, 86'400);
  SendConfigData(answer.config_url);
  if (!answer.cancel_url.empty()) {
    const auto stop = server_->GetCancel(answer.cancel_url);
    if (!stop.ok()) return Rest(true);
    Outcome outcome = Emit(Event::Kind::kCancel);
    outcome.event->action = *stop;
    return outcome;
  }
  if (!answer.deployment_url.empty()) return OpenDeployment(answer.deployment_url);
  return Emit(Event::Kind::kNothing);
}

Runner::Outcome Runner::OpenDeployment(const std::string& url) {
  Outcome outcome = Emit(Event::Kind::kOffer);
  const std::string action = ActionOfUrl(url);
  if (!action.empty() && action == state_.closed_action) {
    outcome.event->action = action;
    return outcome;
  }
  auto deployment = server_->GetDeployment(url);
  if (!deployment.ok()) {
    if (deployment.error().code == ErrorCode::kNotFound) return Emit(Event::Kind::kNothing);
    if (deployment.error().code == ErrorCode::kUnavailable) return Rest(true);
    Complain(Refuse(kServerAnswer, deployment.error()));
    return Rest(true);
  }
  if (!deployment->may_download || !deployment->may_update) return Rest(false);  // its window is closed
  outcome.event->action = deployment->action;
  deployment_ = std::move(deployment).value();
  return outcome;
}

Runner::Outcome Runner::Check() {
  if (!deployment_) return Emit(Event::Kind::kNothing);
  const Status refreshed = judge_->Refresh(
      [this](const std::string& name, uint64_t max_bytes) { return server_->GetMetadata(name, max_bytes); });
  status_.SetStale(!refreshed.ok() || judge_->ClockIsBehind());
  if (!refreshed.ok()) {
    const Error& error = refreshed.error();
    const Refusal refusal = Refuse(kTrustRefused, error);
    const bool final =
        !Trust::IsExpiry(error) &&
        (error.code == ErrorCode::kRefused || error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kLimit);
    if (final) return EmitRefused(refusal);
    Complain(refusal);
    return Emit(Event::Kind::kInterrupted);
  }
  TerminalFacts facts;
  facts.board = config_.board;
  facts.product = config_.product;
  facts.component = config_.component;
  facts.arena_bytes = config_.arena;
  facts.floor = std::max(boot_view_.floor, state_.floor);
  facts.running = running_image_known_ ? state_.slot(running_) : SlotImage{};
  const auto refusal = judge_->Check(*deployment_, facts, accepted_);
  if (refusal) return EmitRefused(*refusal);
  if (accepted_.runs_already) return Emit(Event::Kind::kAlready, accepted_.plan.target.version);
  Outcome outcome = Emit(Event::Kind::kAccepted);
  outcome.event->plan = accepted_.plan;
  return outcome;
}

// kCanceled when the server wants the action under way stopped; any other trouble is no reason to.
Status Runner::CheckForCancel() {
  const auto polled = server_->Poll(true);
  if (!polled.ok() || !*polled || (*polled)->cancel_url.empty()) return Ok();
  const auto stop = server_->GetCancel((*polled)->cancel_url);
  if (!stop.ok() || *stop != state_.action) return Ok();
  cancel_action_ = *stop;
  return Error{ErrorCode::kCanceled, "the server stops the action"};
}

}  // namespace till::device
