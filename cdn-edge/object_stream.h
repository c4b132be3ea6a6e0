// The body of an answer: bytes [first, first + length) of one object, out of verified memory where they are there, and
// waiting where they are still to come: from the disk through a check, or from the origin, for as long as that gives
// us anything within wait_ms.
//   Past that, or when the bytes cannot come, the connection is cut: a short body, never a wrong one.
//   Runs on a loop thread; the disk is not touched. Holds the window that is being sent; a copy of 16 KiB of it instead
//   where memory is tight, so that those who read slowly do not hold more than it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "cdn-edge/filler.h"
#include "core/http/server.h"

namespace till::edge {

class ObjectStream : public http::BodyStream {
 public:
  struct Context {
    Catalog::Object object;                    // shared: kept open and safe from eviction while it is sent
    std::shared_ptr<http::Exchange> exchange;  // shared with the server: it is how the loop is woken
    Filler& filler;
    const OriginLink& link;
    const HotMemory& memory;
    Clock& clock;
    int64_t wait_ms;
  };
  ObjectStream(Context context, uint64_t first, uint64_t length);

  http::Piece Next() override;

 private:
  void Give(Run& run, http::Piece& piece);

  Context context_;
  uint64_t position_;
  uint64_t end_;
  int64_t waits_since_ms_ = -1;           // -1: not waiting
  std::shared_ptr<const Window> window_;  // of the piece that is being sent
  std::shared_ptr<std::atomic<bool>>
      waiting_;  // true while a waiter of ours is with the object; shared with that waiter
};

// Passes another stream on and tells at its end what left of it.
class MeteredStream : public http::BodyStream {
 public:
  using Done = std::function<void(uint64_t sent_bytes, bool complete)>;
  MeteredStream(std::unique_ptr<http::BodyStream> body, Done done) : body_(std::move(body)), done_(std::move(done)) {}
  ~MeteredStream() override {
    if (done_) done_(0, false);  // the client went before anything left
  }
  http::Piece Next() override { return body_->Next(); }
  void OnDone(uint64_t sent_bytes, bool complete) override {
    if (done_) std::exchange(done_, nullptr)(sent_bytes, complete);
  }

 private:
  std::unique_ptr<http::BodyStream> body_;
  Done done_;
};

}  // namespace till::edge
