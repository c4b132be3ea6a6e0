// The runner's work on slots and the boot record: preflight, installation, read-back, switch, confirm, rollback.
#include <sys/resource.h>

#include <algorithm>

#include "core/file.h"
#include "core/text.h"
#include "device/faults.h"
#include "device/health.h"
#include "device/runner.h"
#include "device/stop_signal.h"

namespace till::device {
namespace {

constexpr uint64_t kMemoryMarginBytes = 1 << 20;  // besides the arena: chunk list, TLS, libcurl's buffers

// MemAvailable of /proc/meminfo; nullopt where there is none.
std::optional<uint64_t> AvailableMemory() {
  const auto text = ReadTextFile("/proc/meminfo", 64 << 10);
  if (!text.ok()) return std::nullopt;
  constexpr std::string_view kName = "MemAvailable:";
  for (const std::string_view line : Split(*text, '\n')) {
    if (!line.starts_with(kName)) continue;
    const std::string_view rest = Trim(line.substr(kName.size()));
    const auto kib = ParseUint(rest.substr(0, rest.find(' ')));
    if (kib.ok()) return *kib * 1024;
  }
  return std::nullopt;
}

uint64_t PeakRssKib() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss);
}

}  // namespace

// Everything that can be known before the first byte. The last check writes the boot record: what cannot be switched
// to must not be downloaded.
std::optional<Refusal> Runner::Preflight() {
  const Plan& plan = state_.plan;
  const auto available = AvailableMemory();
  if (available && *available < plan.arena_bytes + kMemoryMarginBytes) {
    return Refuse(kTooMuchMemory, FormatSize(plan.arena_bytes) + " needed, " + FormatSize(*available) + " available");
  }
  const auto slot = slots_->OpenSpare(spare(), running_);
  if (!slot.ok()) return Refuse(kSlotUnusable, slot.error());
  if ((*slot)->size() < plan.target.length_bytes) {
    return Refuse(kSlotTooSmall, FormatSize(plan.target.length_bytes) + " into " + FormatSize((*slot)->size()));
  }
  const auto read = boot_.Read();
  if (!read.ok()) return Refuse(kBootRecord, read.error());
  const till_boot_slot& entry = read->record.slots[static_cast<size_t>(spare())];
  const bool withdrawn = read->found && !(read->record.confirmed >> static_cast<unsigned>(spare()) & 1) &&
                         read->record.failed == TILL_BOOT_NO_SLOT && entry.rollback_index == 0 && entry.version[0] == 0;
  if (withdrawn && state_.phase == Phase::kInstalling) return std::nullopt;  // spare the flash on each retry
  const Status written = withdrawn ? boot_.RoundTrip() : boot_.Withdraw(spare());
  if (!written.ok()) return Refuse(kBootRecord, written.error());
  return std::nullopt;
}

Runner::Outcome Runner::Prepare() {
  if (const auto refusal = Preflight()) return EmitRefused(*refusal);
  return Emit(Event::Kind::kReady);
}

Runner::Outcome Runner::Install() {
  if (!deployment_) return Emit(Event::Kind::kInterrupted);
  auto slot = slots_->OpenSpare(spare(), running_);
  if (!slot.ok()) return EmitRefused(Refuse(kSlotUnusable, slot.error()));
  auto running = slots_->OpenForReading(running_);
  if (!running.ok()) return EmitRefused(Refuse(kSlotUnusable, running.error()));
  ImageInSlot base(**running, state_.slot(running_).length_bytes);

  InstallInput input;
  input.plan = state_.plan;
  input.checkpoint = state_.checkpoint;
  input.base = state_.plan.is_delta ? &base : nullptr;
  input.slot = slot->get();
  input.head_file = config_.data_dir + "/payload.head";
  input.arena_bytes = config_.arena;
  const DdiChunk& chunk = deployment_->chunks[accepted_.chunk];
  for (const std::string& mirror : chunk.mirrors) {
    const std::string url = mirror + (mirror.ends_with('/') ? "a/" : "/a/") + ToHex(input.plan.payload);
    input.sources.push_back({url, server_->HeadersFor(url)});
  }
  const std::string& own = chunk.artifacts[accepted_.artifact].url;
  if (!own.empty()) input.sources.push_back({own, server_->HeadersFor(own)});

  next_look_ms_ = clock_.MonotonicMs() + 5'000;
  InstallEnd end = Installer(*fetcher_, *this).Run(input);
  Outcome outcome;
  switch (end.kind) {
    case InstallEnd::Kind::kInstalled:
      back_off_round_ = 0;
      outcome = Emit(Event::Kind::kInstalled);
      outcome.event->peak_rss_kib = PeakRssKib();
      log::Info("installed", {{"version", state_.plan.target.version}, {"peak_rss_kib", PeakRssKib()}});
      break;
    case InstallEnd::Kind::kInterrupted:
      if (!StopAsked().load()) Complain(Refuse(kNoSource, ""));
      outcome = Emit(Event::Kind::kInterrupted);
      break;
    case InstallEnd::Kind::kCanceled:
      outcome = Emit(Event::Kind::kCancel);
      outcome.event->action = cancel_action_;
      break;
    case InstallEnd::Kind::kRefused:
      outcome = EmitRefused(end.refusal);
      break;
  }
  outcome.event->received_bytes = std::max(end.received_bytes, state_.received_bytes);
  return outcome;
}

Status Runner::OnCheckpoint(const delta::Checkpoint& checkpoint, uint64_t received_bytes) {
  Event event = Make(Event::Kind::kProgress);
  event.checkpoint = checkpoint;
  event.received_bytes = received_bytes;
  return SaveIfChanged(Decide(state_, event).state);
}

Status Runner::OnBytes(uint64_t received_bytes) {
  status_.Write(state_, std::max(received_bytes, state_.received_bytes), false);
  back_off_round_ = 0;  // bytes flow
  const int64_t now_ms = clock_.MonotonicMs();
  if (now_ms < next_look_ms_) return Ok();
  const int64_t interval_s = config_.poll_s != 0 ? static_cast<int64_t>(config_.poll_s) : server_sleep_s_;
  next_look_ms_ = now_ms + std::clamp<int64_t>(interval_s, 5, 60) * 1000;
  return CheckForCancel();
}

Runner::Outcome Runner::ReadBack() {
  auto slot = slots_->OpenForReading(spare());
  if (!slot.ok()) return EmitRefused(Refuse(kReadBackWrong, slot.error()));
  ImageInSlot image(**slot, state_.plan.target.length_bytes);
  const auto digest = crypto::Sha256OfSource(image);
  if (!digest.ok()) return EmitRefused(Refuse(kReadBackWrong, digest.error()));
  if (*digest != state_.plan.target.sha256) return EmitRefused(Refuse(kReadBackWrong, ToHex(*digest).substr(0, 16)));
  return Emit(Event::Kind::kReadBack);
}

Runner::Outcome Runner::AskSwitch() {
  if (CheckForCancel().ok()) return Emit(Event::Kind::kMaySwitch);
  Outcome outcome = Emit(Event::Kind::kCancel);
  outcome.event->action = cancel_action_;
  return outcome;
}

Runner::Outcome Runner::BeginTrial() {
  const SlotImage& target = state_.plan.target;
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
  input.slot_name = SlotName(running_);
  input.version = state_.slot(running_).version;
  // The image must still be the one that was signed: the first check, before any script.
  HealthVerdict verdict{running_image_known_, "health: the slot does not hold the signed image"};
  if (verdict.healthy) verdict = RunHealthChecks(input, clock_);
  if (verdict.healthy) return Emit(Event::Kind::kHealthy);
  Complain(Refuse(kHealthFailed, verdict.reason));
  return Emit(Event::Kind::kUnhealthy, verdict.reason);
}

Runner::Outcome Runner::Confirm() {
  const Status confirmed = boot_.Confirm(running_, state_.plan.signed_floor);
  if (!confirmed.ok()) {
    Complain(Refuse(kBootRecord, confirmed.error()));
    return Rest(true);
  }
  const auto view = LookAtBootRecord();
  if (view.ok()) boot_view_ = *view;
  status_.SetError("");
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
  auto slot = slots_->OpenSpare(spare(), running_);
  const Status erased = slot.ok() ? (*slot)->Erase() : Status(slot.error());
  if (!erased.ok()) return Complain(Refuse(kSlotWrite, erased.error()));  // asked for again at the next start
  AgentState next = state_;
  next.erase_spare = false;
  next.slot(spare()) = SlotImage{};
  const Status saved = SaveIfChanged(next);
  if (!saved.ok()) Complain(Refuse(kJournal, saved.error()));
}

}  // namespace till::device
