// The wire to the update server: thin HTTP around ddi.h. One connection is kept.
//   The target token goes to the configured server's own origin only, never to a mirror or any other host.
//   Errors: kUnavailable (network, 5xx, 429; detail: HTTP status or curl code), kRefused (401, 403), kNotFound (404,
//   410: the server does not know the thing any more), kCorrupt (an answer that cannot be used).
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/http/client.h"
#include "device/config.h"
#include "device/ddi.h"

namespace till::device {

class DdiClient {
 public:
  // `cancel`: see http::ClientOptions. `token` is sent as a target token when not empty.
  DdiClient(const Config& config, std::string token, const std::atomic<bool>* cancel);

  // nullopt: 304, nothing changed since the last answer. `fresh` asks without the ETag.
  Result<std::optional<BaseAnswer>> Poll(bool fresh);
  Result<Deployment> GetDeployment(const std::string& url);
  Result<std::string> GetCancel(const std::string& url);
  Status PutConfigData(const std::string& url, const std::vector<std::pair<std::string, std::string>>& attributes);
  // kInvalid when the server will never take it (400).
  Status PostFeedback(const Feedback& feedback, int64_t unix_ms);
  // A file of the signed metadata; kNotFound on 404.
  Result<std::string> GetMetadata(const std::string& name, uint64_t max_bytes);

  // The headers for a download from `url`: the token only for our own server.
  std::vector<http::HeaderField> HeadersFor(const std::string& url) const;
  const std::string& base_url() const { return base_url_; }
  // "tilld/0.1.0 (pos-17)"
  static std::string UserAgent(const Config& config);

 private:
  Result<http::Reply> Send(http::Call call);

  http::Client http_;
  std::string server_;    // scheme, host, port
  std::string tuf_url_;   // ".../{tenant}/tuf/"
  std::string base_url_;  // ".../{tenant}/controller/v1/{id}"
  std::string token_;
  std::string etag_;
};

}  // namespace till::device
