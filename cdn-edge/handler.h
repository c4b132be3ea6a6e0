// Answers the edge's requests: /a/<sha256>, /{tenant}/tuf/<file>, /healthz, /status. GET and HEAD only.
//   Nothing of a request but the name in its path chooses bytes: no query and no header enters the cache key.
//   On a loop thread only what is live in memory is answered; loading, refreshing metadata and asking the origin for a
//   plain object's length run on a worker pool, once per name however many ask.
//   Of a plain object neither tag, digest nor ranges are given until all of it was found to be what its name says.
//   A request waits with its head until its first byte is there (or cannot come), so that a status is honest: 404, 502,
//   503, never a 200 that breaks at byte 0.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cdn-edge/access_log.h"
#include "cdn-edge/answer.h"
#include "cdn-edge/filler.h"
#include "cdn-edge/mirror.h"

namespace till::edge {

struct HandlerOptions {
  std::string tenant = "DEFAULT";
  int64_t wait_ms = 30'000;        // most that a client waits while nothing comes from the origin
  int64_t absent_ms = 2'000;       // how long the origin's "no such object" is believed
  size_t max_absent_names = 4096;  // remembered at once
};

class EdgeHandler : public http::Handler {
 public:
  struct Parts {
    Catalog& catalog;
    Filler& filler;
    Mirror& mirror;
    OriginLink& link;
    Counters& counters;
    AccessLog& access_log;
    Clock& clock;
  };
  EdgeHandler(Parts parts, HandlerOptions options);
  ~EdgeHandler() override;

  void OnRequest(std::shared_ptr<http::Exchange> exchange) override;

 private:
  using ExchangePtr = std::shared_ptr<http::Exchange>;  // shared with the server
  struct Pending;                                       // an answer that waits for its first byte
  using PendingPtr = std::shared_ptr<Pending>;          // shared by the waiters it leaves

  void OnObject(const ExchangePtr& exchange, std::string_view name_text);
  void Resolve(const ExchangePtr& exchange, const crypto::Sha256Digest& name);
  void Load(const crypto::Sha256Digest& name);
  void AskOrigin(const crypto::Sha256Digest& name);
  void Resolved(const crypto::Sha256Digest& name, const Result<Catalog::Object>& object);
  Result<Catalog::Object> FindOrMake(const crypto::Sha256Digest& name);
  Result<uint64_t> AskSize(const crypto::Sha256Digest& name);
  bool KnownAbsent(const crypto::Sha256Digest& name);
  void RememberAbsent(const crypto::Sha256Digest& name);
  void Answer(const ExchangePtr& exchange, const Catalog::Object& object);
  void Judge(Pending& pending) const;
  http::Response ObjectResponse(const Pending& pending) const;
  void Await(const PendingPtr& pending);
  void Send(Pending& pending);
  void Refuse(const ExchangePtr& exchange, http::Response response, std::string_view object);
  void OnMetadata(const ExchangePtr& exchange, const std::string& file);
  void FetchMetadata(const ExchangePtr& exchange, const std::string& file);
  void RespondMetadata(const ExchangePtr& exchange, const std::string& file, const std::string& text);
  http::Response StatusResponse() const;
  AccessLine LineFor(const http::Request& request, std::string_view object) const;

  Parts parts_;
  const HandlerOptions options_;
  std::unique_ptr<Courier> courier_;  // for lengths of plain objects; with courier_mutex_
  std::mutex courier_mutex_;
  std::mutex mutex_;
  std::map<crypto::Sha256Digest, std::vector<ExchangePtr>> resolving_;
  std::map<crypto::Sha256Digest, int64_t> absent_;  // until when, monotonic
  http::WorkerPool asks_;                           // metadata from the origin
  http::WorkerPool sizes_;                          // what waits through an outage for the length of a plain object
  http::WorkerPool loads_;  // what needs the disk only: it must not queue behind a silent origin
};

}  // namespace till::edge
