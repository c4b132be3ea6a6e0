#include "device/runner.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "device/faults.h"
#include "device/record_flash.h"
#include "device/stop_signal.h"

namespace till::device {
namespace {

constexpr int64_t kBackOffFirstMs = 1'000;
constexpr int64_t kBackOffMostMs = 600'000;

// Between half and all of it, so that a fleet that fell together does not return together.
int64_t Jittered(int64_t ms) {
  uint64_t random = 0;
  const Bytes bytes = crypto::RandomBytes(sizeof(random));
  memcpy(&random, bytes.data(), sizeof(random));
  return ms / 2 + static_cast<int64_t>(random % (static_cast<uint64_t>(ms) / 2 + 1));
}

}  // namespace

Result<Parts> OpenParts(const Config& config) {
  TILL_TRY(MakeFolders(config.data_dir));
  Parts parts;
  const std::string journal = config.journal.empty() ? config.data_dir + "/journal" : config.journal;
  parts.journal = TILL_TRY(OpenRecords(journal, Journal::kCopyBytes, RecordKind::kLog, true));
  parts.boot_record = TILL_TRY(OpenRecords(config.boot_state, TILL_BOOT_COPY_STRIDE_BYTES, RecordKind::kInPlace, true));
  parts.slots = SlotsAt(config.slot_a, config.slot_b);
  return parts;
}

ConfinedFetcher::Options FetcherOptions(const Config& config) {
  ConfinedFetcher::Options options;
  options.http.user_agent = DdiClient::UserAgent(config);
  options.http.ca_file = config.ca_file;
  options.http.max_receive_bytes_per_s = config.rate_limit;
  options.http.connect_timeout_ms = 10'000;
  options.http.cancel = &StopAsked();
  options.user = config.download_user;
  return options;
}

Runner::Runner(const Config& config, std::string token, SlotId running, Parts parts)
    : config_(config),
      token_(std::move(token)),
      running_(running),
      clock_(*parts.clock),
      journal_(std::move(parts.journal)),
      boot_(std::move(parts.boot_record)),
      slots_(std::move(parts.slots)),
      server_(std::move(parts.server)),
      fetcher_(std::move(parts.fetcher)),
      status_(config.data_dir + "/status.json", running, *parts.clock),
      judge_(std::move(parts.judge)) {
  if (!server_) server_ = std::make_unique<DdiClient>(config, token_, &StopAsked());
  if (!fetcher_) fetcher_ = std::make_unique<ConfinedFetcher>(FetcherOptions(config));
}

void Runner::Complain(const Refusal& refusal) {
  status_.SetError(refusal.Reason());
  log::Warn(refusal.fault->what, {{"code", refusal.fault->code}, {"context", refusal.context}});
}

Event Runner::Make(Event::Kind kind, std::string text) const {
  Event event;
  event.kind = kind;
  event.text = std::move(text);
  event.boot = boot_view_;
  return event;
}

Runner::Outcome Runner::Emit(Event::Kind kind, std::string text) const {
  Outcome outcome;
  outcome.event = Make(kind, std::move(text));
  return outcome;
}

Runner::Outcome Runner::EmitRefused(const Refusal& refusal) {
  Complain(refusal);
  return Emit(Event::Kind::kRefused, refusal.Reason());
}

Status Runner::SaveIfChanged(const AgentState& next) {
  if (journal_.found() && EncodeState(next) == EncodeState(journal_.state())) {
    state_ = next;
    return Ok();
  }
  TILL_TRY(journal_.Save(next));
  state_ = next;
  return Ok();
}

// --- Start ---

// Without a record the boot code guesses. The running image was verified by whoever started it; what stands in the
// journal says whether it was on trial.
std::optional<Refusal> Runner::RestoreBootRecord(const till_boot_copies& read) {
  if (read.found) return std::nullopt;
  Complain(Refuse(kBootRecord, "neither copy is valid: it is made anew"));
  const bool on_trial = state_.phase == Phase::kTrying && state_.failure.empty() &&
                        state_.slot(running_).sha256 == state_.plan.target.sha256;
  const SlotId stable = on_trial ? spare() : running_;
  const SlotImage& image = state_.slot(stable);
  const uint32_t floor = std::min(state_.floor, image.rollback_index);
  Status made = boot_.Factory(stable, image.version, image.rollback_index, floor);
  if (made.ok() && on_trial) {
    const SlotImage& tried = state_.slot(running_);
    made = boot_.BeginTrial(running_, tried.version, tried.rollback_index, 1);
  }
  if (!made.ok()) return Refuse(kBootRecord, made.error());
  return std::nullopt;
}

Result<BootView> Runner::LookAtBootRecord() {
  const till_boot_copies read = TILL_TRY(boot_.Read());
  if (!read.found) return Error{ErrorCode::kCorrupt, "neither copy of the boot record is valid"};
  const till_boot_record& record = read.record;
  BootView view;
  view.running = running_;
  view.stable = static_cast<SlotId>(record.stable);
  view.in_trial = record.trial != TILL_BOOT_NO_SLOT;
  if (view.in_trial) view.trial = static_cast<SlotId>(record.trial);
  view.has_failed = record.failed != TILL_BOOT_NO_SLOT;
  if (view.has_failed) view.failed = static_cast<SlotId>(record.failed);
  view.failed_reason = record.failed_reason;
  view.floor = record.floor;
  return view;
}

// Reports say what runs only after it was hashed: a delta is chosen by that.
void Runner::VerifyRunningImage() {
  const SlotImage& image = state_.slot(running_);
  running_image_known_ = false;
  if (!image.known) {
    Complain(Refuse(kImageUnknown, std::string("slot ") + SlotName(running_)));
  } else {
    auto slot = slots_->OpenForReading(running_);
    if (!slot.ok()) return Complain(Refuse(kSlotUnusable, slot.error()));
    ImageInSlot view(**slot, image.length_bytes);
    const auto digest = crypto::Sha256OfSource(view);
    running_image_known_ = digest.ok() && *digest == image.sha256;
    if (!running_image_known_) Complain(Refuse(kImageChanged, std::string("slot ") + SlotName(running_)));
  }
  status_.SetRunningImageKnown(running_image_known_);
}

std::optional<Refusal> Runner::OpenTrust() {
  const auto root = ReadTextFile(config_.trusted_root);
  const std::string tuf_folder = config_.data_dir + "/tuf";
  if (!root.ok() && !FileExists(tuf_folder + "/root.json")) return Refuse(kTrustRefused, config_.trusted_root);
  auto trust = Trust::Open(tuf_folder, root.ok() ? *root : "", clock_);
  if (!trust.ok()) return Refuse(kTrustRefused, trust.error());
  judge_ = std::move(trust).value();
  return std::nullopt;
}

std::optional<Refusal> Runner::Start() {
  const Status loaded = journal_.Load();
  if (!loaded.ok()) return Refuse(kJournal, loaded.error());
  state_ = journal_.state();
  const auto read = boot_.Read();
  if (!read.ok()) return Refuse(kBootRecord, read.error());
  if (auto refusal = RestoreBootRecord(*read)) return refusal;
  const auto view = LookAtBootRecord();
  if (!view.ok()) return Refuse(kBootRecord, view.error());
  boot_view_ = *view;
  if (!judge_) {
    if (auto refusal = OpenTrust()) return refusal;
  }
  if (judge_->ClockIsBehind()) Complain(Refuse(kClockUnknown, ""));
  VerifyRunningImage();
  status_.Write(state_, state_.received_bytes, true);
  return std::nullopt;
}

// --- The loop ---

RunEnd Runner::Run(bool once) {
  once_ = once;
  Event event = Make(Event::Kind::kStarted);
  while (!StopAsked().load()) {
    event.boot = boot_view_;
    const Step step = Decide(state_, event);
    const Status saved = SaveIfChanged(step.state);
    if (!saved.ok()) {
      Complain(Refuse(kJournal, saved.error()));
      return RunEnd::kFailed;  // nothing may happen that would be forgotten
    }
    status_.Write(state_, state_.received_bytes, true);
    std::optional<Event> next;
    for (const Action action : step.actions) {
      if (StopAsked().load()) return RunEnd::kStopped;
      log::Debug("action", {{"name", ActionName(action)}, {"phase", PhaseName(state_.phase)}});
      Outcome outcome = Perform(action);
      if (outcome.end) return *outcome.end;
      if (outcome.event) {
        next = std::move(outcome.event);
        break;
      }
    }
    event = next ? std::move(*next) : *Rest(false).event;
  }
  return RunEnd::kStopped;
}

Runner::Outcome Runner::Perform(Action action) {
  switch (action) {
    case Action::kSendFeedback:
      return SendFeedback(), Outcome{};
    case Action::kPoll:
      return Poll();
    case Action::kCheck:
      return Check();
    case Action::kPrepare:
      return Prepare();
    case Action::kInstall:
      return Install();
    case Action::kReadBack:
      return ReadBack();
    case Action::kAskSwitch:
      return AskSwitch();
    case Action::kBeginTrial:
      return BeginTrial();
    case Action::kLook:
      return Emit(Event::Kind::kStarted);
    case Action::kReboot:
      return Reboot();
    case Action::kCheckHealth:
      return CheckHealth();
    case Action::kConfirm:
      return Confirm();
    case Action::kMarkFailed:
      return MarkFailed(), Outcome{};
    case Action::kEraseSpare:
      return EraseSpare(), Outcome{};
    case Action::kBackOff:
      return Rest(true);
    case Action::kRest:
      return Rest(false);
  }
  return {};
}

// Waits, then begins anew with what the boot record says now.
Runner::Outcome Runner::Rest(bool back_off) {
  Outcome outcome = Emit(Event::Kind::kStarted);
  if (once_) {
    outcome.end = RunEnd::kStopped;
    return outcome;
  }
  int64_t wait_ms = 0;
  if (back_off) {
    const unsigned round = std::min(back_off_round_++, 12u);
    wait_ms = Jittered(std::min(kBackOffFirstMs << round, kBackOffMostMs));
  } else {
    back_off_round_ = 0;
    const int64_t sleep_s = config_.poll_s != 0 ? static_cast<int64_t>(config_.poll_s) : server_sleep_s_;
    wait_ms = std::max<int64_t>(sleep_s, static_cast<int64_t>(config_.poll_min_s)) * 1000;
  }
  log::Debug("resting", {{"ms", wait_ms}});
  WaitForStop(wait_ms);
  const auto view = LookAtBootRecord();
  if (view.ok()) boot_view_ = *view;
  outcome.event->boot = boot_view_;
  return outcome;
}

Runner::Outcome Runner::Reboot() {
  Outcome outcome;
  outcome.end = RunEnd::kRebootWanted;
  if (config_.reboot == "exit") return outcome;
  log::Info("restarting the terminal", {{"command", config_.reboot}});
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", config_.reboot.c_str(), nullptr);
    _exit(127);
  }
  int status = -1;
  if (child > 0) waitpid(child, &status, 0);
  if (status != 0) {
    Complain(Refuse(kRebootFailed, config_.reboot));
    return Rest(true);
  }
  WaitForStop(120'000);  // the restart takes us along
  if (!StopAsked().load()) Complain(Refuse(kRebootFailed, config_.reboot + " ended, and nothing happened"));
  outcome.end = RunEnd::kStopped;
  return outcome;
}

}  // namespace till::device
