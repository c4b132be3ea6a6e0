// The runner's dealings with the update server: reports, attributes, polls, and the checks of an offer.
#include <unistd.h>

#include <algorithm>

#include "core/file.h"
#include "core/text.h"
#include "delta/format/format.h"
#include "device/contact.h"
#include "device/faults.h"
#include "device/metered_fetcher.h"
#include "device/release_medium.h"
#include "device/runner.h"
#include "device/stop_signal.h"

namespace till::device {
namespace {

constexpr int64_t kRefreshMs = 86'400'000;
constexpr int64_t kRefreshAgainMs = 3'600'000;
constexpr uint64_t kMaxMetadataBytes = 8 << 20;

// A server that will never take a report must not hold up those behind it.
bool IsHopeless(const Error& error) { return error.code == ErrorCode::kNotFound || error.code == ErrorCode::kInvalid; }

}  // namespace

// The first trouble of a cycle is its cause. A stop is none.
void Runner::Miss(const Refusal& refusal) {
  if (StopAsked().load() || contact_) return;
  contact_ = refusal;
}

// A link of the server's answer: what it says is checked no less than the server itself. The answer is asked for whole
// the next time, or "nothing changed" would hide that it was not followed.
void Runner::MissLink(const Error& error, const std::string& url) {
  ask_anew_ = true;
  Miss(LinkRefusal(error, url, config_.server));
}

// Said in the log once, not at each poll; the status keeps it until the server is reached again.
void Runner::NoteContact() {
  if (!contact_ && !reached_) return;
  if (!status_.SetContact(contact_ ? &*contact_ : nullptr)) return;
  if (!contact_) return log::Info("the server answers again");
  log::Warn(contact_->fault->what, {{"code", contact_->fault->code}, {"context", contact_->context}});
}

Result<std::optional<BaseAnswer>> Runner::AskForWork(bool fresh) {
  auto polled = server_->Poll(fresh);
  // A medium in its place is no server that answers again.
  reached_ = reached_ || (polled.ok() && server_->takes_reports());
  if (!polled.ok()) Miss(polled.error());
  return polled;
}

void Runner::SendFeedback() {
  if (!server_->takes_reports()) return;
  while (!state_.feedbacks.empty() && !StopAsked().load()) {
    const Feedback& feedback = state_.feedbacks.front();
    const Status sent = server_->PostFeedback(feedback, clock_.UnixMs());
    if (!sent.ok() && !IsHopeless(sent.error())) {
      Miss(sent.error());
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
  std::vector<std::pair<std::string, std::string>> attributes = {
      {"till.board", config_.board},
      {"till.slot", SlotName(running_)},
      {"till.format", std::to_string(delta::kMinorVersion)},
      {"till.arena_kib", std::to_string(config_.arena / 1024)},
  };
  for (size_t i = 0; i < components_.size(); i++) {
    if (!running_known_[i]) {
      attributes.push_back({"till.image." + components_[i], "unknown"});  // chunks know what to do
      continue;
    }
    const SlotImage& image = state_.slot(running_, i);
    attributes.push_back({"till.version." + components_[i], image.version});
    attributes.push_back({"till.image." + components_[i], ToHex(image.sha256)});
  }
  std::string text = ConfigDataBody(attributes);
  if (url.empty() && text == sent_attributes_) return;
  const Status sent = server_->PutConfigData(url, attributes);
  if (!sent.ok()) {
    log::Info("the attributes wait", {{"cause", sent.error()}});
    return url.empty() ? Miss(sent.error()) : MissLink(sent.error(), url);
  }
  sent_attributes_ = std::move(text);
}

Runner::Outcome Runner::Poll() {
  const bool owes_reports = !state_.feedbacks.empty() && server_->takes_reports();
  if (owes_reports) return Rest(true);  // they come first, in order
  const bool fresh = state_.phase != Phase::kIdle || ask_anew_;
  const auto polled = AskForWork(fresh);
  if (!polled.ok()) return Rest(true);
  ask_anew_ = false;
  RefreshDaily();
  if (!*polled) return Emit(Event::Kind::kNothing);
  const BaseAnswer& answer = **polled;
  if (answer.sleep_s > 0) server_sleep_s_ = std::min<int64_t>(answer.sleep_s, 86'400);
  SendConfigData(answer.config_url);
  if (!answer.cancel_url.empty()) {
    const auto stop = server_->GetCancel(answer.cancel_url);
    if (!stop.ok()) return MissLink(stop.error(), answer.cancel_url), Rest(true);
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
  if (!deployment.ok()) return MissLink(deployment.error(), url), Rest(true);
  if (!deployment->may_download) {  // for the restart AskSwitch() asks
    ask_anew_ = true;
    hindrance_ = Refuse(kWaits, "the server's window for downloads is shut");
    return Rest(false);
  }
  outcome.event->action = deployment->action;
  deployment_ = std::move(deployment).value();
  return outcome;
}

// From the hub; from the artifact `release.tuf` where the server serves no metadata.
Status Runner::RefreshTrust() {
  bool serves_none = false;
  metadata_at_ = server_->metadata_url() + "timestamp.json";
  Status refreshed = judge_->Refresh([&](const std::string& name, uint64_t max_bytes) {
    auto text = server_->GetMetadata(name, max_bytes);
    const bool missing = !text.ok() && text.error().code == ErrorCode::kNotFound;
    serves_none = serves_none || (missing && name == "timestamp.json");
    if (missing && !serves_none && !name.ends_with(".root.json")) metadata_at_ = server_->metadata_url() + name;
    const ErrorCode code = text.ok() || missing ? ErrorCode::kCanceled : text.error().code;
    if (code == ErrorCode::kUnavailable || code == ErrorCode::kInvalid) {
      Miss(ContactRefusal(text.error(), server_->metadata_url() + name));
    }
    return text;
  });
  if (!refreshed.ok() && serves_none) refreshed = RefreshFromArtifact();
  status_.SetStale(!refreshed.ok() || judge_->ClockIsWrong());
  refresh_due_ms_ = clock_.MonotonicMs() + (refreshed.ok() ? kRefreshMs : kRefreshAgainMs);
  return refreshed;
}

Status Runner::RefreshFromArtifact() {
  const std::string file = config_.data_dir + "/" + kMetadataArtifact;
  Status refreshed = Error{ErrorCode::kUnavailable, "the server has no signed metadata", 0};
  for (const DdiChunk& chunk : deployment_ ? deployment_->chunks : std::vector<DdiChunk>()) {
    for (const DdiArtifact& artifact : chunk.artifacts) {
      if (artifact.file_name != kMetadataArtifact || artifact.size_bytes > kMaxMetadataBytes) continue;
      FileSink sink = TILL_TRY(FileSink::Create(file, 0600));
      metadata_at_ = artifact.url;
      MeteredFetcher metered(*fetcher_, wire_bytes_, UINT64_MAX);
      const int status =
          TILL_TRY(metered.Fetch({artifact.url, server_->HeadersFor(artifact.url)}, {0, artifact.size_bytes},
                                 [&](ByteView bytes) { return sink.Write(bytes); }));
      if (status != 200) return Error{ErrorCode::kUnavailable, "no metadata came", static_cast<uint64_t>(status)};
      const auto medium = TILL_TRY(ReleaseMedium::Open(file));
      refreshed = judge_->Refresh(
          [&](const std::string& name, uint64_t max_bytes) { return medium->ReadMetadata(name, max_bytes); });
      unlink(file.c_str());
      if (refreshed.ok()) return refreshed;
    }
  }
  return refreshed;
}

// Without an offer too the terminal learns once a day what is current: else it could not say that it is stale.
void Runner::RefreshDaily() {
  if (state_.phase != Phase::kIdle || clock_.MonotonicMs() < refresh_due_ms_) return;
  const Status refreshed = RefreshTrust();
  if (refreshed.ok()) return;
  // A repository that other keys signed is no passing trouble: without this line only an offer would show it.
  const bool refused = refreshed.error().code == ErrorCode::kRefused && !Trust::IsExpiry(refreshed.error());
  if (refused) hindrance_ = Refuse(kTrustRefused, refreshed.error());
  if (refused) Complain(*hindrance_);
  log::Info("the signed metadata is not fresh", {{"cause", refreshed.error()}});
}

TerminalFacts Runner::Facts(size_t component, const DdiChunk& chunk) const {
  TerminalFacts facts;
  facts.board = config_.board;
  facts.product = config_.product;
  facts.component = components_[component];
  facts.arena_bytes = config_.arena;
  facts.floor = component == 0 ? std::max(boot_view_.floor, state_.floor) : 0;
  if (running_known_[component]) facts.running = state_.slot(running_, component);
  facts.full_fallback =
      config_.full_fallback == "always" || (config_.full_fallback == "server" && chunk.fallback == "full");
  facts.refused = state_.refused;
  return facts;
}

// A module of the offer belongs to the component that its signed image names.
std::optional<Refusal> Runner::CheckChunk(size_t chunk) {
  Deployment one = *deployment_;
  one.chunks = {deployment_->chunks[chunk]};
  std::optional<Refusal> refusal;
  for (size_t i = 0; i < components_.size(); i++) {
    AcceptedOffer accepted;
    refusal = judge_->Check(one, Facts(i, one.chunks[0]), accepted);
    if (refusal && refusal->fault == &kWrongComponent) continue;
    if (refusal) return refusal;
    accepted.chunk = chunk;
    accepted.plan.component = static_cast<uint8_t>(i);
    if (accepted.runs_already) {
      parts_running_++;
    } else {
      parts_.push_back(std::move(accepted));
    }
    return std::nullopt;
  }
  return refusal;
}

// The boot record switches all components at once: what the release does not bring is copied over.
std::vector<Plan> Runner::CopiesNeeded(std::vector<Plan> plans) const {
  for (size_t i = 0; i < components_.size(); i++) {
    const SlotImage& here = state_.slot(running_, i);
    const SlotImage& there = state_.slot(OtherSlot(running_), i);
    const bool brought = std::any_of(plans.begin(), plans.end(), [&](const Plan& p) { return p.component == i; });
    if (brought || !running_known_[i] || (there.known && there.sha256 == here.sha256)) continue;
    Plan copy;
    copy.component = static_cast<uint8_t>(i);
    copy.kind = Plan::Kind::kCopy;
    copy.target = here;
    plans.push_back(std::move(copy));
  }
  return plans;
}

// Ends the action for metadata that is not what it must be. A full data folder is the terminal's own trouble, and like
// metadata that is late or does not come it may pass.
Runner::Outcome Runner::WithoutTrust(const Error& error) {
  if (IsDiskFull(error) || error.code == ErrorCode::kIo) return Interrupt(Refuse(kDataFolder, error));
  if (Trust::IsExpiry(error)) return Interrupt(Refuse(kTrustExpired, error));
  const bool final =
      error.code == ErrorCode::kRefused || error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kLimit;
  if (!final && contact_) return Emit(Event::Kind::kInterrupted);
  if (!final) return Interrupt(Refuse(kTrustMissing, ShownUrl(metadata_at_) + ": " + log::Describe(error)));
  hindrance_ = Refuse(kTrustRefused, error);
  return EmitRefused(*hindrance_);
}

Runner::Outcome Runner::Check() {
  if (!deployment_) return Emit(Event::Kind::kNothing);
  const Status refreshed = RefreshTrust();
  if (!refreshed.ok()) return WithoutTrust(refreshed.error());
  parts_.clear();
  parts_running_ = 0;
  for (size_t i = 0; i < deployment_->chunks.size(); i++) {
    if (const auto refusal = CheckChunk(i)) return EmitRefused(*refusal);
  }
  if (parts_.empty() && parts_running_ == 0) return EmitRefused(Refuse(kServerAnswer, "the deployment is empty"));
  if (parts_.empty()) return Emit(Event::Kind::kAlready, state_.slot(running_).version);
  std::vector<Plan> plans;
  for (const AcceptedOffer& part : parts_) plans.push_back(part.plan);
  plans = CopiesNeeded(std::move(plans));
  Outcome outcome = Emit(Event::Kind::kAccepted);
  outcome.event->plan = plans.front();
  outcome.event->waiting.assign(plans.begin() + 1, plans.end());
  return outcome;
}

// kCanceled when the server wants the action under way stopped; any other trouble is no reason to.
Status Runner::CheckForCancel() {
  const auto polled = AskForWork(true);
  if (!polled.ok() || !*polled || (*polled)->cancel_url.empty()) return Ok();
  const auto stop = server_->GetCancel((*polled)->cancel_url);
  if (!stop.ok() || *stop != state_.action) return Ok();
  cancel_action_ = *stop;
  return Error{ErrorCode::kCanceled, "the server stops the action"};
}

// The same before the restart, and kUnavailable while the server's maintenance window is shut.
Status Runner::AskServer() {
  TILL_TRY(CheckForCancel());
  const auto polled = AskForWork(true);
  if (!polled.ok() || !*polled || ActionOfUrl((*polled)->deployment_url) != state_.action) return Ok();
  const auto deployment = server_->GetDeployment((*polled)->deployment_url);
  if (!deployment.ok() || deployment->may_update) return Ok();
  return Error{ErrorCode::kUnavailable, "the server's window is shut"};
}

}  // namespace till::device
