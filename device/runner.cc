#include "device/runner.h"

#include <algorithm>
#include <cstring>

#include "device/faults.h"
#include "device/record_flash.h"
#include "device/restart.h"
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
  TILL_TRY(MakeFolders(config.run_dir));
  Parts parts;
  const std::string journal = config.journal.empty() ? config.data_dir + "/journal" : config.journal;
  parts.journal = TILL_TRY(OpenRecords(journal, Journal::kCopyBytes, RecordKind::kLog, true));
  parts.boot_record = TILL_TRY(OpenRecords(config.boot_state, TILL_BOOT_COPY_STRIDE_BYTES, RecordKind::kInPlace, true));
  const auto components = TILL_TRY(ComponentsOf(config));
  parts.slots = SlotsAt(config.slot_a, config.slot_b);
  for (size_t i = 1; i < components.size(); i++) {
    parts.more_slots.push_back(SlotsAt(components[i].slot_a, components[i].slot_b));
  }
  return parts;
}

ConfinedFetcher::Options FetcherOptions(const Config& config) {
  ConfinedFetcher::Options options;
  options.http = DdiClient::HttpOptions(config);
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
      more_slots_(std::move(parts.more_slots)),
      server_(std::move(parts.server)),
      fetcher_(std::move(parts.fetcher)),
      status_(config.run_dir + "/status.json", running, *parts.clock),
      judge_(std::move(parts.judge)),
      expiry_(parts.expiry),
      locks_(config.run_dir, *parts.clock) {
  const auto components = ComponentsOf(config);
  for (size_t i = 0; components.ok() && i < components->size() && i <= more_slots_.size(); i++) {
    components_.push_back((*components)[i].name);
    places_.push_back((*components)[i]);
  }
  const auto earliest = [this] { return judge_ && judge_->ClockIsWrong() ? judge_->NowUnixS() : int64_t{0}; };
  if (!server_) server_ = std::make_unique<DdiClient>(config, token_, &StopAsked(), earliest);
  if (fetcher_) return;
  ConfinedFetcher::Options options = FetcherOptions(config);
  options.http.earliest_unix_s = earliest;
  fetcher_ = std::make_unique<ConfinedFetcher>(std::move(options));
}

const Refusal* Runner::hindrance() const {
  for (const std::optional<Refusal>* each : {&contact_, &hindrance_, &slot_trouble_}) {
    if (*each) return &**each;
  }
  return nullptr;
}

// With the slot's name: "slot b of rootfs, /dev/mtd5: not found".
Refusal Runner::SlotRefusal(const Error& error, size_t component, SlotId slot) const {
  const ComponentSlots& place = places_[component];
  const std::string& path = slot == SlotId::kA ? place.slot_a : place.slot_b;
  return Refuse(kSlotUnusable, std::string("slot ") + SlotName(slot) + " of " + place.name + ", " + path + ": " +
                                   log::Describe(error));
}

void Runner::Complain(const Refusal& refusal) {
  status_.SetError(refusal.Reason());
  log::Warn(refusal.fault->what, {{"code", refusal.fault->code}, {"context", refusal.context}});
}

// The action waits for a better hour.
Runner::Outcome Runner::Interrupt(const Refusal& refusal) {
  Complain(refusal);
  hindrance_ = refusal;
  return Emit(Event::Kind::kInterrupted);
}

Event Runner::Make(Event::Kind kind, std::string text) const {
  Event event;
  event.kind = kind;
  event.text = std::move(text);
  event.boot = boot_view_;
  event.unix_s = Now();
  event.clock_is_right = judge_ && !judge_->ClockIsWrong();
  return event;
}

int64_t Runner::Now() const {
  const int64_t known = judge_ ? judge_->NowUnixS() : 0;
  return known > 0 ? known : clock_.UnixMs() / 1000;
}

Runner::Outcome Runner::Emit(Event::Kind kind, std::string text) const {
  Outcome outcome;
  outcome.event = Make(kind, std::move(text));
  return outcome;
}

Runner::Outcome Runner::EmitRefused(const Refusal& refusal) {
  Complain(refusal);
  refused_ = refusal;
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
bool Runner::VerifyRunningImage(size_t component) {
  const SlotImage& image = state_.slot(running_, component);
  const std::string where = components_[component] + " in slot " + SlotName(running_);
  if (!image.known) return Complain(Refuse(kImageUnknown, where)), false;
  auto slot = bank(component).OpenForReading(running_);
  if (!slot.ok()) {
    slot_trouble_ = SlotRefusal(slot.error(), component, running_);
    return Complain(*slot_trouble_), false;
  }
  ImageInSlot view(**slot, image.length_bytes);
  const auto digest = crypto::Sha256OfSource(view);
  if (digest.ok() && *digest == image.sha256) return true;
  return Complain(Refuse(kImageChanged, where)), false;
}

void Runner::VerifyRunningImages() {
  for (size_t i = 0; i < components_.size(); i++) running_known_[i] = VerifyRunningImage(i);
  status_.SetRunningImageKnown(running_known_[0]);
}

std::optional<Refusal> Runner::OpenTrust() {
  const auto root = ReadTextFile(config_.trusted_root);
  const std::string tuf_folder = config_.data_dir + "/tuf";
  if (!root.ok() && !FileExists(tuf_folder + "/root.json")) return Refuse(kTrustRefused, config_.trusted_root);
  auto trust = Trust::Open(tuf_folder, root.ok() ? *root : "", clock_, expiry_);
  if (!trust.ok()) {
    const bool disk = trust.error().code == ErrorCode::kIo || IsDiskFull(trust.error());
    return Refuse(disk ? kDataFolder : kTrustRefused, trust.error());
  }
  judge_ = std::move(trust).value();
  return std::nullopt;
}

std::optional<Refusal> Runner::Start() {
  status_.Recall();
  const Status locks = locks_.Prepare(config_.lock_group);
  if (!locks.ok())
    return Refuse(kDataFolder,
                  config_.run_dir + "/locks, lock_group " + config_.lock_group + ": " + log::Describe(locks.error()));
  const Status loaded = journal_.Load();
  if (!loaded.ok()) return Refuse(kJournal, loaded.error());
  const Status journal_firm = journal_.MakeFirm();
  if (!journal_firm.ok()) return Refuse(kJournal, journal_firm.error());
  state_ = journal_.state();
  const auto read = boot_.Read();
  if (!read.ok()) return Refuse(kBootRecord, read.error());
  if (auto refusal = RestoreBootRecord(*read)) return refusal;
  const Status firm = boot_.MakeFirm(*read);
  if (!firm.ok()) return Refuse(kBootRecord, firm.error());
  const auto view = LookAtBootRecord();
  if (!view.ok()) return Refuse(kBootRecord, view.error());
  boot_view_ = *view;
  if (!judge_) {
    if (auto refusal = OpenTrust()) return refusal;
  }
  if (judge_->ClockIsWrong()) Complain(Refuse(kClockUnknown, ""));
  VerifyRunningImages();
  status_.Write(state_, state_.received(), true);
  return std::nullopt;
}

// --- The loop ---

// What an action that ended came to, for whoever asked for one cycle.
void Runner::Note(const Step& step) {
  if (step.ending == Ending::kNone) return;
  ending_ = step.ending;
  ending_reason_ = step.reason;
  if (step.ending == Ending::kFailed) {
    if (!hindrance_) hindrance_ = refused_ ? *refused_ : Refuse(kUpdateFailed, step.reason);
    KeepFailure();
  }
  refused_.reset();
}

RunEnd Runner::Run(bool once) {
  once_ = once;
  Event event = Make(Event::Kind::kStarted);
  while (!StopAsked().load()) {
    event.boot = boot_view_;
    event.unix_s = Now();
    event.clock_is_right = !judge_->ClockIsWrong();
    if (state_.phase == Phase::kTrying && event.kind == Event::Kind::kStarted) event.details = KernelDetails();
    const Step step = Decide(state_, event);
    const Status saved = SaveIfChanged(step.state);
    if (!saved.ok()) {
      Complain(Refuse(kJournal, saved.error()));
      return RunEnd::kFailed;  // nothing may happen that would be forgotten
    }
    status_.Write(state_, state_.received(), true);
    Note(step);
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
    case Action::kAskInstall:
      return AskInstall();
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
  NoteContact();
  ask_anew_ = ask_anew_ || back_off;
  status_.Write(state_, state_.received(), true);  // with what went wrong since the last time
  if (once_) {
    outcome.end = RunEnd::kStopped;
    return outcome;
  }
  int64_t wait_ms = 0;
  if (back_off) {
    const unsigned round = std::min(back_off_round_++, 12u);
    wait_ms = Jittered(std::min(kBackOffFirstMs << round, kBackOffMostMs));
    wait_ms = std::max(wait_ms, server_->retry_after_s() * 1000);
  } else {
    back_off_round_ = 0;
    const int64_t sleep_s = config_.poll_s != 0 ? static_cast<int64_t>(config_.poll_s) : server_sleep_s_;
    // A tenth more or less: a shop's terminals were all switched on at once, and must not poll at once for ever.
    wait_ms = sleep_s * 700 + Jittered(sleep_s * 400);
    wait_ms = std::max<int64_t>(wait_ms, static_cast<int64_t>(config_.poll_min_s) * 1000);
    if (look_again_ms_ > 0) wait_ms = std::min(wait_ms, look_again_ms_);
  }
  look_again_ms_ = 0;
  reached_ = false;
  contact_.reset();
  hindrance_.reset();
  ending_ = Ending::kNone;
  gate_.Reset();
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
  const int status = RunRestart(config_.reboot);
  if (status != 0) return NotRestarted(config_.reboot + " ended with " + std::to_string(status));
  WaitForStop(120'000);  // the restart takes us along
  if (!StopAsked().load()) return NotRestarted(config_.reboot + " ended with 0, and nothing happened");
  outcome.end = RunEnd::kStopped;
  return outcome;
}

// The hub hears of it: it waits for this terminal to come back.
Runner::Outcome Runner::NotRestarted(const std::string& why) {
  hindrance_ = Refuse(kRebootFailed, why);
  Complain(*hindrance_);
  return Emit(Event::Kind::kNotYet, hindrance_->Reason());
}

}  // namespace till::device
