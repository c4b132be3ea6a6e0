#include "cdn-edge/object_stream.h"

#include <algorithm>

namespace till::edge {
namespace {

constexpr uint64_t kLargestPiece = Window::kBytes;  // of one turn: others of the loop want theirs
constexpr uint64_t kLargestCopy = 16 << 10;

}  // namespace

ObjectStream::ObjectStream(Context context, uint64_t first, uint64_t length)
    : context_(std::move(context)),
      position_(first),
      end_(first + length),
      waiting_(std::make_shared<std::atomic<bool>>(false)) {}

http::Piece ObjectStream::Next() {
  http::Piece piece;
  window_.reset();
  if (position_ == end_) return piece;
  const int64_t now_ms = context_.clock.MonotonicMs();
  const int64_t since_ms = waits_since_ms_ < 0 ? now_ms : waits_since_ms_;
  const int64_t deadline_ms = std::max(since_ms, context_.link.progress_ms()) + context_.wait_ms;
  const bool keep_waiter = !waiting_->load();
  Waiter waiter;
  if (keep_waiter) {
    waiting_->store(true);
    waiter.since_ms = since_ms;
    waiter.deadline_ms = deadline_ms;
    waiter.wants = end_ - position_;
    waiter.wake = [waiting = waiting_, exchange = context_.exchange] {
      waiting->store(false);
      exchange->Wake();
    };
  }
  Run run =
      context_.object->Take(position_, std::min(kLargestPiece, end_ - position_), keep_waiter ? &waiter : nullptr);
  if (keep_waiter && run.kind != Run::Kind::kMissing) waiting_->store(false);
  switch (run.kind) {
    case Run::Kind::kMemory:
      Give(run, piece);
      break;
    case Run::Kind::kMissing:
      waits_since_ms_ = since_ms;
      piece.kind = now_ms >= deadline_ms ? http::Piece::Kind::kAbort : http::Piece::Kind::kWait;
      if (piece.kind == http::Piece::Kind::kWait) context_.filler.Schedule(context_.object);
      break;
    case Run::Kind::kFailed:
      piece.kind = http::Piece::Kind::kAbort;
      break;
  }
  return piece;
}

void ObjectStream::Give(Run& run, http::Piece& piece) {
  if (run.to_store) context_.filler.Schedule(context_.object);
  const std::string_view bytes = AsText(run.bytes);
  if (context_.memory.tight()) {
    piece.kind = http::Piece::Kind::kBytes;
    piece.bytes = bytes.substr(0, kLargestCopy);
  } else {
    piece.kind = http::Piece::Kind::kMemory;
    piece.memory = bytes;
    window_ = std::move(run.window);
  }
  position_ += piece.size();
  waits_since_ms_ = -1;
}

}  // namespace till::edge
