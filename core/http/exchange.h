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

// The memory of all request bodies that are buffered at present. Any thread.
class BodyBudget {
 public:
  explicit BodyBudget(uint64_t max_bytes) : max_bytes_(max_bytes) {}
  bool Take(uint64_t bytes) {
    if (taken_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= max_bytes_) return true;
    Give(bytes);
    return false;
  }
  void Give(uint64_t bytes) { taken_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const uint64_t max_bytes_;
  std::atomic<uint64_t> taken_{0};
};

// Shared by the connection and the handler's handle.
class ExchangeState : public std::enable_shared_from_this<ExchangeState> {
 public:
  ExchangeState(std::shared_ptr<Mailbox> mailbox, Connection* the_connection)
      : connection(the_connection), mailbox_(std::move(mailbox)) {}
  ~ExchangeState();

  // Any thread.
  void Decide(BodyPlan plan);
  void Respond(Response response);
  void Wake();
  bool gone() const { return gone_.load(std::memory_order_acquire); }
  bool answered() const { return phase_.load(std::memory_order_acquire) != Phase::kOpen; }

  // Loop thread.
  void Detach();                          // the connection is done with it
  bool TakeResponse(Response& response);  // true once, when the answer has arrived
  bool TakePlan(BodyPlan& plan);          // likewise
  // More of the body into `request.body`; false when the budget is used up.
  bool AppendBody(std::string_view bytes, const std::shared_ptr<BodyBudget>& budget);
  void ClearWake() { wake_posted_.store(false, std::memory_order_release); }
  // Tells a stream that will never run so, and frees it.
  void Discard();

  Request request;
  std::unique_ptr<BodySink> sink;
  Connection* connection;    // loop thread only; null once the client has gone or the exchange is over
  bool dispatching = false;  // loop thread only: the handler runs, so what it says need not be posted

 private:
  enum class Phase : uint8_t { kOpen, kTaken, kWritten, kDelivered };
  std::shared_ptr<Mailbox> mailbox_;
  std::atomic<Phase> phase_{Phase::kOpen};
  std::atomic<bool> gone_{false};
  std::atomic<bool> wake_posted_{false};
  Response response_;  // of whoever moved phase_ from kOpen to kTaken, until kWritten; then of the loop
  std::atomic<Phase> plan_phase_{Phase::kOpen};
  BodyPlan plan_;                       // in the same way, with plan_phase_
  std::shared_ptr<BodyBudget> budget_;  // shared with the server, which may end first; null until the body begins
};

// What handlers hold. A handle that is let go without an answer answers 500: no client waits for ever.
std::shared_ptr<Exchange> MakeHandle(std::shared_ptr<ExchangeState> state);
std::shared_ptr<PendingPlan> MakePendingPlan(std::shared_ptr<ExchangeState> state);

}  // namespace till::http
