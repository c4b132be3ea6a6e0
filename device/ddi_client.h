// The wire to the update server: thin HTTP around ddi.h. One connection is kept.
//   The target token goes to the configured server's own origin only, never to a mirror or any other host.
//   Errors: as update_server.h says.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/http/client.h"
#include "device/config.h"
#include "device/update_server.h"

namespace till::device {

class DdiClient final : public UpdateServer {
 public:
  // `cancel`: see http::ClientOptions. `token` is sent as a target token when not empty.
  DdiClient(const Config& config, std::string token, const std::atomic<bool>* cancel,
            std::function<int64_t()> earliest_unix_s = nullptr, int64_t answer_timeout_ms = 30'000);

  Result<std::optional<BaseAnswer>> Poll(bool fresh) override;
  Result<Deployment> GetDeployment(const std::string& url) override;
  Result<std::string> GetCancel(const std::string& url) override;
  Status PutConfigData(const std::string& url,
                       const std::vector<std::pair<std::string, std::string>>& attributes) override;
  Status PostFeedback(const Feedback& feedback, int64_t unix_ms) override;
  Result<std::string> GetMetadata(const std::string& name, uint64_t max_bytes) override;
  std::vector<http::HeaderField> HeadersFor(const std::string& url) const override;
  int64_t retry_after_s() const override { return retry_after_s_; }
  const std::string& base_url() const { return base_url_; }
  std::string metadata_url() const override { return tuf_url_; }
  // "tilld/0.1.0 (pos-17)"
  static std::string UserAgent(const Config& config);
  // What every connection of this terminal has: its name, whom it trusts, its own certificate.
  static http::ClientOptions HttpOptions(const Config& config);

 private:
  Result<http::Reply> Send(http::Call call);

  http::Client http_;
  std::string server_;    // scheme, host, port
  std::string tuf_url_;   // ".../{tenant}/tuf/"
  std::string base_url_;  // ".../{tenant}/controller/v1/{id}"
  std::string token_;
  std::string etag_;
  int64_t retry_after_s_ = 0;
};

}  // namespace till::device
