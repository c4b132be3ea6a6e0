// A hub as tillpack speaks to it: JSON with an operator's token, and errors that say which request failed and what the
// hub answered. One thread at a time.
#pragma once

#include <string>

#include "core/http/client.h"
#include "core/json/json.h"

namespace till::packer {

struct HubAccess {
  std::string url;    // "https://ota.example"
  std::string token;  // an operator's API token
  std::string ca_file;
};

// The token from `file`, or from TILL_TOKEN when no file is named. kInvalid when there is neither.
Result<std::string> ReadHubToken(const std::string& file);

// What a hub with a full disk answers.
inline constexpr int kHubFullStatus = 507;

// Percent-encodes all but what may stand in a query as it is.
std::string EncodeQuery(std::string_view text);

class HubConnection {
 public:
  explicit HubConnection(HubAccess hub);

  // `call.url` starts with '/'. Statuses from 400 on are Errors (detail: the status): kRefused 401 and 403, kNotFound
  // 404, kConflict 409, kLimit 507, kUnavailable 408, 429 and from 500 on, kInvalid the others. A HEAD may answer 404.
  // http::kSpeaksTls: the URL says http, and the hub speaks https.
  Result<http::Reply> Send(http::Call call);
  Result<json::Value> SendJson(const std::string& method, const std::string& path, const json::Value& body = {});
  // Appends the object's bytes to `file`, whole.
  Status Download(const std::string& path, const std::string& file);

  const std::string& error_context() const { return error_context_; }
  void set_error_context(std::string context) { error_context_ = std::move(context); }

 private:
  Error Judged(const Error& error) const;

  HubAccess hub_;
  http::Client client_;
  std::string error_context_;
};

}  // namespace till::packer
