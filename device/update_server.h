// The update server as the agent meets it: DDI over HTTP (ddi_client.h), or a scripted one in the power-cut proof.
//   Errors: kUnavailable (network, 5xx, 429; detail: HTTP status or curl code), kRefused (401, 403), kNotFound (404,
//   410: the server does not know the thing any more), kCorrupt (an answer that cannot be used).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/http/client.h"
#include "device/ddi.h"

namespace till::device {

class UpdateServer {
 public:
  virtual ~UpdateServer() = default;
  // nullopt: 304, nothing changed since the last answer. `fresh` asks without the ETag.
  virtual Result<std::optional<BaseAnswer>> Poll(bool fresh) = 0;
  virtual Result<Deployment> GetDeployment(const std::string& url) = 0;
  virtual Result<std::string> GetCancel(const std::string& url) = 0;
  virtual Status PutConfigData(const std::string& url,
                               const std::vector<std::pair<std::string, std::string>>& attributes) = 0;
  // kInvalid when the server will never take it (400).
  virtual Status PostFeedback(const Feedback& feedback, int64_t unix_ms) = 0;
  // A file of the signed metadata; kNotFound on 404.
  virtual Result<std::string> GetMetadata(const std::string& name, uint64_t max_bytes) = 0;
  // The headers for a download from `url`: the token only for our own server.
  virtual std::vector<http::HeaderField> HeadersFor(const std::string& url) const = 0;
  // Where the signed metadata is asked for, what a file's name is put behind: for people.
  virtual std::string metadata_url() const { return ""; }
  // False: reports stay in the queue (a medium stands in the server's place).
  virtual bool takes_reports() const { return true; }
  // What the last refusal for now asked us to wait (Retry-After); 0: nothing.
  virtual int64_t retry_after_s() const { return 0; }
};

}  // namespace till::device
