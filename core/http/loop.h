// One thread's event loop: its listening socket, its connections, their deadlines, and news from other threads.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/http/admission.h"
#include "core/http/channel.h"
#include "core/http/deadline_wheel.h"
#include "core/http/exchange.h"

struct sockaddr_storage;  // the system's

namespace till::http {

class Connection;

// What the loops of one server share. Outlives them.
struct ServerShared {
  ServerOptions options;
  Handler* handler = nullptr;
  std::unique_ptr<TlsContext> tls;  // null: plain
  std::unique_ptr<Admission> admission;
  std::shared_ptr<BodyBudget> bodies;  // shared with exchanges, which may outlive the server
  std::atomic<uint64_t> connections{0};
  std::atomic<uint64_t> requests{0};
  std::atomic<uint64_t> refused{0};
  std::atomic<uint64_t> body_bytes_sent{0};
  std::atomic<uint64_t> accept_failures{0};
};

class Loop {
 public:
  static Result<std::unique_ptr<Loop>> Make(ServerShared& shared, UniqueFd listener);
  ~Loop();
  void Run();                             // the thread's body
  void RequestStop(int64_t deadline_ms);  // any thread; on the monotonic clock

  // For its connections, on the loop's thread.
  ServerShared& shared() { return shared_; }
  int64_t now_ms() const { return now_ms_; }
  std::string_view date();
  bool stopping() const { return stopping_; }
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }
  std::string& scratch() { return scratch_; }          // for TLS records
  std::string& read_buffer() { return read_buffer_; }  // free between calls
  void SetDeadline(DeadlineEntry& entry, int64_t deadline_ms) { wheel_.Set(entry, deadline_ms); }
  void Again(Connection& connection) { again_.push_back(&connection); }  // it has more to do, after the others
  void Bury(Connection& connection);                                     // freed after this round

 private:
  Loop(ServerShared& shared, UniqueFd listener, UniqueFd epoll, UniqueFd event);
  bool Watch(int fd, uint32_t events, void* tag) const;
  void Accept();
  void TakeIn(UniqueFd fd, const sockaddr_storage& address);
  void TurnAway(int fd, Entry entry) const;
  bool ShedOne();
  void PauseAccepting();
  void ResumeAccepting();
  void DeliverMail();
  void BeginStop();
  int WaitMs() const;

  ServerShared& shared_;
  UniqueFd listener_;
  UniqueFd epoll_;
  UniqueFd spare_;  // given up for a moment when descriptors run out, so that the queue can be emptied
  int64_t resume_accepting_ms_ = DeadlineEntry::kNever;
  std::shared_ptr<Mailbox> mailbox_;  // shared with exchanges, which may outlive the loop
  int64_t now_ms_;
  DeadlineWheel wheel_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> graveyard_;
  std::vector<Connection*> again_;
  std::string scratch_;
  std::string read_buffer_;
  std::string date_;
  int64_t date_s_ = -1;
  bool stopping_ = false;
  std::atomic<bool> stop_requested_{false};
  std::atomic<int64_t> stop_deadline_ms_{0};
};

}  // namespace till::http
