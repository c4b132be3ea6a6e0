#include "delta/apply/till_apply.h"

#include <cstring>
#include <memory>
#include <new>
#include <optional>

#include "delta/apply/applier.h"

namespace till::delta {
namespace {

till_apply_result Answer(const Status& status) {
  if (status.ok()) return {TILL_APPLY_OK, "", 0};
  const Error& error = status.error();
  till_apply_code code = TILL_APPLY_INVALID;
  switch (error.code) {
    case ErrorCode::kCorrupt:
      code = TILL_APPLY_CORRUPT;
      break;
    case ErrorCode::kIo:
      code = TILL_APPLY_IO;
      break;
    case ErrorCode::kLimit:
      code = TILL_APPLY_LIMIT;
      break;
    case ErrorCode::kRefused:
      code = TILL_APPLY_REFUSED;
      break;
    case ErrorCode::kUnsupported:
      code = TILL_APPLY_UNSUPPORTED;
      break;
    default:
      break;
  }
  return {code, error.what, error.detail};
}

ByteView View(const void* bytes, size_t count) { return {static_cast<const std::byte*>(bytes), count}; }

Status Called(int answer, const char* what) {
  return answer == 0 ? Ok() : Status(Error{ErrorCode::kIo, what, static_cast<uint64_t>(answer)});
}

// A stretch of bytes behind a callback.
class CallbackSource final : public Source {
 public:
  using Read = int (*)(void*, uint64_t, void*, size_t);
  CallbackSource(Read read, void* context, uint64_t size) : read_(read), context_(context), size_(size) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override {
    if (offset >= size_ || out.empty()) return size_t{0};
    if (read_ == nullptr) return Error{ErrorCode::kInvalid, "a callback is missing"};
    const size_t count = out.size() < size_ - offset ? out.size() : static_cast<size_t>(size_ - offset);
    TILL_TRY(Called(read_(context_, offset, out.data(), count), "a read callback failed"));
    return count;
  }
  uint64_t size() const override { return size_; }

 private:
  Read read_;
  void* context_;
  uint64_t size_;
};

class CallbackTarget final : public TargetWriter {
 public:
  explicit CallbackTarget(const till_apply_io& io) : io_(io) {}
  void Begin(uint64_t offset) { written_ = offset; }
  Status Write(ByteView bytes) override {
    TILL_TRY(Called(io_.write_target(io_.context, bytes.data(), bytes.size()), "the write callback failed"));
    written_ += bytes.size();
    return Ok();
  }
  uint64_t durable_bytes() const override {
    return io_.durable_bytes != nullptr ? io_.durable_bytes(io_.context) : written_;
  }

 private:
  const till_apply_io& io_;
  uint64_t written_ = 0;
};

till_apply_checkpoint ToC(const Checkpoint& checkpoint) {
  till_apply_checkpoint out{checkpoint.body_offset, checkpoint.frame_index, checkpoint.target_offset, {}};
  memcpy(out.chunk.chain, checkpoint.chunk.chain.data(), sizeof out.chunk.chain);
  memcpy(out.chunk.tail, checkpoint.chunk.tail.data(), sizeof out.chunk.tail);
  return out;
}

Checkpoint FromC(const till_apply_checkpoint& given) {
  Checkpoint checkpoint{given.body_offset, given.frame_index, given.target_offset, {}};
  memcpy(checkpoint.chunk.chain.data(), given.chunk.chain, sizeof given.chunk.chain);
  memcpy(checkpoint.chunk.tail.data(), given.chunk.tail, sizeof given.chunk.tail);
  return checkpoint;
}

struct Head {
  ChunkList chunks;
  PayloadHeader header;
};

Result<Head> ReadHead(ByteView list, ByteView chunk) {
  ChunkList chunks = TILL_TRY(ChunkList::Decode(list));
  if (chunks.chunk_bytes() != TILL_APPLY_CHUNK_BYTES) {
    return Error{ErrorCode::kUnsupported, "chunk size", chunks.chunk_bytes()};
  }
  if (chunks.chunk_count() == 0 || !chunks.Matches(0, chunk)) {
    return Error{ErrorCode::kCorrupt, "chunk hash differs", 0};
  }
  const PayloadHeader header = TILL_TRY(DecodeHeader(chunk));
  if (header.body_bytes() != chunks.body_length()) {
    return Error{ErrorCode::kCorrupt, "header and chunk list disagree on the length", chunks.body_length()};
  }
  return Head{std::move(chunks), header};
}

}  // namespace
}  // namespace till::delta

using namespace till;         // the C names below stand outside
using namespace till::delta;  // of every namespace

struct till_apply {
  till_apply(Head&& given, const till_apply_io& callbacks)
      : io(callbacks), head(std::move(given)), base(io.read_base, io.context, head.header.base_size), target(io) {}

  Status Create(MutableByteView arena);
  void TellCheckpoint();

  till_apply_io io;
  Head head;
  CallbackSource base;
  CallbackTarget target;
  std::optional<VerifiedBase> verified;
  std::unique_ptr<Applier> applier;
  Checkpoint told;
};

Status till_apply::Create(MutableByteView arena) {
  const bool is_delta = head.header.kind == PayloadKind::kDelta;
  verified = TILL_TRY(VerifiedBase::Check(is_delta ? &base : nullptr, head.header));
  applier = TILL_TRY(Applier::Create({.chunks = &head.chunks,
                                      .header = &head.header,
                                      .base = &*verified,
                                      .target = &target,
                                      .max_arena_bytes = arena.size(),
                                      .arena = arena}));
  return Ok();
}

void till_apply::TellCheckpoint() {
  if (io.on_checkpoint == nullptr) return;
  const Checkpoint latest = applier->LastCheckpoint();
  if (latest.body_offset == told.body_offset || latest.target_offset == 0) return;
  told = latest;
  const till_apply_checkpoint checkpoint = ToC(latest);
  io.on_checkpoint(io.context, &checkpoint);
}

uint64_t till_apply_list_bytes(const void* list_start) {
  const auto length = ChunkList::EncodedLength(View(list_start, TILL_APPLY_LIST_START_BYTES));
  return length.ok() ? *length : 0;
}

till_apply_result till_apply_inspect(const void* list, size_t list_bytes, const void* chunk, size_t chunk_bytes,
                                     till_apply_info* info) {
  const auto head = ReadHead(View(list, list_bytes), View(chunk, chunk_bytes));
  if (!head.ok()) return Answer(head.error());
  const PayloadHeader& header = head->header;
  info->list_bytes = list_bytes;
  info->body_bytes = header.body_bytes();
  info->base_bytes = header.base_size;
  info->target_bytes = header.target_size;
  info->arena_bytes = header.arena_bytes;
  info->instructions_mi = header.instruction_estimate;
  memcpy(info->base_sha256, header.base_sha256.data(), sizeof info->base_sha256);
  memcpy(info->target_sha256, header.target_sha256.data(), sizeof info->target_sha256);
  return Answer(Ok());
}

till_apply_result till_apply_create(const till_apply_options* options, till_apply** out) {
  *out = nullptr;
  if (options->io.write_target == nullptr) return {TILL_APPLY_INVALID, "a callback is missing", 0};
  auto head = ReadHead(View(options->list, options->list_bytes), View(options->chunk, options->chunk_bytes));
  if (!head.ok()) return Answer(head.error());
  // Before the base is read: that would be for nothing.
  if (head->header.arena_bytes > options->arena_bytes || options->arena == nullptr) {
    return {TILL_APPLY_LIMIT, "the arena given is too small", head->header.arena_bytes};
  }
  std::unique_ptr<till_apply> made(new (std::nothrow) till_apply(std::move(head).value(), options->io));
  if (made == nullptr) return {TILL_APPLY_LIMIT, "no memory", sizeof(till_apply)};
  const Status created = made->Create({static_cast<std::byte*>(options->arena), options->arena_bytes});
  if (created.ok()) *out = made.release();
  return Answer(created);
}

void till_apply_destroy(till_apply* apply) { delete apply; }

till_apply_result till_apply_start(till_apply* apply) { return Answer(apply->applier->Start()); }

till_apply_result till_apply_resume(till_apply* apply, const till_apply_checkpoint* checkpoint) {
  CallbackSource written(apply->io.read_target, apply->io.context, checkpoint->target_offset);
  apply->target.Begin(checkpoint->target_offset);
  return Answer(apply->applier->Resume(FromC(*checkpoint), written));
}

till_apply_result till_apply_write(till_apply* apply, const void* bytes, size_t count) {
  const Status written = apply->applier->Write(View(bytes, count));
  if (written.ok()) apply->TellCheckpoint();
  return Answer(written);
}

uint64_t till_apply_next_offset(const till_apply* apply) { return apply->applier->next_body_offset(); }

till_apply_result till_apply_finish(till_apply* apply) { return Answer(apply->applier->Finish()); }
