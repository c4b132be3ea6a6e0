#include "core/http/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "core/clock.h"
#include "core/http/address.h"
#include "core/http/connection.h"

namespace till::http {
namespace {

constexpr int kEventsPerRound = 256;
constexpr int kAcceptsPerRound = 64;
constexpr int64_t kAcceptPauseMs = 100;  // when there is neither a descriptor nor a spare

// What is answered at the door; see TurnAway().
std::string_view DoorAnswer(Entry entry) {
  return entry == Entry::kTooMany
             ? "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
             : "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

// Errors of accept4 that say something of one connection, not of us: the next one may be fine.
bool IsOfOneConnection(int error_number) {
  return error_number != EMFILE && error_number != ENFILE && error_number != ENOMEM && error_number != ENOBUFS;
}

}  // namespace

Loop::Loop(ServerShared& shared, UniqueFd listener, UniqueFd epoll, UniqueFd event)
    : shared_(shared),
      listener_(std::move(listener)),
      epoll_(std::move(epoll)),
      spare_(open("/dev/null", O_RDONLY | O_CLOEXEC)),
      mailbox_(std::make_shared<Mailbox>(std::move(event))),
      now_ms_(SystemClock().MonotonicMs()),
      wheel_(now_ms_) {}

Loop::~Loop() = default;

Result<std::unique_ptr<Loop>> Loop::Make(ServerShared& shared, UniqueFd listener) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll.valid() || !event.valid()) return SystemError("cannot make an event loop");
  std::unique_ptr<Loop> loop(new Loop(shared, std::move(listener), std::move(epoll), std::move(event)));
  if (!loop->Watch(loop->listener_.get(), EPOLLIN, loop.get()) ||
      !loop->Watch(loop->mailbox_->event_fd(), EPOLLIN, loop->mailbox_.get())) {
    return SystemError("cannot watch a socket");
  }
  return loop;
}

bool Loop::Watch(int fd, uint32_t events, void* tag) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = tag;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Loop::RequestStop(int64_t deadline_ms) {
  stop_deadline_ms_.store(deadline_ms);
  stop_requested_.store(true);
  mailbox_->Ring();
}

std::string_view Loop::date() {
  const int64_t seconds = SystemClock().UnixMs() / 1000;
  if (seconds == date_s_) return date_;
  date_s_ = seconds;
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  tm parts{};
  const time_t when = static_cast<time_t>(seconds);
  gmtime_r(&when, &parts);
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                   kDays[parts.tm_wday], parts.tm_mday, kMonths[parts.tm_mon], parts.tm_year + 1900,
                                   parts.tm_hour, parts.tm_min, parts.tm_sec);
  date_.assign(text.data(), static_cast<size_t>(length));
  return date_;
}

void Loop::Accept() {
  for (int i = 0; i < kAcceptsPerRound && listener_.valid(); ++i) {
    sockaddr_storage address{};
    socklen_t length = sizeof(address);
    UniqueFd fd(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      TakeIn(std::move(fd), address);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (IsOfOneConnection(errno)) continue;
    shared_.accept_failures.fetch_add(1, std::memory_order_relaxed);
    if (ShedOne()) continue;
    return PauseAccepting();
  }
}

// Without a free descriptor the waiting connection would stay in the queue and wake us without end. Its place becomes
// the spare's again in one step: a descriptor that is free for a moment is another thread's. False when nothing could
// be shed, because that happened to what we gave up.
bool Loop::ShedOne() {
  spare_.Reset();
  UniqueFd victim(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!victim.valid()) return false;
  shared_.refused.fetch_add(1, std::memory_order_relaxed);
  TurnAway(victim.get(), Entry::kBusy);
  if (dup3(epoll_.get(), victim.get(), O_CLOEXEC) < 0) return false;  // which closes the victim
  spare_ = std::move(victim);
  return true;
}

// The queue keeps who comes meanwhile.
void Loop::PauseAccepting() {
  resume_accepting_ms_ = now_ms_ + kAcceptPauseMs;
  epoll_event nothing{};
  nothing.data.ptr = this;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), &nothing);
}

void Loop::ResumeAccepting() {
  resume_accepting_ms_ = DeadlineEntry::kNever;
  if (!listener_.valid()) return;
  if (!spare_.valid()) spare_ = UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = this;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), &event);
}

// Says why to a connection that does not get in, without keeping it: what its request brought so far is read, because
// a close over unread bytes would reset the connection and take the answer along. Under TLS there is nobody to talk to
// before a handshake.
void Loop::TurnAway(int fd, Entry entry) const {
  if (shared_.tls != nullptr) return;
  std::array<char, 4096> unread{};
  (void)!recv(fd, unread.data(), unread.size(), MSG_DONTWAIT);
  const std::string_view answer = DoorAnswer(entry);
  (void)!send(fd, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  shutdown(fd, SHUT_WR);
}

void Loop::TakeIn(UniqueFd fd, const sockaddr_storage& address) {
  std::string key = AdmissionKey(address);
  const Admitted admitted = shared_.admission->Enter(key);
  if (!admitted.may_stay) {
    shared_.refused.fetch_add(1, std::memory_order_relaxed);
    return TurnAway(fd.get(), admitted.entry);
  }
  shared_.connections.fetch_add(1, std::memory_order_relaxed);
  const int raw_fd = fd.get();
  auto connection = std::make_unique<Connection>(*this, Channel(std::move(fd), shared_.tls.get()), PeerName(address),
                                                 std::move(key), admitted.entry);
  if (!Watch(raw_fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, connection.get())) return;
  connection->index = connections_.size();
  connections_.push_back(std::move(connection));
  connections_.back()->Start();
}

void Loop::Bury(Connection& connection) {
  wheel_.Remove(connection);
  if (connection.waits_again) std::erase(again_, &connection);
  const size_t index = connection.index;
  graveyard_.push_back(std::move(connections_[index]));
  if (index + 1 < connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index = index;
  }
  connections_.pop_back();
}

void Loop::DeliverMail() {
  uint64_t rings = 0;
  (void)!read(mailbox_->event_fd(), &rings, sizeof(rings));
  for (const std::shared_ptr<ExchangeState>& state : mailbox_->TakeAll()) {
    state->ClearWake();
    if (state->connection != nullptr) {
      state->connection->OnNews();
    } else {
      state->Discard();
    }
  }
}

void Loop::BeginStop() {
  stopping_ = true;
  listener_.Reset();
  for (size_t i = connections_.size(); i-- > 0;) connections_[i]->OnServerStops();
}

int Loop::WaitMs() const {
  if (!again_.empty()) return 0;
  int wait_ms = wheel_.NextWaitMs(now_ms_);
  if (resume_accepting_ms_ != DeadlineEntry::kNever) {
    const int left = static_cast<int>(std::clamp<int64_t>(resume_accepting_ms_ - now_ms_, 0, kAcceptPauseMs));
    wait_ms = wait_ms < 0 ? left : std::min(wait_ms, left);
  }
  if (stopping_) {
    const int left = static_cast<int>(std::clamp<int64_t>(stop_deadline_ms_.load() - now_ms_, 0, 60'000));
    wait_ms = wait_ms < 0 ? left : std::min(wait_ms, left);
  }
  return wait_ms;
}

void Loop::Run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are for the program's main thread
  mailbox_->SetLoopThread();
  std::array<epoll_event, kEventsPerRound> events{};
  while (!stopping_ || (!connections_.empty() && now_ms_ < stop_deadline_ms_.load())) {
    const int count = epoll_wait(epoll_.get(), events.data(), kEventsPerRound, WaitMs());
    now_ms_ = SystemClock().MonotonicMs();
    for (int i = 0; i < count; ++i) {
      void* tag = events[i].data.ptr;
      if (tag == this) {
        Accept();
      } else if (tag == mailbox_.get()) {
        DeliverMail();
      } else {
        static_cast<Connection*>(tag)->OnEvents(events[i].events);
      }
    }
    for (Connection* connection : std::exchange(again_, {})) {
      connection->waits_again = false;
      connection->Advance();
    }
    wheel_.Expire(now_ms_, [](DeadlineEntry& entry) { static_cast<Connection&>(entry).OnDeadline(); });
    if (now_ms_ >= resume_accepting_ms_) ResumeAccepting();
    if (stop_requested_.load() && !stopping_) BeginStop();
    graveyard_.clear();
  }
  while (!connections_.empty()) connections_.back()->Close();
  graveyard_.clear();
  for (const std::shared_ptr<ExchangeState>& state : mailbox_->Close()) state->Discard();
}

}  // namespace till::http
