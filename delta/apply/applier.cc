#include "delta/apply/applier.h"

#include <algorithm>
#include <array>
#include <new>
#include <optional>

#include "delta/apply/arena_views.h"
#include "delta/apply/chunk_gate.h"
#include "delta/apply/frame_player.h"
#include "delta/apply/stream_decoder.h"

namespace till::delta {
namespace {

Status CheckOptions(const ApplierOptions& options) {
  const PayloadHeader& header = *options.header;
  if (header.arena_bytes > options.max_arena_bytes) {
    return Error{ErrorCode::kLimit, "the payload needs more memory than allowed", header.arena_bytes};
  }
  if (header.arena_bytes < ArenaBytesFor(header)) {
    return Error{ErrorCode::kCorrupt, "arena smaller than its frames need", 20};
  }
  if (!options.arena.empty() && options.arena.size() < header.arena_bytes) {
    return Error{ErrorCode::kLimit, "the arena given is too small", header.arena_bytes};
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

// What stands behind the face: cuts checked chunks into header, map and frames, and plays the frames.
class Applier::Machine {
 public:
  Machine(const ApplierOptions& options, std::unique_ptr<std::byte[]> memory, MutableByteView arena)
      : header_(*options.header),
        header_bytes_(EncodeHeader(header_)),
        target_(*options.target),
        memory_(std::move(memory)),
        arena_(CutArena(arena, header_)),
        gate_(*options.chunks, arena_.chunk),
        player_(options.base->source(), header_, *options.target, arena_) {}

  Status Start();
  Status Resume(const Checkpoint& checkpoint, Source& written);
  Status Write(ByteView bytes);
  Status Finish();
  uint64_t next_body_offset() const { return gate_.next_offset(); }
  uint64_t target_written() const { return player_.position(); }
  Checkpoint LastCheckpoint() const;

 private:
  enum class State : uint8_t { kNew, kHeader, kMap, kFrameHeader, kFrame, kEnd, kFailed };
  struct FrameStart {
    uint64_t body_offset;
    uint64_t target_offset;
    uint32_t index;
    crypto::Sha256State chunk;
  };
  static constexpr size_t kRememberedFrames = 8;  // a slot that writes by erase blocks lags at most a few frames

  Status Guard(Status status);
  Status TakeBytes(ByteView bytes);
  Status TakeChunk(ByteView chunk, uint64_t chunk_start);
  Status TakeParsed(ByteView& rest);
  uint64_t WantedBytes() const;
  Status TakeHeader(ByteView part);
  Status EndPart();
  Status EndMap();
  void BeginFrames();
  Status BeginFrame();
  Status CheckResumedFrame(const FrameHeader& frame) const;
  Status EndFrame();

  const PayloadHeader header_;
  const Bytes header_bytes_;
  TargetWriter& target_;
  const std::unique_ptr<std::byte[]> memory_;
  const ArenaViews arena_;
  ChunkGate gate_;
  FramePlayer player_;

  State state_ = State::kNew;
  Error failure_{ErrorCode::kInvalid, "", 0};
  uint64_t parsed_ = 0;  // body bytes used by the parser; what lies before it in a map's last chunk is passed over
  uint64_t filled_ = 0;  // of the header, map, frame header or frame being collected
  std::array<std::byte, kFrameHeaderBytes> frame_bytes_{};
  FrameHeader frame_;
  crypto::Sha256State frame_chunk_;  // of the chunk that `frame_` begins in, up to it
  uint32_t next_frame_ = 0;
  uint64_t ops_seen_ = 0;
  uint64_t resume_at_ = 0;  // body offset of the checkpoint's frame; 0: from the start
  Checkpoint resumed_;      // good until a frame begins
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
  if (checkpoint.body_offset < header_.first_frame_offset() || checkpoint.body_offset >= header_.body_bytes() ||
      checkpoint.frame_index >= header_.frame_count || checkpoint.target_offset > header_.target_size ||
      checkpoint.target_offset > written.size()) {
    return Guard(Error{ErrorCode::kRefused, "the checkpoint is outside this payload", checkpoint.body_offset});
  }
  TILL_TRY(Guard(player_.Rehash(written, checkpoint.target_offset)));
  resume_at_ = checkpoint.body_offset;
  resumed_ = checkpoint;
  next_frame_ = checkpoint.frame_index;
  if (header_.map_coded_bytes > 0) {
    state_ = State::kHeader;  // the map is not kept: it comes again
  } else {
    BeginFrames();
    gate_.JumpTo(parsed_, resumed_.chunk);
  }
  return Ok();
}

Status Applier::Machine::Write(ByteView bytes) {
  if (state_ == State::kFailed) return failure_;
  if (state_ == State::kNew) return Error{ErrorCode::kInvalid, "applier not started"};
  return Guard(TakeBytes(bytes));
}

Status Applier::Machine::TakeBytes(ByteView bytes) {
  while (!bytes.empty()) {
    const ByteView chunk = TILL_TRY(gate_.Take(bytes));
    if (chunk.empty()) return Ok();
    const uint64_t end = gate_.next_offset();
    TILL_TRY(TakeChunk(chunk, gate_.chunk_start()));
    if (gate_.next_offset() != end) return Ok();  // a jump: the rest belongs elsewhere
  }
  return Ok();
}

Status Applier::Machine::TakeChunk(ByteView chunk, uint64_t chunk_start) {
  while (parsed_ < chunk_start + chunk.size()) {
    ByteView rest = chunk.subspan(parsed_ - chunk_start);
    TILL_TRY(TakeParsed(rest));
  }
  // Behind the map of a resumed payload the parser went on to the checkpoint's frame: further than this chunk's end.
  if (parsed_ > chunk_start + chunk.size()) gate_.JumpTo(parsed_, resumed_.chunk);
  return Ok();
}

uint64_t Applier::Machine::WantedBytes() const {
  switch (state_) {
    case State::kHeader:
      return kHeaderBytes;
    case State::kMap:
      return header_.map_coded_bytes;
    case State::kFrameHeader:
      return kFrameHeaderBytes;
    default:
      return frame_.coded_bytes();
  }
}

Status Applier::Machine::TakeParsed(ByteView& rest) {
  if (state_ == State::kEnd) return Error{ErrorCode::kCorrupt, "bytes behind the last frame", parsed_};
  const uint64_t wanted = WantedBytes();
  const ByteView part = rest.first(std::min<uint64_t>(rest.size(), wanted - filled_));
  switch (state_) {
    case State::kHeader:
      TILL_TRY(TakeHeader(part));
      break;
    case State::kMap:
      std::ranges::copy(part, arena_.map_coded.subspan(filled_).begin());
      break;
    case State::kFrameHeader:
      if (filled_ == 0) frame_chunk_ = gate_.StateBefore(parsed_);
      std::ranges::copy(part, frame_bytes_.begin() + filled_);
      break;
    default:
      std::ranges::copy(part, arena_.coded.subspan(filled_).begin());
  }
  filled_ += part.size();
  parsed_ += part.size();
  if (filled_ < wanted) return Ok();
  filled_ = 0;
  return EndPart();
}

Status Applier::Machine::EndPart() {
  switch (state_) {
    case State::kHeader:
      if (header_.map_coded_bytes > 0) {
        state_ = State::kMap;
      } else {
        BeginFrames();
      }
      return Ok();
    case State::kMap:
      TILL_TRY(EndMap());
      BeginFrames();
      return Ok();
    case State::kFrameHeader:
      return BeginFrame();
    default:
      return EndFrame();
  }
}

Status Applier::Machine::EndMap() {
  StreamDecoder decoder(arena_.map_decoder);
  const Status decoded = [&]() -> Status {
    TILL_TRY(decoder.Begin({header_.map_codec, arena_.map_coded, header_.map_plain_bytes, MapWindowLog(header_)}));
    TILL_TRY(decoder.Read(arena_.map));
    TILL_TRY(decoder.Finish());
    return player_.SetMap(arena_.map);
  }();
  if (decoded.ok() || decoded.error().code != ErrorCode::kCorrupt) return decoded;
  return Error{ErrorCode::kCorrupt, decoded.error().what, kHeaderBytes};
}

void Applier::Machine::BeginFrames() {
  if (resume_at_ > 0) parsed_ = resume_at_;
  state_ = header_.frame_count == 0 ? State::kEnd : State::kFrameHeader;
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
  if (first_frame_ && resume_at_ > 0) {
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
  starts_[start_count_++ % kRememberedFrames] = {frame_offset, frame_.target_offset, frame_.index, frame_chunk_};
  state_ = State::kFrame;
  return Ok();
}

Status Applier::Machine::EndFrame() {
  const uint64_t frame_offset = parsed_ - frame_.coded_bytes() - kFrameHeaderBytes;
  const Status played = player_.Play(frame_, arena_.coded.first(frame_.coded_bytes()));
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
  if (resume_at_ == 0 && ops_seen_ != header_.op_count) {
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
    if (start.target_offset <= durable) return {start.body_offset, start.index, durable, start.chunk};
  }
  if (known == 0 && resume_at_ > 0) return resumed_;
  return {header_.first_frame_offset(), 0, 0, {}};
}

Applier::Applier(std::unique_ptr<Machine> machine) : machine_(std::move(machine)) {}
Applier::~Applier() = default;

Result<std::unique_ptr<Applier>> Applier::Create(const ApplierOptions& options) {
  TILL_TRY(CheckOptions(options));
  const size_t arena_bytes = options.header->arena_bytes;
  std::unique_ptr<std::byte[]> memory;
  MutableByteView arena = options.arena;
  if (arena.empty()) {
    memory.reset(new (std::nothrow) std::byte[arena_bytes]);
    if (memory == nullptr) return Error{ErrorCode::kLimit, "no memory for the arena", arena_bytes};
    arena = MutableByteView(memory.get(), arena_bytes);
  }
  auto machine = std::make_unique<Machine>(options, std::move(memory), arena);
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
