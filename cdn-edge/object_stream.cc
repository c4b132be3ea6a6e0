#include "cdn-edge/object_stream.h"

#include <algorithm>

namespace till::edge {
namespace {

constexpr uint64_t kLargestPiece = 1 << 20;  // of one sendfile turn: others of the loop want theirs

}  // namespace

ObjectStream::ObjectStream(Context context, uint64_t first, uint64_t length)
    : context_(std::move(context)),
      position_(first),
      end_(first + length),
      waiting_(std::make_shared<std::atomic<bool>>(false)) {}

http::Piece ObjectStream::Next() {
  http::Piece piece;
  if (position_ == end_) {
    piece.kind = http::Piece::Kind::kEnd;
    return piece;
  }
  const int64_t now_ms = context_.clock.MonotonicMs();
  const bool keep_waiter = !waiting_->load();
  Waiter waiter;
  if (keep_waiter) {
    waiting_->store(true);
    waiter.deadline_ms = (waits_since_ms_ < 0 ? now_ms : waits_since_ms_) + context_.wait_ms;
    waiter.wake = [waiting = waiting_, exchange = context_.exchange] {
      waiting->store(false);
      exchange->Wake();
    };
  }
  Run run =
      context_.object->Take(position_, std::min(kLargestPiece, end_ - position_), keep_waiter ? &waiter : nullptr);
  if (keep_waiter && run.kind != Run::Kind::kMissing) waiting_->store(false);
  switch (run.kind) {
    case Run::Kind::kFile:
      piece.kind = http::Piece::Kind::kFile;
      piece.fd = context_.object->fd();
      piece.offset = position_;
      piece.length = run.length;
      break;
    case Run::Kind::kMemory:
      piece.kind = http::Piece::Kind::kBytes;
      piece.bytes = AsText(ByteView(*run.memory).subspan(run.memory_offset, run.length));
      context_.filler.Schedule(context_.object);
      break;
    case Run::Kind::kMissing:
      if (waits_since_ms_ < 0) waits_since_ms_ = now_ms;
      if (now_ms - waits_since_ms_ >= context_.wait_ms) {
        piece.kind = http::Piece::Kind::kAbort;
        return piece;
      }
      context_.filler.Schedule(context_.object);
      piece.kind = http::Piece::Kind::kWait;
      return piece;
    case Run::Kind::kFailed:
      piece.kind = http::Piece::Kind::kAbort;
      return piece;
  }
  position_ += run.length;
  waits_since_ms_ = -1;
  return piece;
}

}  // namespace till::edge
