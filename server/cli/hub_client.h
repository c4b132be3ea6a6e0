// The hub's Management API, as tillctl uses it: JSON in, JSON out, errors that name the request and the hub's words.
//   One thread at a time.
#pragma once

#include <string>

#include "core/http/client.h"
#include "core/json/json.h"
#include "server/cli/context.h"

namespace till::cli {

// What a hub with a full disk answers.
inline constexpr int kHubFullStatus = 507;

class HubClient {
 public:
  explicit HubClient(Context context);

  Result<json::Value> Get(const std::string& path);
  Result<json::Value> Post(const std::string& path, const json::Value& body);
  Result<json::Value> Put(const std::string& path, const json::Value& body);
  Status Delete(const std::string& path);
  // All pages of a list, at most `limit` entries.
  Result<std::vector<json::Value>> List(const std::string& path, const std::string& rsql, uint64_t limit);

  const Context& context() const { return context_; }
  // What was asked when the last Error came, and what the hub answered.
  const std::string& error_context() const { return error_context_; }

 private:
  Result<json::Value> Send(const std::string& method, const std::string& path, const json::Value* body);

  Context context_;
  http::Client client_;
  std::string error_context_;
};

// Percent-encodes everything but unreserved characters (RFC 3986).
std::string EncodeUrl(std::string_view text);

}  // namespace till::cli
