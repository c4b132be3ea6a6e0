#include "delta/apply/applier.h"

#include <algorithm>
#include <array>
#include <new>
#include <optional>

#include "delta/apply/frame_player.h"
#include "delta/format/arena.h"
#include "delta/codec/zstd_decode.h"

namespace till::delta {
namespace {

struct Arena {
  MutableByteView chunk;
  MutableByteView transfer;
  MutableByteView workspace;
  MutableByteView coded;
  MutableByteView plain;
};

Arena CarveArena(MutableByteView all, const PayloadHeader& header) {
  // The workspace wants alignment; kAlignmentBytes pays for it.
  const size_t skew = (64 - reinterpret_cast<uintptr_t>(all.data()) % 64) % 64;
  all = all.subspan(skew);
  const auto take = [&all](uint64_t count) {
    const MutableByteView part = all.first(count);
    all = all.subspan(count);
    return part;
  };
  Arena arena;
  arena.workspace = take(kDecoderBytes);
  arena.chunk = take(uint64_t{1} << kChunkLog2);
  arena.transfer = take(kTransferBytes);
  arena.coded = take(header.frame_coded_bytes_max);
  arena.plain = take(header.frame_plain_bytes_max);
  return arena;
}

Status CheckOptions(const ApplierOptions& options) {
  const PayloadHeader& header = *options.header;
  if (header.minor_version != 1) return Error{ErrorCode::kUnsupported, "payload minor version", header.minor_version};
  if (header.arena_bytes > options.max_arena_bytes) {
    return Error{ErrorCode::kLimit, "the payload needs more memory than allowed", header.arena_bytes};
  }
  if (header.arena_bytes < ArenaBytesFor(header)) {
    return Error{ErrorCode::kCorrupt, "arena smaller than its frames need", 20};
  }
  if (options.chunks->chunk_bytes() != uint64_t{1} << kChunkLog2) {
    return Error{ErrorCode::kUnsupported, "chunk size", options.chunks->chunk_bytes()};
  }
  if (options.chunks->body_length() != header.body_bytes()) {
    return Error{ErrorCode::kCorrupt, "header and chunk list disagree on the length", options.chunks->body_length()};
  }
  if (options.base->sha256() != header.base_sha256 ||
      (header.kind == PayloadKind::kDelta && options.base->source() == nullptr)) {
    return Error{ErrorCode::kRefused, "the base is another image"};
  }
  return Ok();
}

}  // namespace

// What stands behind the face: collects chunks, checks them, cuts them into header and frames, plays the frames.
class Applier::Machine {
 public:
  Machine(const ApplierOptions& options, std::unique_ptr<std::byte[]> memory, const Arena& arena, ZstdDecoder decoder)
      : chunks_(*options.chunks),
        header_(*options.header),
        header_bytes_(EncodeHeader(header_)),
        target_(*options.target),
        memory_(std::move(memory)),
        arena_(arena),
        decoder_(decoder),
        player_(options.base->source(), header_, *options.target, arena.transfer) {}

  Status Start();
  Status Resume(const Checkpoint& checkpoint, Source& written);
  Status Write(ByteView bytes);
  Status Finish();
  uint64_t next_body_offset() const { return chunk_index_ * (uint64_t{1} << kChunkLog2) + chunk_fill_; }
  uint64_t target_written() const { return player_.position(); }
  Checkpoint LastCheckpoint() const;

 private:
  enum class State : uint8_t { kNew, kHeader, kFrameHeader, kFrame, kEnd, kFailed };
  struct FrameStart {
    uint64_t body_offset;
    uint64_t target_offset;
    uint32_t index;
  };
  static constexpr size_t kRememberedFrames = 8;  // a slot that writes by erase blocks lags at most a few frames

  Status Guard(Status status);
  Status TakeBytes(ByteView bytes);
  Status TakeChunk(ByteView chunk);
  Status TakeParsed(ByteView& rest);
  Status TakeHeader(ByteView part);
  Status BeginFrame();
  Status CheckResumedFrame(const FrameHeader& frame) const;
  Status EndFrame();
  Result<ByteView> DecodeStream(const StreamInfo& info, MutableByteView& plain, ByteView& coded);

  const ChunkList& chunks_;
  const PayloadHeader header_;
  const Bytes header_bytes_;
  TargetWriter& target_;
  const std::unique_ptr<std::byte[]> memory_;
  const Arena arena_;
  ZstdDecoder decoder_;
  FramePlayer player_;

  State state_ = State::kNew;
  Error failure_{ErrorCode::kInvalid, "", 0};
  uint64_t chunk_index_ = 0;
  uint64_t chunk_fill_ = 0;
  uint64_t parsed_ = 0;  // body bytes used by the parser; the rest of a resumed chunk before it is passed over
  uint64_t filled_ = 0;  // of the header, frame header or frame being collected
  std::array<std::byte, kFrameHeaderBytes> frame_bytes_{};
  FrameHeader frame_;
  uint32_t next_frame_ = 0;
  uint64_t ops_seen_ = 0;
  bool from_checkpoint_ = false;
  bool first_frame_ = true;
  std::array<FrameStart, kRememberedFrames> starts_{};
  size_t start_count_ = 0;
};

Status Applier::Machine::Guard(Status status) {
  if (!status.ok()) {
    failure_ = status.error();
    state_ = State::kFailed;
  }
  return status;
}

Status Applier::Machine::Start() {
  if (state_ != State::kNew) return Error{ErrorCode::kInvalid, "applier started twice"};
  state_ = State::kHeader;
  return Ok();
}

Status Applier::Machine::Resume(const Checkpoint& checkpoint, Source& written) {
  if (checkpoint.target_offset == 0) return Start();  // nothing is kept, so nothing else in it matters
  if (state_ != State::kNew) return Error{ErrorCode::kInvalid, "applier started twice"};
  if (checkpoint.body_offset < kHeaderBytes || checkpoint.body_offset >= header_.body_bytes() ||
      checkpoint.frame_index >= header_.frame_count || checkpoint.target_offset > header_.target_size ||
      checkpoint.target_offset > written.size()) {
    return Guard(Error{ErrorCode::kRefused, "the checkpoint is outside this payload", checkpoint.body_offset});
  }
  TILL_TRY(Guard(player_.Rehash(written, checkpoint.target_offset)));
  from_checkpoint_ = true;
  next_frame_ = checkpoint.frame_index;
  chunk_index_ = checkpoint.body_offset >> kChunkLog2;
  parsed_ = checkpoint.body_offset;
  state_ = State::kFrameHeader;
  return Ok();
}

Status Applier::Machine::Write(ByteView bytes) {
  if (state_ == State::kFailed) return failure_;
  if (state_ == State::kNew) return Error{ErrorCode::kInvalid, "applier not started"};
  return Guard(TakeBytes(bytes));
}

Status Applier::Machine::TakeBytes(ByteView bytes) {
  while (!bytes.empty()) {
    if (chunk_index_ >= chunks_.chunk_count()) {
      return Error{ErrorCode::kCorrupt, "bytes behind the payload's end", next_body_offset()};
    }
    const uint64_t length = chunks_.ChunkLength(chunk_index_);
    const size_t count = std::min<uint64_t>(bytes.size(), length - chunk_fill_);
    std::ranges::copy(bytes.first(count), arena_.chunk.subspan(chunk_fill_).begin());
    chunk_fill_ += count;
    bytes = bytes.subspan(count);
    if (chunk_fill_ < length) return Ok();
    TILL_TRY(TakeChunk(arena_.chunk.first(length)));
  }
  return Ok();
}

Status Applier::Machine::TakeChunk(ByteView chunk) {
  const uint64_t chunk_start = chunk_index_ << kChunkLog2;
  if (!chunks_.Matches(chunk_index_, chunk)) {
    return Error{ErrorCode::kCorrupt, "chunk hash differs", chunk_start};
  }
  ++chunk_index_;
  chunk_fill_ = 0;
  // Only behind this line do bytes reach a parser.
  ByteView rest = chunk.subspan(parsed_ - chunk_start);
  while (!rest.empty()) TILL_TRY(TakeParsed(rest));
  return Ok();
}

Status Applier::Machine::TakeParsed(ByteView& rest) {
  const uint64_t wanted = state_ == State::kHeader        ? kHeaderBytes
                          : state_ == State::kFrameHeader ? kFrameHeaderBytes
                                                          : frame_.coded_bytes();
  if (state_ == State::kEnd) return Error{ErrorCode::kCorrupt, "bytes behind the last frame", parsed_};
  const ByteView part = rest.first(std::min<uint64_t>(rest.size(), wanted - filled_));
  if (state_ == State::kHeader) {
    TILL_TRY(TakeHeader(part));
  } else if (state_ == State::kFrameHeader) {
    std::ranges::copy(part, frame_bytes_.begin() + filled_);
  } else {
    std::ranges::copy(part, arena_.coded.subspan(filled_).begin());
  }
  filled_ += part.size();
  parsed_ += part.size();
  rest = rest.subspan(part.size());
  if (filled_ < wanted) return Ok();
  filled_ = 0;
  if (state_ == State::kHeader) {
    state_ = header_.frame_count == 0 ? State::kEnd : State::kFrameHeader;
    return Ok();
  }
  return state_ == State::kFrameHeader ? BeginFrame() : EndFrame();
}

Status Applier::Machine::TakeHeader(ByteView part) {
  if (!std::ranges::equal(part, ByteView(header_bytes_).subspan(filled_, part.size()))) {
    return Error{ErrorCode::kRefused, "the payload's header is not the one given", parsed_};
  }
  return Ok();
}

Status Applier::Machine::CheckResumedFrame(const FrameHeader& frame) const {
  const uint64_t position = player_.position();
  const bool fits = frame.index == next_frame_ && frame.target_offset <= position &&
                    position - frame.target_offset <= frame.target_bytes;
  if (!fits) return Error{ErrorCode::kRefused, "the checkpoint does not fit its frame", position};
  return Ok();
}

Status Applier::Machine::BeginFrame() {
  const uint64_t frame_offset = parsed_ - kFrameHeaderBytes;
  const Result<FrameHeader> decoded = DecodeFrameHeader(frame_bytes_, header_);
  if (first_frame_ && from_checkpoint_) {
    if (!decoded.ok()) return Error{ErrorCode::kRefused, "the checkpoint names no frame", frame_offset};
    TILL_TRY(CheckResumedFrame(*decoded));
  } else {
    if (!decoded.ok()) {
      Error error = decoded.error();
      if (error.code == ErrorCode::kCorrupt) error.detail += frame_offset;
      return error;
    }
    if (decoded->index != next_frame_ || decoded->target_offset != player_.position()) {
      return Error{ErrorCode::kCorrupt, "frame out of order", frame_offset};
    }
  }
  frame_ = *decoded;
  first_frame_ = false;
  ops_seen_ += frame_.op_count;
  if (ops_seen_ > header_.op_count) return Error{ErrorCode::kCorrupt, "more ops than the header says", frame_offset};
  starts_[start_count_++ % kRememberedFrames] = {frame_offset, frame_.target_offset, frame_.index};
  state_ = State::kFrame;
  return Ok();
}

Result<ByteView> Applier::Machine::DecodeStream(const StreamInfo& info, MutableByteView& plain, ByteView& coded) {
  const ByteView in = coded.first(info.coded_bytes);
  const MutableByteView out = plain.first(info.plain_bytes);
  coded = coded.subspan(info.coded_bytes);
  plain = plain.subspan(info.plain_bytes);
  if (info.codec == Codec::kStored) return in;
  TILL_TRY(decoder_.Decode(in, header_.window_logs[kControl], out));
  return ByteView(out);
}

Status Applier::Machine::EndFrame() {
  const uint64_t frame_offset = parsed_ - frame_.coded_bytes() - kFrameHeaderBytes;
  const auto play = [this]() -> Status {
    MutableByteView plain = arena_.plain;
    ByteView coded = arena_.coded.first(frame_.coded_bytes());
    FrameStreams streams;
    streams.control = TILL_TRY(DecodeStream(frame_.streams[kControl], plain, coded));
    streams.diff = TILL_TRY(DecodeStream(frame_.streams[kDiff], plain, coded));
    streams.literal = TILL_TRY(DecodeStream(frame_.streams[kLiteral], plain, coded));
    return player_.Play(frame_, streams);
  };
  const Status played = play();
  if (!played.ok()) {
    Error error = played.error();
    if (error.code == ErrorCode::kCorrupt) error.detail = frame_offset;
    return error;
  }
  ++next_frame_;
  state_ = next_frame_ == header_.frame_count ? State::kEnd : State::kFrameHeader;
  return Ok();
}

Status Applier::Machine::Finish() {
  if (state_ == State::kFailed) return failure_;
  if (state_ != State::kEnd || next_body_offset() < header_.body_bytes()) {
    return Guard(Error{ErrorCode::kCorrupt, "the payload ends early", next_body_offset()});
  }
  if (player_.position() != header_.target_size) {
    return Guard(Error{ErrorCode::kCorrupt, "the target is not complete", player_.position()});
  }
  if (!from_checkpoint_ && ops_seen_ != header_.op_count) {
    return Guard(Error{ErrorCode::kCorrupt, "fewer ops than the header says", ops_seen_});
  }
  if (player_.TakeDigest() != header_.target_sha256) {
    return Guard(Error{ErrorCode::kCorrupt, "the target's hash differs", header_.body_bytes()});
  }
  state_ = State::kFailed;  // a second Finish() must not answer Ok: the digest is spent
  failure_ = Error{ErrorCode::kInvalid, "applier already finished"};
  return Ok();
}

Checkpoint Applier::Machine::LastCheckpoint() const {
  const uint64_t durable = std::min(target_.durable_bytes(), player_.position());
  const size_t known = std::min(start_count_, kRememberedFrames);
  for (size_t back = 1; back <= known; ++back) {
    const FrameStart& start = starts_[(start_count_ - back) % kRememberedFrames];
    if (start.target_offset <= durable) return {start.body_offset, start.index, durable};
  }
  return {kHeaderBytes, 0, 0};
}

Applier::Applier(std::unique_ptr<Machine> machine) : machine_(std::move(machine)) {}
Applier::~Applier() = default;

Result<std::unique_ptr<Applier>> Applier::Create(const ApplierOptions& options) {
  TILL_TRY(CheckOptions(options));
  const size_t arena_bytes = options.header->arena_bytes;
  std::unique_ptr<std::byte[]> memory(new (std::nothrow) std::byte[arena_bytes]);
  if (memory == nullptr) return Error{ErrorCode::kLimit, "no memory for the arena", arena_bytes};
  const Arena arena = CarveArena(MutableByteView(memory.get(), arena_bytes), *options.header);
  const ZstdDecoder decoder = TILL_TRY(ZstdDecoder::Create(arena.workspace));
  auto machine = std::make_unique<Machine>(options, std::move(memory), arena, decoder);
  return std::unique_ptr<Applier>(new Applier(std::move(machine)));
}

Status Applier::Start() { return machine_->Start(); }
Status Applier::Resume(const Checkpoint& checkpoint, Source& written) { return machine_->Resume(checkpoint, written); }
Status Applier::Write(ByteView bytes) { return machine_->Write(bytes); }
Status Applier::Finish() { return machine_->Finish(); }
uint64_t Applier::next_body_offset() const { return machine_->next_body_offset(); }
uint64_t Applier::target_written() const { return machine_->target_written(); }
Checkpoint Applier::LastCheckpoint() const { return machine_->LastCheckpoint(); }

}  // namespace till::delta
