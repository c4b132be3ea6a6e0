#include "device/chunk_install.h"

#include <algorithm>
#include <optional>

#include "core/crypto/hash.h"
#include "core/file.h"
#include "delta/chunks/chunk_assembler.h"
#include "device/faults.h"
#include "device/slot_target.h"
#include "device/source_round.h"

namespace till::device {
namespace {

constexpr uint64_t kHeldPieceBytes = 256 << 10;         // copied from the base between two looks at the observer
constexpr uint64_t kCheckpointFetchedBytes = 32 << 10;  // what a cut may cost to fetch again
constexpr uint64_t kCheckpointWrittenBytes = 1 << 20;   // what a cut may cost to copy again

class ChunkInstallation {
 public:
  ChunkInstallation(PayloadFetcher& fetcher, InstallObserver& observer, const InstallInput& input)
      : fetcher_(fetcher),
        observer_(observer),
        input_(input),
        plan_(input.plan),
        target_(*input.slot),
        round_(input.sources, 0) {}

  InstallEnd Run();

 private:
  void EndWith(InstallEnd::Kind kind);
  void RefuseWith(Refusal refusal);
  void Fail(const Error& error);
  void Heard(const Status& told);

  void LoadIndex();
  void SaveIndex();
  bool OpenIndex();
  bool OpenAssembler();
  bool StartAt(uint64_t durable_bytes);
  void TellPlan();
  std::optional<FetchRange> Wanted();
  Status TakeOfIndex(ByteView bytes);
  Status TakeOfPack(ByteView bytes);
  Status Wrong();
  void Download(const PayloadSource& source, const FetchRange& range);
  void Settle(bool at_end);
  void Finish();
  uint64_t received() const {
    return assembler_ ? plan_.index_bytes + assembler_->fetched_bytes() : index_bytes_.size();
  }

  // What is told: a wrong chunk that comes a second time takes nothing back.
  uint64_t Counted() { return furthest_ = std::max(furthest_, received()); }

  PayloadFetcher& fetcher_;
  InstallObserver& observer_;
  const InstallInput& input_;
  const Plan& plan_;

  Bytes index_bytes_;  // as far as they came; given back once they are read
  delta::ChunkIndex index_;
  std::optional<WatchedSource> base_;
  SlotTarget target_;
  std::unique_ptr<delta::ChunkAssembler> assembler_;
  uint64_t told_plan_ = 0;
  delta::Checkpoint checkpoint_;  // the last one saved
  uint64_t furthest_ = 0;
  uint64_t settled_fetched_ = 0;  // of the pack, at that time

  SourceRound round_;
  const PayloadSource* current_ = nullptr;
  const PayloadSource* partial_from_ = nullptr;
  bool mixed_ = false;  // what is collected, of a chunk or the index, came from two sources
  bool wrong_ = false;  // the current source served wrong bytes
  uint64_t taken_ = 0;  // from it

  bool ended_ = false;
  InstallEnd end_;
};

void ChunkInstallation::EndWith(InstallEnd::Kind kind) {
  end_.kind = kind;
  ended_ = true;
}

void ChunkInstallation::RefuseWith(Refusal refusal) {
  end_.refusal = std::move(refusal);
  EndWith(InstallEnd::Kind::kRefused);
}

void ChunkInstallation::Fail(const Error& error) {
  if (target_.failure()) return RefuseWith(Refuse(kSlotWrite, *target_.failure()));
  if (base_ && base_->failure()) return RefuseWith(Refuse(kSlotUnusable, *base_->failure()));
  if (error.code == ErrorCode::kUnsupported) return RefuseWith(Refuse(kFormatTooNew, error));
  if (error.code == ErrorCode::kLimit) return RefuseWith(Refuse(kTooMuchMemory, error));
  RefuseWith(Refuse(kPayloadRefused, error));
}

void ChunkInstallation::Heard(const Status& told) {
  if (told.ok()) return;
  if (told.error().code == ErrorCode::kCanceled) return EndWith(InstallEnd::Kind::kCanceled);
  if (told.error().code == ErrorCode::kUnavailable) return EndWith(InstallEnd::Kind::kInterrupted);
  RefuseWith(Refuse(kJournal, told.error()));
}

// --- The index ---

void ChunkInstallation::LoadIndex() {
  auto bytes = ReadBinaryFile(input_.head_file, delta::ChunkIndex::kMaxEncodedBytes);
  if (bytes.ok() && crypto::Sha256Of(*bytes) == plan_.index) index_bytes_ = std::move(bytes).value();
}

void ChunkInstallation::SaveIndex() {
  // Only a convenience: without it a resume fetches the index again.
  const Status saved = WriteFileAtomically(input_.head_file, index_bytes_, 0600);
  if (!saved.ok()) log::Warn("the payload's index is not kept", {{"cause", saved.error()}});
}

// Its hash was right: what is wrong now was signed so.
bool ChunkInstallation::OpenIndex() {
  auto decoded = delta::ChunkIndex::Decode(index_bytes_);
  if (!decoded.ok()) return Fail(decoded.error()), false;
  if (decoded->target_sha256 != plan_.target.sha256 || decoded->target_bytes != plan_.target.length_bytes ||
      plan_.chunk_list_bytes + plan_.index_bytes + decoded->target_bytes != plan_.payload_bytes ||
      delta::ChunkAssembler::ArenaBytesFor(*decoded) > plan_.arena_bytes) {
    return RefuseWith(Refuse(kPayloadRefused, "its index says something else than its signed entry")), false;
  }
  index_ = std::move(decoded).value();
  index_bytes_ = Bytes();
  return true;
}

// With the chunks taken for done that stand in the slot below `durable_bytes`.
bool ChunkInstallation::StartAt(uint64_t durable_bytes) {
  delta::AssemblerOptions options;
  options.index = &index_;
  options.base = base_ ? &*base_ : nullptr;
  options.base_bytes = base_ ? base_->size() : 0;
  options.target = &target_;
  options.written = input_.slot->reads_back() ? input_.slot : nullptr;
  options.max_arena_bytes = input_.arena_bytes;
  auto made = delta::ChunkAssembler::Create(options);
  if (!made.ok()) return Fail(made.error()), false;
  assembler_ = std::move(made).value();
  const auto start = assembler_->SkipWritten(*input_.slot, durable_bytes);
  const Status begun = start.ok() ? target_.Begin(*start, plan_.target.length_bytes) : Status(start.error());
  if (begun.ok()) return true;
  if (durable_bytes == 0) return RefuseWith(Refuse(kSlotWrite, begun.error())), false;
  log::Warn("what stands in the slot cannot be gone on with: from the start", {{"cause", begun.error()}});
  target_.Forgive();
  return StartAt(0);
}

bool ChunkInstallation::OpenAssembler() {
  if (!OpenIndex()) return false;
  if (input_.base) base_.emplace(*input_.base);
  if (!StartAt(input_.checkpoint.target_offset)) return false;
  const Status scanned = assembler_->Scan();
  if (!scanned.ok()) return Fail(scanned.error()), false;
  checkpoint_.target_offset = assembler_->written_bytes();
  settled_fetched_ = assembler_->fetched_bytes();
  log::Info("chunks", {{"missing_bytes", assembler_->missing_bytes()},
                       {"ranges", assembler_->range_count()},
                       {"image_bytes", index_.target_bytes},
                       {"done_bytes", assembler_->written_bytes()}});
  TellPlan();
  return !ended_;
}

void ChunkInstallation::TellPlan() {
  const uint64_t planned = received() + assembler_->missing_bytes() - assembler_->collected_bytes();
  if (planned == told_plan_) return;
  told_plan_ = planned;
  if (auto end = observer_.OnPlanned(planned)) {
    end_ = std::move(*end);
    ended_ = true;
  }
}

// --- Bytes ---

// What to fetch next; nothing when the image is whole, or the installation over.
std::optional<FetchRange> ChunkInstallation::Wanted() {
  if (!assembler_) {
    const uint64_t have = index_bytes_.size();
    if (have < plan_.index_bytes) {
      return FetchRange{plan_.chunk_list_bytes + have, plan_.payload_bytes, plan_.index_bytes - have};
    }
    if (!OpenAssembler()) return std::nullopt;
  }
  for (bool more = true; more;) {
    const auto held = assembler_->WriteHeld(kHeldPieceBytes);
    if (!held.ok()) return Fail(held.error()), std::nullopt;
    more = *held;
    Settle(false);
    if (ended_) return std::nullopt;
  }
  TellPlan();  // more than was planned when the base no longer holds what it held
  if (ended_) return std::nullopt;
  const auto range = assembler_->NextRange();
  if (!range.ok()) return Fail(range.error()), std::nullopt;
  if (!*range) return std::nullopt;
  const uint64_t pack_offset = plan_.chunk_list_bytes + plan_.index_bytes;
  return FetchRange{pack_offset + (*range)->offset, plan_.payload_bytes, (*range)->length};
}

Status ChunkInstallation::Wrong() {
  log::Warn("a source served wrong bytes", {{"url", current_->url}, {"at", received()}});
  wrong_ = true;
  return Error{ErrorCode::kCanceled, "enough"};
}

Status ChunkInstallation::TakeOfIndex(ByteView bytes) {
  if (index_bytes_.empty()) mixed_ = false;
  if (!index_bytes_.empty() && partial_from_ != current_) mixed_ = true;
  partial_from_ = current_;
  index_bytes_.reserve(plan_.index_bytes);
  const bool too_much = bytes.size() > plan_.index_bytes - index_bytes_.size();
  if (!too_much) index_bytes_.insert(index_bytes_.end(), bytes.begin(), bytes.end());
  const bool whole = index_bytes_.size() == plan_.index_bytes;
  if (too_much || (whole && crypto::Sha256Of(index_bytes_) != plan_.index)) {
    index_bytes_.clear();
    return Wrong();
  }
  if (whole) SaveIndex();
  Heard(observer_.OnBytes(Counted()));
  return Ok();
}

Status ChunkInstallation::TakeOfPack(ByteView bytes) {
  const uint64_t written = assembler_->written_bytes();
  if (assembler_->collected_bytes() > 0 && partial_from_ != current_) mixed_ = true;
  partial_from_ = current_;
  const Status taken = assembler_->Write(bytes);
  if (assembler_->written_bytes() != written) mixed_ = false;  // what is collected now is all of this source
  if (!taken.ok() && !target_.failure() && taken.error().code == ErrorCode::kCorrupt) return Wrong();
  if (!taken.ok()) return Fail(taken.error()), taken;
  Settle(false);
  return Ok();
}

void ChunkInstallation::Download(const PayloadSource& source, const FetchRange& range) {
  current_ = &source;
  wrong_ = false;
  taken_ = 0;
  const auto status = fetcher_.Fetch(source, range, [this](ByteView bytes) -> Status {
    taken_ += bytes.size();
    TILL_TRY(assembler_ ? TakeOfPack(bytes) : TakeOfIndex(bytes));
    return ended_ ? Status(Error{ErrorCode::kCanceled, "enough"}) : Ok();
  });
  if (ended_) return;
  if (wrong_) {
    round_.Blame(Error{ErrorCode::kCorrupt, "it served wrong bytes", received()});
    // A wrong chunk of two sources: this one is asked for all of it.
    if (!mixed_) round_.Drop(received());
    mixed_ = false;
    return;
  }
  if (!status.ok()) {
    if (status.error().code == ErrorCode::kCanceled) return EndWith(InstallEnd::Kind::kInterrupted);
    log::Warn("a source ended early", {{"url", source.url}, {"at", received()}, {"cause", status.error()}});
    round_.Blame(status.error());
    const bool gone = status.error().code == ErrorCode::kUnavailable;
    return gone ? round_.Next(received()) : round_.Drop(received());
  }
  const Status judged = JudgeHttpStatus(*status);
  if (!judged.ok()) log::Warn("a source does not have the payload", {{"url", source.url}, {"status", *status}});
  if (taken_ >= range.length) return;
  round_.Blame(judged.ok() ? Error{ErrorCode::kUnavailable, "it gave less than its range", received()}
                           : judged.error());
  round_.Next(received());
}

// A checkpoint when enough came since the last one, and word to the observer.
void ChunkInstallation::Settle(bool at_end) {
  const uint64_t written = assembler_->written_bytes();
  const uint64_t fetched = assembler_->fetched_bytes();
  const bool due = at_end || fetched >= settled_fetched_ + kCheckpointFetchedBytes ||
                   written >= checkpoint_.target_offset + kCheckpointWrittenBytes;
  if (!due || written <= checkpoint_.target_offset) return Heard(observer_.OnBytes(Counted()));
  if (!target_.Sync().ok()) return RefuseWith(Refuse(kSlotWrite, *target_.failure()));
  checkpoint_.target_offset = std::min(target_.durable_bytes(), written);
  settled_fetched_ = fetched;
  Heard(observer_.OnCheckpoint(checkpoint_, Counted()));
}

void ChunkInstallation::Finish() {
  const Status finished = assembler_->Finish();
  if (!finished.ok()) return Fail(finished.error());
  if (!target_.Sync().ok()) return RefuseWith(Refuse(kSlotWrite, *target_.failure()));
  EndWith(InstallEnd::Kind::kInstalled);
}

InstallEnd ChunkInstallation::Run() {
  LoadIndex();
  while (!ended_) {
    const auto range = Wanted();
    if (ended_) break;
    if (!range) {
      Finish();
      break;
    }
    const PayloadSource* source = round_.current();
    if (!source) break;
    Download(*source, *range);
  }
  if (end_.kind == InstallEnd::Kind::kInterrupted && round_.all_dropped() > 0) {
    RefuseWith(Refuse(kPayloadDamaged, NobodyDelivers(round_.troubles()).context));
  } else if (!ended_ && end_.kind == InstallEnd::Kind::kInterrupted && !round_.current()) {
    end_.refusal = NobodyDelivers(round_.troubles());
  }
  // What is here already need not come again.
  if (end_.kind == InstallEnd::Kind::kInterrupted && assembler_ && !target_.failure()) Settle(true);
  end_.received_bytes = Counted();
  return std::move(end_);
}

}  // namespace

InstallEnd InstallChunks(PayloadFetcher& fetcher, InstallObserver& observer, const InstallInput& input) {
  return ChunkInstallation(fetcher, observer, input).Run();
}

}  // namespace till::device
