#include "core/http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <thread>

#include "core/clock.h"
#include "core/http/address.h"
#include "core/http/loop.h"

namespace till::http {
namespace {

constexpr int kBacklog = 4096;

Error BindError() {
  const auto detail = static_cast<uint64_t>(errno);
  if (errno == EADDRINUSE) return Error{ErrorCode::kConflict, "the port is in use", detail};
  if (errno == EACCES) return Error{ErrorCode::kRefused, "not allowed to use the port", detail};
  return Error{ErrorCode::kInvalid, "cannot listen on the address", detail};
}

// What the kernel may hold of a body that the network has not taken yet. Without it a slow reader's whole payload is
// "sent" into the kernel at once: memory per connection grows to megabytes, and a cut connection's count is wrong by
// it.
constexpr int kMostUnsentBytes = 128 * 1024;

bool SetFlag(int fd, int level, int option) {
  const int on = 1;
  return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

// The first socket of a server binds without SO_REUSEPORT and takes it on afterwards: so it collides with another
// process that holds the port, also with one of the same user that set SO_REUSEPORT itself.
Result<UniqueFd> Listen(const SocketAddress& address, bool first) {
  UniqueFd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid() || !SetFlag(fd.get(), SOL_SOCKET, SO_REUSEADDR)) return SystemError("cannot make a socket");
  // All are inherited by accepted sockets.
  const int unsent_bytes = kMostUnsentBytes;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_bytes, sizeof(unsent_bytes));  // a hint
  SetFlag(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  SetFlag(fd.get(), SOL_SOCKET, SO_KEEPALIVE);
  if (!first && !SetFlag(fd.get(), SOL_SOCKET, SO_REUSEPORT)) return SystemError("cannot share the port");
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) return BindError();
  if (first && !SetFlag(fd.get(), SOL_SOCKET, SO_REUSEPORT)) return SystemError("cannot share the port");
  return fd;
}

Result<uint16_t> BoundPort(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return SystemError("cannot name a socket");
  return PortOf(storage);
}

// Raises the soft limit of descriptors to the hard one, and answers it.
uint64_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;  // what is usual
  rlimit raised = limit;
  raised.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

ServerLimits LimitsFor(const ServerOptions& options) {
  constexpr uint64_t kOwnDescriptors = 64;  // listeners, stores, logs, standard streams
  const uint64_t descriptors = RaiseDescriptorLimit();
  const uint64_t spared = descriptors / 4 + kOwnDescriptors;
  const uint64_t room = descriptors > spared ? descriptors - spared : 1;
  ServerLimits limits;
  limits.max_connections = static_cast<uint32_t>(std::min<uint64_t>(options.max_connections, room));
  const uint32_t share = options.max_connections_per_address != 0 ? options.max_connections_per_address
                                                                  : std::max(limits.max_connections / 8, 1U);
  limits.max_connections_per_address = std::min(share, limits.max_connections);
  return limits;
}

class LoopServer final : public Server {
 public:
  ~LoopServer() override { Stop(0); }

  Status Open(const ServerOptions& options, Handler& handler);
  uint16_t port() const override { return shared_.options.port; }
  ServerCounters counters() const override;
  ServerLimits limits() const override { return limits_; }
  void Stop(int64_t grace_ms) override;

 private:
  ServerShared shared_;
  ServerLimits limits_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::mutex stop_mutex_;
  std::vector<std::thread> threads_;
};

Status LoopServer::Open(const ServerOptions& options, Handler& handler) {
  shared_.options = options;
  shared_.handler = &handler;
  limits_ = LimitsFor(options);
  std::unordered_set<std::string> unbounded;
  for (const std::string& proxy : options.proxies) {
    unbounded.insert(AdmissionKey(TILL_TRY(ParseAddress(proxy, 0)).storage));
  }
  shared_.admission =
      std::make_unique<Admission>(limits_.max_connections, limits_.max_connections_per_address, std::move(unbounded));
  shared_.bodies = std::make_shared<BodyBudget>(options.max_buffered_body_bytes);
  if (!options.tls_cert_file.empty()) {
    shared_.tls = TILL_TRY(TlsContext::Load(options.tls_cert_file, options.tls_key_file, options.tls_client_ca_file));
  }
  const unsigned count = options.loops != 0 ? options.loops : std::max(std::thread::hardware_concurrency(), 1U);
  std::vector<UniqueFd> listeners;
  for (unsigned i = 0; i < count; ++i) {
    const SocketAddress address = TILL_TRY(ParseAddress(options.address, shared_.options.port));
    listeners.push_back(TILL_TRY(Listen(address, i == 0)));
    if (i == 0) shared_.options.port = TILL_TRY(BoundPort(listeners[0].get()));
  }
  for (UniqueFd& listener : listeners) {
    if (listen(listener.get(), kBacklog) != 0) return BindError();
    loops_.push_back(TILL_TRY(Loop::Make(shared_, std::move(listener))));
  }
  for (const std::unique_ptr<Loop>& loop : loops_) threads_.emplace_back([&loop = *loop] { loop.Run(); });
  return Ok();
}

ServerCounters LoopServer::counters() const {
  ServerCounters counters;
  counters.connections = shared_.connections.load(std::memory_order_relaxed);
  counters.open_connections = shared_.admission->open();
  counters.requests = shared_.requests.load(std::memory_order_relaxed);
  counters.refused = shared_.refused.load(std::memory_order_relaxed);
  counters.body_bytes_sent = shared_.body_bytes_sent.load(std::memory_order_relaxed);
  counters.accept_failures = shared_.accept_failures.load(std::memory_order_relaxed);
  return counters;
}

void LoopServer::Stop(int64_t grace_ms) {
  const std::lock_guard<std::mutex> lock(stop_mutex_);
  const int64_t deadline_ms = SystemClock().MonotonicMs() + grace_ms;
  for (const std::unique_ptr<Loop>& loop : loops_) loop->RequestStop(deadline_ms);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, Handler& handler) {
  // A peer that has gone is an error of the call, not of the process; OpenSSL writes without MSG_NOSIGNAL.
  signal(SIGPIPE, SIG_IGN);
  auto server = std::make_unique<LoopServer>();
  TILL_TRY(server->Open(options, handler));
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace till::http
