#include "tests/netfault/fault_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "core/clock.h"

namespace till::netfault {
namespace {

constexpr size_t kKeptBytes = 64 << 10;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool SendAll(int fd, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t sent = send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += static_cast<size_t>(sent);
  }
  return true;
}

void ResetOnClose(int fd) {
  const linger hard = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

}  // namespace

const char* FaultName(Fault fault) {
  static const char* const kNames[] = {"none", "fin", "reset", "stall", "trickle", "corrupt", "replay"};
  return kNames[static_cast<size_t>(fault)];
}

FaultProxy::FaultProxy(uint16_t target_port)
    : target_port_(target_port), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listener_.get(), 16) != 0 ||
      getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    abort();
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

FaultProxy::~FaultProxy() {
  stop_ = true;
  thread_.join();
}

void FaultProxy::Arm(Fault fault, uint64_t after) {
  const std::lock_guard lock(mutex_);
  fault_ = fault;
  after_ = after;
  bytes_ = 0;
  marked_at_ = UINT64_MAX;
  first_answer_.clear();
}

void FaultProxy::Watch(std::string mark) {
  const std::lock_guard lock(mutex_);
  mark_ = std::move(mark);
}

void FaultProxy::Look(Link& link, const std::string& bytes, uint64_t from) {
  if (mark_.empty()) return;
  const std::string text = link.tail + bytes;
  const size_t at = text.find(mark_);
  if (at != std::string::npos && marked_at_ == UINT64_MAX) marked_at_ = from + at - link.tail.size();
  link.tail = text.substr(text.size() - std::min(text.size(), mark_.size() - 1));
}

void FaultProxy::Accept() {
  Link link;
  link.client = UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  link.server = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(target_port_);
  if (!link.client.valid() ||
      connect(link.server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return;
  }
  links_.push_back(std::move(link));
}

// Does to `bytes` what is due. False: the connection ends after them.
bool FaultProxy::Spoil(Link& link, std::string& bytes) {
  const std::lock_guard lock(mutex_);
  const uint64_t from = bytes_.fetch_add(bytes.size());
  Look(link, bytes, from);
  const bool here = fault_ != Fault::kNone && after_ >= from && after_ < from + bytes.size();
  if (!here) return true;
  const size_t within = after_ - from;
  const Fault fault = fault_;
  fault_ = Fault::kNone;
  switch (fault) {
    case Fault::kNone:
      return true;
    case Fault::kFin:
    case Fault::kReset:
      bytes.resize(within);
      if (fault == Fault::kReset) ResetOnClose(link.client.get());
      return false;
    case Fault::kStall:
      bytes.resize(within);
      link.silent = true;
      return true;
    case Fault::kTrickle:
      link.slow_until_ms = SystemClock().MonotonicMs() + 1'000;
      return true;
    case Fault::kCorrupt:
      bytes[within] = static_cast<char>(bytes[within] ^ 1);
      return true;
    case Fault::kReplay:
      if (!first_answer_.empty()) bytes = first_answer_;
      return false;
  }
  return true;
}

bool FaultProxy::Upstream(Link& link) {
  char buffer[16384];
  const ssize_t got = recv(link.client.get(), buffer, sizeof(buffer), 0);
  if (got <= 0) return false;
  return SendAll(link.server.get(), std::string(buffer, static_cast<size_t>(got)));
}

bool FaultProxy::Downstream(Link& link) {
  const bool slow = SystemClock().MonotonicMs() < link.slow_until_ms;
  char buffer[16384];
  const ssize_t got = recv(link.server.get(), buffer, slow ? 16 : sizeof(buffer), 0);
  if (got <= 0) return false;
  std::string bytes(buffer, static_cast<size_t>(got));
  if (link.silent) return true;
  if (slow) SystemClock().SleepMs(20);
  const bool goes_on = Spoil(link, bytes);
  if (link.seen.size() < kKeptBytes) link.seen += bytes;
  {
    const std::lock_guard lock(mutex_);
    if (&link == &links_.front() && first_answer_.size() < kKeptBytes) first_answer_ = link.seen;
  }
  return SendAll(link.client.get(), bytes) && goes_on;
}

void FaultProxy::Serve() {
  while (!stop_) {
    std::vector<pollfd> wanted = {{listener_.get(), POLLIN, 0}};
    for (const Link& link : links_) {
      wanted.push_back({link.client.get(), POLLIN, 0});
      wanted.push_back({link.server.get(), POLLIN, 0});
    }
    if (poll(wanted.data(), wanted.size(), 50) <= 0) continue;
    std::vector<bool> ended(links_.size());
    for (size_t i = 0; i < links_.size(); i++) {
      const bool from_client = wanted[1 + 2 * i].revents != 0;
      const bool from_server = wanted[2 + 2 * i].revents != 0;
      if (from_client && !Upstream(links_[i])) ended[i] = true;
      if (!ended[i] && from_server && !Downstream(links_[i])) ended[i] = !links_[i].silent;
    }
    const size_t known = ended.size();
    if (wanted[0].revents != 0) Accept();
    for (size_t i = known; i-- > 0;) {
      if (ended[i]) links_.erase(links_.begin() + static_cast<ptrdiff_t>(i));
    }
  }
}

}  // namespace till::netfault
