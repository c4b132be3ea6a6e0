// The server's side of an Exchange: what a handler on another thread holds, and how its answer finds the loop.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/http/server.h"

namespace till::http {

class Connection;
class ExchangeState;

// Where other threads leave exchanges that have news for a loop. Shared by the loop and its exchanges, because an
// exchange may be answered long after the loop has ended. Any thread.
class Mailbox {
 public:
  explicit Mailbox(UniqueFd event) : event_(std::move(event)) {}
  // False once the loop has ended: the caller keeps what it has.
  bool Post(std::shared_ptr<ExchangeState> state);
  // Wakes the loop without news.
  void Ring() const;
  // The loop's side: what was posted since; Close() also refuses what comes later.
  std::vector<std::shared_ptr<ExchangeState>> TakeAll();
  std::vector<std::shared_ptr<ExchangeState>> Close();
  int event_fd() const { return event_.get(); }
  void SetLoopThread() { loop_thread_ = std::this_thread::get_id(); }
  bool on_loop_thread() const { return std::this_thread::get_id() == loop_thread_; }

 private:
  UniqueFd event_;
  std::thread::id loop_thread_;  // set before the loop serves
  std::mutex mutex_;
  std::vector<std::shared_ptr<ExchangeState>> posted_;
  bool closed_ = false;
};

// Shared by the connection and the handler's handle.
class ExchangeState : public std::enable_shared_from_this<ExchangeState> {
 public:
  ExchangeState(std::shared_ptr<Mailbox> mailbox, Connection* the_connection)
      : connection(the_connection), mailbox_(std::move(mailbox)) {}

  // Any thread.
  void Respond(Response response);
  void Wake();
  bool gone() const { return gone_.load(std::memory_order_acquire); }
  bool answered() const { return phase_.load(std::memory_order_acquire) != Phase::kOpen; }

  // Loop thread.
  void Detach();                          // the connection is done with it
  bool TakeResponse(Response& response);  // true once, when the answer has arrived
  void ClearWake() { wake_posted_.store(false, std::memory_order_release); }
  // Tells a stream that will never run so, and frees it.
  void Discard();

  Request request;
  std::unique_ptr<BodySink> sink;
  Connection* connection;    // loop thread only; null once the client has gone or the exchange is over
  bool dispatching = false;  // loop thread only: OnRequest() runs, so an answer need not be posted

 private:
  enum class Phase : uint8_t { kOpen, kTaken, kWritten, kDelivered };
  std::shared_ptr<Mailbox> mailbox_;
  std::atomic<Phase> phase_{Phase::kOpen};
  std::atomic<bool> gone_{false};
  std::atomic<bool> wake_posted_{false};
  Response response_;  // of whoever moved phase_ from kOpen to kTaken, until kWritten; then of the loop
};

// What handlers hold. A handle that is let go without an answer answers 500: no client waits for ever.
std::shared_ptr<Exchange> MakeHandle(std::shared_ptr<ExchangeState> state);

}  // namespace till::http
