// The runner's work on the spare slots: preflight, installation, read-back.
#include <sys/resource.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "core/file.h"
#include "core/text.h"
#include "device/faults.h"
#include "device/metered_fetcher.h"
#include "device/restart.h"
#include "device/runner.h"
#include "device/stop_signal.h"

namespace till::device {
namespace {

constexpr uint64_t kDearPermille = 700;           // of an image: chunks that are more count as a full payload
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

// The data folder's head file (chunk list and first chunk, or the index) and some room for the journal.
constexpr uint64_t kDataMarginBytes = 128 << 10;
constexpr int64_t kLookForRoomMs = 600'000;

bool HasRoom(const std::string& folder, uint64_t bytes) {
  struct statvfs about;
  if (statvfs(folder.c_str(), &about) != 0) return true;
  return static_cast<uint64_t>(about.f_bavail) * about.f_frsize >= bytes;
}

// What is wrong with this payload, or with this base, need not be wrong with the next choice.
bool MayChooseAgain(const Refusal& refusal) {
  const Fault* faults[] = {&kWrongBase,      &kImageUnknown,  &kImageChanged, &kPayloadDamaged,
                           &kPayloadRefused, &kTooMuchMemory, &kFormatTooNew};
  return std::find(std::begin(faults), std::end(faults), refusal.fault) != std::end(faults);
}

}  // namespace

// Everything that can be known before the first byte. The last check writes the boot record: what cannot be switched
// to must not be downloaded.
std::optional<Refusal> Runner::CheckSizes() {
  std::vector<Plan> plans = {state_.plan};
  plans.insert(plans.end(), state_.waiting.begin(), state_.waiting.end());
  const auto available = AvailableMemory();
  for (const Plan& plan : plans) {
    if (available && *available < plan.arena_bytes + kMemoryMarginBytes) {
      return Refuse(kTooMuchMemory, FormatSize(plan.arena_bytes) + " needed, " + FormatSize(*available) + " available");
    }
    const auto slot = bank(plan.component).OpenSpare(spare(), running_);
    if (!slot.ok()) return SlotRefusal(slot.error(), plan.component, spare());
    if ((*slot)->size() < plan.target.length_bytes) {
      return Refuse(kSlotTooSmall, FormatSize(plan.target.length_bytes) + " into " + FormatSize((*slot)->size()));
    }
  }
  return std::nullopt;
}

std::optional<Refusal> Runner::Preflight() {
  if (auto refusal = CheckSizes()) return refusal;
  const Status restart = LookForRestart(config_.reboot);
  if (!restart.ok())
    return Refuse(kRestartMissing, "reboot = " + config_.reboot + ": " + log::Describe(restart.error()));
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

// The data folder takes the payload's head while it flows. A full one may have room again tomorrow.
bool Runner::DataFolderHasRoom() const {
  uint64_t head_bytes = state_.plan.chunk_list_bytes + state_.plan.index_bytes;
  for (const Plan& plan : state_.waiting) head_bytes = std::max(head_bytes, plan.chunk_list_bytes + plan.index_bytes);
  return HasRoom(config_.data_dir, head_bytes + kDataMarginBytes);
}

Runner::Outcome Runner::Prepare() {
  if (auto outcome = AskHook("pre-install")) return *outcome;
  if (!DataFolderHasRoom()) {
    hindrance_ = Refuse(kDataFolder, "there is no room in " + config_.data_dir);
    return NotYet(std::string(kDataFolder.code) + " no room in the data folder", kLookForRoomMs);
  }
  if (const auto refusal = Preflight()) return RefuseInstall(*refusal);
  return Emit(Event::Kind::kReady);
}

// Says too whether policy knows another payload for the same image.
Runner::Outcome Runner::RefuseInstall(const Refusal& refusal) {
  Outcome outcome = EmitRefused(refusal);
  if (!deployment_ || !MayChooseAgain(refusal)) return outcome;
  const auto part = std::find_if(parts_.begin(), parts_.end(),
                                 [&](const AcceptedOffer& p) { return p.plan.SamePayload(state_.plan); });
  if (part == parts_.end()) return outcome;
  Deployment one = *deployment_;
  one.chunks = {deployment_->chunks[part->chunk]};
  TerminalFacts facts = Facts(state_.plan.component, one.chunks[0]);
  facts.refused.push_back(state_.plan.payload);
  AcceptedOffer next;
  const auto none = judge_->Check(one, facts, next);
  const bool given_up = std::find(facts.refused.begin(), facts.refused.end(), next.plan.payload) != facts.refused.end();
  outcome.event->next_choice = !none && !given_up && !next.runs_already;
  return outcome;
}

InstallEnd Runner::RunInstaller(const AcceptedOffer& part) {
  InstallEnd end;
  end.kind = InstallEnd::Kind::kRefused;
  auto slot = bank(part.plan.component).OpenSpare(spare(), running_);
  if (!slot.ok()) return end.refusal = SlotRefusal(slot.error(), part.plan.component, spare()), end;
  auto running = bank(part.plan.component).OpenForReading(running_);
  if (!running.ok()) return end.refusal = SlotRefusal(running.error(), part.plan.component, running_), end;
  const SlotImage& image = state_.slot(running_, part.plan.component);
  // Chunks are found in anything: all that the slot holds where it is not known what runs.
  ImageInSlot base(**running, running_known_[part.plan.component] ? image.length_bytes : (*running)->size());

  InstallInput input;
  input.plan = state_.plan;
  input.checkpoint = state_.checkpoint;
  input.base = state_.plan.kind == Plan::Kind::kFull ? nullptr : &base;
  input.slot = slot->get();
  input.head_file = config_.data_dir + "/payload.head";
  input.arena_bytes = config_.arena;
  const DdiChunk& chunk = deployment_->chunks[part.chunk];
  full_allowed_ = Facts(part.plan.component, chunk).full_fallback;
  for (const std::string& mirror : chunk.mirrors) {
    const std::string url = MirrorUrl(mirror, input.plan.payload);
    input.sources.push_back({url, server_->HeadersFor(url)});
  }
  const std::string& own = chunk.artifacts[part.artifact].url;
  if (!own.empty()) input.sources.push_back({own, server_->HeadersFor(own)});
  next_look_ms_ = clock_.MonotonicMs() + 5'000;
  if (!server_->takes_reports()) return Installer(*fetcher_, *this).Run(input);  // a medium costs nobody's data
  MeteredFetcher metered(*fetcher_, wire_bytes_, BudgetLeft());
  end = Installer(metered, *this).Run(input);
  if (end.kind == InstallEnd::Kind::kInterrupted && metered.used_up()) {
    end.refusal = Refuse(kOverBudget, "the month's " + FormatSize(config_.data_budget) + " are used up");
  }
  return end;
}

Runner::Outcome Runner::Install() {
  if (state_.plan.is_copy()) return Copy();
  const auto part = std::find_if(parts_.begin(), parts_.end(),
                                 [&](const AcceptedOffer& p) { return p.plan.SamePayload(state_.plan); });
  if (!deployment_ || part == parts_.end()) return Poll();  // after a restart: where it is to be had
  const InstallEnd end = RunInstaller(*part);
  Outcome outcome;
  switch (end.kind) {
    case InstallEnd::Kind::kInstalled:
      back_off_round_ = 0;
      outcome = Emit(Event::Kind::kInstalled);
      outcome.event->peak_rss_kib = PeakRssKib();
      log::Info("installed", {{"version", state_.plan.target.version}, {"peak_rss_kib", PeakRssKib()}});
      break;
    case InstallEnd::Kind::kInterrupted:
      outcome = StopAsked().load() ? Emit(Event::Kind::kInterrupted)
                                   : Interrupt(end.refusal.fault ? end.refusal : Refuse(kNoSource, ""));
      break;
    case InstallEnd::Kind::kCanceled:
      outcome = Emit(Event::Kind::kCancel);
      outcome.event->action = cancel_action_;
      break;
    case InstallEnd::Kind::kRefused:
      outcome = RefuseInstall(end.refusal);
      break;
  }
  outcome.event->received_bytes = std::max(end.received_bytes, state_.received_bytes);
  CountWireBytes(state_);  // kept with what the event makes of it
  return outcome;
}

// A component that the release leaves as it is: over to the other slot, byte by byte, without the network. A cut
// begins it again; the read-back compares it with the image's signed hash.
Runner::Outcome Runner::Copy() {
  const Plan& plan = state_.plan;
  auto slot = bank(plan.component).OpenSpare(spare(), running_);
  if (!slot.ok()) return EmitRefused(SlotRefusal(slot.error(), plan.component, spare()));
  auto running = bank(plan.component).OpenForReading(running_);
  if (!running.ok()) return EmitRefused(SlotRefusal(running.error(), plan.component, running_));
  Status copied = (*slot)->BeginAt(0, plan.target.length_bytes);
  std::array<std::byte, 16 << 10> piece;
  for (uint64_t at = 0; copied.ok() && at < plan.target.length_bytes;) {
    if (StopAsked().load()) return Emit(Event::Kind::kInterrupted);
    const MutableByteView want =
        MutableByteView(piece).first(std::min<uint64_t>(piece.size(), plan.target.length_bytes - at));
    copied = ReadFully(**running, at, want);
    if (!copied.ok()) return EmitRefused(Refuse(kSlotUnusable, copied.error()));
    copied = (*slot)->Write(want);
    at += want.size();
  }
  if (copied.ok()) copied = (*slot)->Sync();
  if (!copied.ok()) return EmitRefused(Refuse(kSlotWrite, copied.error()));
  Outcome outcome = Emit(Event::Kind::kInstalled);
  outcome.event->peak_rss_kib = state_.peak_rss_kib;
  return outcome;
}

Status Runner::OnCheckpoint(const delta::Checkpoint& checkpoint, uint64_t received_bytes) {
  Event event = Make(Event::Kind::kProgress);
  event.checkpoint = checkpoint;
  event.received_bytes = received_bytes;
  AgentState next = Decide(state_, event).state;
  CountWireBytes(next);
  return SaveIfChanged(next);
}

// Chunks are the whole image by another name when the base has little of it: that goes by the rule for full payloads.
std::optional<InstallEnd> Runner::OnPlanned(uint64_t travel_bytes) {
  InstallEnd end;
  end.kind = InstallEnd::Kind::kRefused;
  const std::string told = FormatSize(travel_bytes) + " of " + FormatSize(state_.plan.target.length_bytes);
  if (!full_allowed_ && travel_bytes * 1000 > state_.plan.target.length_bytes * kDearPermille) {
    end.refusal = Refuse(kFullNotAllowed, "the chunks that are not here come to " + told);
    return end;
  }
  Event event = Make(Event::Kind::kProgress);
  event.received_bytes = state_.received_bytes;
  event.travel_bytes = travel_bytes;
  const Status saved = SaveIfChanged(Decide(state_, event).state);
  if (!saved.ok()) {
    end.refusal = Refuse(kJournal, saved.error());
    return end;
  }
  const uint64_t left = travel_bytes - std::min(travel_bytes, state_.received_bytes);
  if (config_.data_budget == 0 || !server_->takes_reports() || left <= BudgetLeft()) return std::nullopt;
  if (left <= config_.data_budget) end.kind = InstallEnd::Kind::kInterrupted;  // AskInstall() waits for the month
  end.refusal = Refuse(kOverBudget, told + " are wanted, " + FormatSize(BudgetLeft()) + " are left this month");
  return end;
}

Status Runner::OnBytes(uint64_t received_bytes) {
  status_.Write(state_, state_.received_before + std::max(received_bytes, state_.received_bytes), false);
  back_off_round_ = 0;  // bytes flow
  if (StopAsked().load()) return Error{ErrorCode::kUnavailable, "stopped"};
  const int64_t now_ms = clock_.MonotonicMs();
  if (now_ms < next_look_ms_) return Ok();
  const int64_t interval_s = config_.poll_s != 0 ? static_cast<int64_t>(config_.poll_s) : server_sleep_s_;
  next_look_ms_ = now_ms + std::clamp<int64_t>(interval_s, 5, 60) * 1000;
  return CheckForCancel();
}

Runner::Outcome Runner::ReadBack() {
  auto slot = bank(state_.plan.component).OpenForReading(spare());
  if (!slot.ok()) return EmitRefused(Refuse(kReadBackWrong, slot.error()));
  ImageInSlot image(**slot, state_.plan.target.length_bytes);
  const auto digest = crypto::Sha256OfSource(image);
  if (!digest.ok()) return EmitRefused(Refuse(kReadBackWrong, digest.error()));
  if (*digest != state_.plan.target.sha256) return EmitRefused(Refuse(kReadBackWrong, ToHex(*digest).substr(0, 16)));
  if (state_.waiting.empty()) {
    if (auto outcome = AskHook("post-install")) return *outcome;
  }
  return Emit(Event::Kind::kReadBack);
}

}  // namespace till::device
