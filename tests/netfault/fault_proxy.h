// A TCP proxy on loopback that spoils one moment of what a server answers: after a given byte, counted over all
// connections since Arm(), the connection ends (FIN), is torn (RST), falls silent, trickles, or a byte is changed; or
// the whole answer is an older one. It knows nothing of what flows.
//   Thread rule: made, armed and ended by one thread; a thread of its own serves, one connection at a time in turn.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/file.h"

namespace till::netfault {

enum class Fault : uint8_t {
  kNone,
  kFin,      // the connection ends after byte k, as if the server had closed it
  kReset,    // the same with RST
  kStall,    // nothing comes any more; the connection stays
  kTrickle,  // from byte k on, 16 bytes every 20 ms for a second, then full speed
  kCorrupt,  // one bit of byte k is another
  kReplay,   // the connection that brings byte k brings instead what the first one brought
};
const char* FaultName(Fault fault);

class FaultProxy {
 public:
  // To 127.0.0.1:`target_port`.
  explicit FaultProxy(uint16_t target_port);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // From now on byte `after` (0-based) of what comes back is where it happens, once.
  void Arm(Fault fault, uint64_t after);
  // Bytes that came back since Arm().
  uint64_t bytes() const { return bytes_.load(); }
  // How many of these came before `mark` was first seen; UINT64_MAX: it was not. The mark is for good.
  void Watch(std::string mark);
  uint64_t marked_at() const { return marked_at_.load(); }

 private:
  struct Link {
    UniqueFd client, server;
    std::string seen;  // the first 64 KiB that came back
    std::string tail;  // the last bytes, in which a mark may have begun
    bool silent = false;
    int64_t slow_until_ms = 0;
  };
  void Serve();
  void Accept();
  bool Upstream(Link& link);
  bool Downstream(Link& link);
  bool Spoil(Link& link, std::string& bytes);
  void Look(Link& link, const std::string& bytes, uint64_t from);

  uint16_t target_port_;
  uint16_t port_ = 0;
  UniqueFd listener_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> marked_at_{UINT64_MAX};
  std::mutex mutex_;
  Fault fault_ = Fault::kNone;
  uint64_t after_ = 0;
  std::string first_answer_;
  std::string mark_;
  std::vector<Link> links_;
  std::thread thread_;
};

}  // namespace till::netfault
