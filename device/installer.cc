#include "device/installer.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/crypto/hash.h"
#include "core/file.h"
#include "device/chunk_install.h"
#include "device/faults.h"
#include "device/slot_target.h"
#include "device/source_round.h"

namespace till::device {
namespace {

constexpr uint64_t kMaxHeadBytes = 33 << 20;        // a list for 4 GiB and one chunk
constexpr uint64_t kCopyCheckpointBytes = 1 << 20;  // within one long COPY

}  // namespace

Result<size_t> ImageInSlot::ReadAt(uint64_t offset, MutableByteView out) {
  if (offset >= length_bytes_) return size_t{0};
  return slot_.ReadAt(offset, out.first(std::min<uint64_t>(out.size(), length_bytes_ - offset)));
}

struct Installer::Job {
  Job(Installer& installer, const InstallInput& job_input)
      : fetcher(installer.fetcher_), observer(installer.observer_), input(job_input), target(*job_input.slot) {
    checkpoint = input.checkpoint;
  }

  InstallEnd Run();

  // --- what every step below answers: go on (nothing is set) or end ---
  enum class Flow : uint8_t { kGoOn, kJump, kNextSource, kRestart, kEnd };  // kJump: bytes from elsewhere
  Flow EndWith(InstallEnd::Kind kind);
  Flow RefuseWith(Refusal refusal);
  Flow Classify(const Error& error);

  bool LoadHead();
  void SaveHead();
  Flow TakeListBytes(ByteView& bytes);
  Flow TakeChunkBytes(ByteView& bytes);
  Flow TakeChunk();
  Flow OpenApplier(ByteView first_chunk);
  Flow StartApplier();
  void FollowApplier();
  Flow Push(uint64_t start, ByteView bytes);
  Flow Settle();
  Status OnBytes(ByteView bytes);
  Flow Download(const PayloadSource& source);
  Flow FinishInstall();
  uint64_t position() const;
  void DropPartial();

  PayloadFetcher& fetcher;
  InstallObserver& observer;
  const InstallInput& input;

  Bytes list_bytes;  // the encoded chunk list, as far as it came
  std::optional<ChunkList> chunks;
  Bytes first_chunk;
  Bytes partial;  // of chunk `next_chunk`, from its byte `chunk_from` on
  size_t next_chunk = 0;
  size_t chunk_from = 0;  // what is before it came in an earlier life: the checkpoint holds its hash
  const PayloadSource* partial_from = nullptr;
  bool mixed = false;  // `partial` holds bytes of two sources
  const PayloadSource* current = nullptr;
  std::optional<Error> trouble;  // why `current` did not deliver

  std::optional<delta::PayloadHeader> header;
  std::optional<WatchedSource> base;
  std::optional<delta::VerifiedBase> verified_base;
  SlotTarget target;
  std::unique_ptr<delta::Applier> applier;
  delta::Checkpoint checkpoint;  // the last one saved
  bool resumed = false;
  uint64_t furthest = 0;

  Flow flow = Flow::kGoOn;
  InstallEnd end;
};

Installer::Job::Flow Installer::Job::EndWith(InstallEnd::Kind kind) {
  end.kind = kind;
  return flow = Flow::kEnd;
}

Installer::Job::Flow Installer::Job::RefuseWith(Refusal refusal) {
  end.refusal = std::move(refusal);
  return EndWith(InstallEnd::Kind::kRefused);
}

uint64_t Installer::Job::position() const {
  if (!chunks) return list_bytes.size();
  const uint64_t at = input.plan.chunk_list_bytes + next_chunk * chunks->chunk_bytes() + chunk_from + partial.size();
  return std::min(at, input.plan.payload_bytes);  // the last chunk is short
}

void Installer::Job::DropPartial() {
  partial.clear();
  chunk_from = 0;
  mixed = false;
  if (!chunks) list_bytes.clear();
}

// Why the applier or what is under it stopped.
Installer::Job::Flow Installer::Job::Classify(const Error& error) {
  if (target.failure()) return RefuseWith(Refuse(kSlotWrite, *target.failure()));
  if (base && base->failure()) return RefuseWith(Refuse(kSlotUnusable, *base->failure()));
  // Every chunk had its signed hash: after a resume the checkpoint is what is wrong (forged, or the slot lost what it
  // had called durable). Once from the start; the second time it is the payload.
  const bool doubtful = error.code == ErrorCode::kRefused || error.code == ErrorCode::kCorrupt;
  if (doubtful && resumed) return flow = Flow::kRestart;
  if (error.code == ErrorCode::kUnsupported) return RefuseWith(Refuse(kFormatTooNew, error));
  return RefuseWith(Refuse(kPayloadRefused, error));
}

bool Installer::Job::LoadHead() {
  auto bytes = ReadBinaryFile(input.head_file, kMaxHeadBytes);
  const uint64_t list_length = input.plan.chunk_list_bytes;
  if (!bytes.ok() || bytes->size() < list_length) return false;
  const ByteView all(*bytes);
  if (crypto::Sha256Of(all.first(list_length)) != input.plan.chunk_list) return false;
  auto list = ChunkList::Decode(all.first(list_length));
  if (!list.ok() || list->chunk_count() == 0 || !list->Matches(0, all.subspan(list_length))) return false;
  chunks = std::move(list).value();
  first_chunk.assign(all.begin() + static_cast<ptrdiff_t>(list_length), all.end());
  return true;
}

void Installer::Job::SaveHead() {
  Bytes all = chunks->Encode();
  all.insert(all.end(), first_chunk.begin(), first_chunk.end());
  // Only a convenience: without it a resume fetches the head again.
  const Status saved = WriteFileAtomically(input.head_file, all, 0600);
  if (!saved.ok()) log::Warn("the payload's head is not kept", {{"cause", saved.error()}});
}

Installer::Job::Flow Installer::Job::TakeListBytes(ByteView& bytes) {
  const size_t take = std::min<uint64_t>(bytes.size(), input.plan.chunk_list_bytes - list_bytes.size());
  list_bytes.insert(list_bytes.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(take));
  bytes = bytes.subspan(take);
  if (list_bytes.size() < input.plan.chunk_list_bytes) return flow;
  if (crypto::Sha256Of(list_bytes) != input.plan.chunk_list) {
    list_bytes.clear();
    return flow = Flow::kNextSource;
  }
  auto list = ChunkList::Decode(list_bytes);
  if (!list.ok()) return RefuseWith(Refuse(kPayloadRefused, list.error()));
  if (list->chunk_count() == 0 || list->body_length() != input.plan.payload_bytes - input.plan.chunk_list_bytes) {
    return RefuseWith(Refuse(kPayloadRefused, "its chunk list is of another length"));
  }
  chunks = std::move(list).value();
  list_bytes = Bytes();
  return flow;
}

Installer::Job::Flow Installer::Job::TakeChunkBytes(ByteView& bytes) {
  if (next_chunk >= chunks->chunk_count()) return flow = Flow::kNextSource;  // more than the signed length
  if (!partial.empty() && partial_from != current) mixed = true;
  partial_from = current;
  const uint64_t length = chunks->ChunkLength(next_chunk) - chunk_from;
  const size_t take = std::min<uint64_t>(bytes.size(), length - partial.size());
  partial.insert(partial.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(take));
  bytes = bytes.subspan(take);
  if (partial.size() < length) return flow;
  return TakeChunk();
}

Installer::Job::Flow Installer::Job::TakeChunk() {
  if (!chunks->MatchesRest(next_chunk, checkpoint.chunk, chunk_from, partial)) {
    log::Warn("a source served wrong bytes", {{"url", current->url}, {"chunk", next_chunk}});
    if (chunk_from > 0) mixed = true;  // or the checkpoint is wrong: all of the chunk tells
    return flow = Flow::kNextSource;
  }
  mixed = false;
  if (applier) {
    const uint64_t follows = (next_chunk + 1) * chunks->chunk_bytes();
    const uint64_t start = next_chunk * chunks->chunk_bytes() + chunk_from;
    if (Push(start, partial) != Flow::kGoOn) return flow;
    // A resume that had to fetch the payload's map again goes on elsewhere.
    if (next_chunk * chunks->chunk_bytes() + chunk_from != follows) flow = Flow::kJump;
  } else {
    first_chunk = partial;
    SaveHead();
    if (OpenApplier(first_chunk) != Flow::kGoOn || StartApplier() != Flow::kGoOn) return flow;
  }
  partial.clear();
  return Settle();
}

Installer::Job::Flow Installer::Job::OpenApplier(ByteView chunk) {
  auto decoded = delta::DecodeHeader(chunk);
  if (!decoded.ok()) return Classify(decoded.error());
  const Plan& plan = input.plan;
  const bool is_delta = decoded->kind == delta::PayloadKind::kDelta;
  if (decoded->target_sha256 != plan.target.sha256 || decoded->target_size != plan.target.length_bytes ||
      is_delta != plan.is_delta() || (is_delta && decoded->base_sha256 != plan.base) ||
      decoded->arena_bytes > plan.arena_bytes) {
    return RefuseWith(Refuse(kPayloadRefused, "its header says something else than its signed entry"));
  }
  header = *decoded;
  if (is_delta && !input.base) return RefuseWith(Refuse(kImageUnknown, ""));
  if (input.base) base.emplace(*input.base);
  auto checked = delta::VerifiedBase::Check(is_delta ? &*base : nullptr, *header);
  if (!checked.ok()) {
    if (base && base->failure()) return RefuseWith(Refuse(kSlotUnusable, *base->failure()));
    return RefuseWith(Refuse(kWrongBase, checked.error()));
  }
  verified_base.emplace(*checked);
  return flow;
}

// A new applier, at the checkpoint or at the start.
Installer::Job::Flow Installer::Job::StartApplier() {
  delta::ApplierOptions options;
  options.chunks = &*chunks;
  options.header = &*header;
  options.base = &*verified_base;
  options.target = &target;
  options.max_arena_bytes = input.arena_bytes;
  auto made = delta::Applier::Create(options);
  if (!made.ok()) {
    const bool memory = made.error().code == ErrorCode::kLimit;
    return RefuseWith(Refuse(memory ? kTooMuchMemory : kPayloadRefused, made.error()));
  }
  applier = std::move(made).value();
  resumed = checkpoint != delta::Checkpoint{};
  if (!target.Begin(checkpoint.target_offset, header->target_size).ok()) {
    if (!resumed) return RefuseWith(Refuse(kSlotWrite, *target.failure()));
    return flow = Flow::kRestart;
  }
  const Status started = resumed ? applier->Resume(checkpoint, *input.slot) : applier->Start();
  if (!started.ok()) return Classify(started.error());
  FollowApplier();
  return next_chunk > 0 ? flow : Push(0, first_chunk);
}

void Installer::Job::FollowApplier() {
  next_chunk = applier->next_body_offset() / chunks->chunk_bytes();
  chunk_from = applier->next_body_offset() % chunks->chunk_bytes();
}

// Checked bytes that end with their chunk, from `start` in the body on.
Installer::Job::Flow Installer::Job::Push(uint64_t start, ByteView bytes) {
  // What the applier passes over: a resume within the first chunk, which is kept, or a chunk that came whole after all.
  const uint64_t skip = applier->next_body_offset() - start;
  const Status written = applier->Write(bytes.subspan(skip));
  if (!written.ok()) return Classify(written.error());
  FollowApplier();
  return flow;
}

// After a chunk: a checkpoint if a frame was completed, and word to the observer.
Installer::Job::Flow Installer::Job::Settle() {
  furthest = std::max(furthest, position());
  const delta::Checkpoint latest = applier->LastCheckpoint();
  Status told = Ok();
  if (latest.body_offset != checkpoint.body_offset ||
      latest.target_offset >= checkpoint.target_offset + kCopyCheckpointBytes) {
    if (!target.Sync().ok()) return RefuseWith(Refuse(kSlotWrite, *target.failure()));
    checkpoint = latest;
    told = observer.OnCheckpoint(latest, furthest);
  }
  if (told.ok()) told = observer.OnBytes(furthest);
  if (told.ok()) return flow;
  if (told.error().code == ErrorCode::kCanceled) return EndWith(InstallEnd::Kind::kCanceled);
  if (told.error().code == ErrorCode::kUnavailable) return EndWith(InstallEnd::Kind::kInterrupted);
  return RefuseWith(Refuse(kJournal, told.error()));
}

Status Installer::Job::OnBytes(ByteView bytes) {
  while (!bytes.empty()) {
    const Flow next = chunks ? TakeChunkBytes(bytes) : TakeListBytes(bytes);
    if (next != Flow::kGoOn) return Error{ErrorCode::kCanceled, "enough"};
  }
  return Ok();
}

// One source, until it ends. kGoOn: it gave all it had.
Installer::Job::Flow Installer::Job::Download(const PayloadSource& source) {
  current = &source;
  trouble.reset();
  flow = Flow::kGoOn;
  const FetchRange range{position(), input.plan.payload_bytes};
  const auto status = fetcher.Fetch(source, range, [this](ByteView bytes) { return OnBytes(bytes); });
  if (flow == Flow::kNextSource) trouble = Error{ErrorCode::kCorrupt, "it served wrong bytes", position()};
  if (flow != Flow::kGoOn) return flow;
  if (!status.ok()) {
    if (status.error().code == ErrorCode::kCanceled) return EndWith(InstallEnd::Kind::kInterrupted);
    trouble = status.error();
    log::Warn("a source ended early", {{"url", source.url}, {"at", position()}, {"cause", status.error()}});
    return flow = status.error().code == ErrorCode::kUnavailable ? Flow::kGoOn : Flow::kNextSource;
  }
  const Status judged = JudgeHttpStatus(*status);
  trouble = judged.ok() ? Error{ErrorCode::kUnavailable, "it gave less than the payload", position()} : judged.error();
  if (!judged.ok()) log::Warn("a source does not have the payload", {{"url", source.url}, {"status", *status}});
  return flow;
}

Installer::Job::Flow Installer::Job::FinishInstall() {
  const Status finished = applier->Finish();
  if (!finished.ok()) return Classify(finished.error());
  if (!target.Sync().ok()) return RefuseWith(Refuse(kSlotWrite, *target.failure()));
  return EndWith(InstallEnd::Kind::kInstalled);
}

InstallEnd Installer::Job::Run() {
  if (LoadHead() && OpenApplier(first_chunk) == Flow::kGoOn) StartApplier();
  SourceRound round(input.sources, position());
  while (flow != Flow::kEnd && round.current()) {
    if (flow == Flow::kRestart) {
      log::Warn("the checkpoint does not fit this payload: from the start", {});
      checkpoint = delta::Checkpoint{};
      applier.reset();
      next_chunk = 0;
      DropPartial();
      flow = Flow::kGoOn;
      if (StartApplier() != Flow::kGoOn) break;
    }
    if (chunks && next_chunk >= chunks->chunk_count() && partial.empty()) {
      if (FinishInstall() == Flow::kRestart) continue;
      break;
    }
    const Flow next = Download(*round.current());
    if (next == Flow::kEnd || next == Flow::kRestart || next == Flow::kJump) continue;
    if (chunks && next_chunk >= chunks->chunk_count() && partial.empty() && next == Flow::kGoOn) continue;
    if (trouble) round.Blame(*trouble);
    if (next == Flow::kNextSource) {
      const bool whose = !mixed;  // a wrong chunk of two sources: this one is asked for all of it
      DropPartial();
      flow = Flow::kGoOn;
      if (whose) round.Drop(position());
    } else {
      round.Next(position());
    }
  }
  end.received_bytes = furthest;
  if (end.kind == InstallEnd::Kind::kInterrupted && round.all_dropped() > 0) {
    RefuseWith(Refuse(kPayloadDamaged, NobodyDelivers(round.troubles()).context));
  } else if (end.kind == InstallEnd::Kind::kInterrupted && flow != Flow::kEnd && !round.current()) {
    end.refusal = NobodyDelivers(round.troubles());
  }
  return end;
}

InstallEnd Installer::Run(const InstallInput& input) {
  if (input.plan.kind == Plan::Kind::kChunks) return InstallChunks(fetcher_, observer_, input);
  return Job(*this, input).Run();
}

}  // namespace till::device
