// Deltas that are missing: pairs of images that terminals with an open action would need and no signed payload serves.
// Workers (`tillpack worker`) ask for them, take one on lease, make it and publish it like any payload.
//   GET  /api/v1/deltas/missing   {"missing":[{"base","target","product","version","component","terminals"}]}, the most
//                                 wanted first, at most 1,000; leased ones are left out
//   POST /api/v1/deltas/lease     {"base","target","seconds"}: 200, 409 when another holds it, 404 when nobody needs it
//   Both for operators. Leases are in memory: a restarted hub may give a pair twice, and the same inputs give the same
//   payload. Reads every target with an open action: workers ask once a minute, on a worker thread.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/http/server.h"
#include "server/hub.h"

namespace till::server {

struct MissingDelta {
  std::string base;  // SHA-256 of images
  std::string target;
  std::string product, version, component;
  uint64_t terminals = 0;
};

class DeltaJobs : public http::Handler {
 public:
  DeltaJobs(Hub& hub, http::WorkerPool& workers) : hub_(hub), workers_(workers) {}

  static bool Takes(const http::Request& request);
  http::BodyPlan OnHead(const http::Request& request) override;
  void OnRequest(std::shared_ptr<http::Exchange> exchange) override;

  // All of them, leased or not, the most wanted first.
  Result<std::vector<MissingDelta>> FindMissing() const;

 private:
  using Pair = std::pair<std::string, std::string>;
  http::Response Answer(const http::Request& request);
  http::Response List();
  http::Response Lease(const http::Request& request);
  bool Leased(const Pair& pair, int64_t now_ms) const;

  Hub& hub_;
  http::WorkerPool& workers_;
  mutable std::mutex mutex_;
  std::map<Pair, int64_t> leases_;  // until, on the monotonic clock
};

}  // namespace till::server
