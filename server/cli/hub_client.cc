#include "server/cli/hub_client.h"

#include "core/http/tls_probe.h"

namespace till::cli {
namespace {

constexpr uint64_t kPage = 500;  // the most a hub gives at once

http::ClientOptions Options(const Context& context) {
  http::ClientOptions options;
  options.user_agent = "tillctl";
  options.ca_file = context.ca_file;
  return options;
}

Error FromStatus(int status) {
  const auto detail = static_cast<uint64_t>(status);
  if (status == 401 || status == 403) return Error{ErrorCode::kRefused, "the hub does not allow this", detail};
  if (status == 404) return Error{ErrorCode::kNotFound, "the hub does not know this", detail};
  if (status == 409) return Error{ErrorCode::kConflict, "the hub has this already", detail};
  if (status == kHubFullStatus) return Error{ErrorCode::kLimit, "the hub has no room", detail};
  const bool may_pass = status == 408 || status == 429 || status >= 500;
  if (may_pass) return Error{ErrorCode::kUnavailable, "the hub cannot do this now", detail};
  return Error{ErrorCode::kInvalid, "the hub refused", detail};
}

}  // namespace

HubClient::HubClient(Context context) : context_(std::move(context)), client_(Options(context_)) {
  while (!context_.url.empty() && context_.url.back() == '/') context_.url.pop_back();
}

Result<json::Value> HubClient::Send(const std::string& method, const std::string& path, const json::Value* body) {
  http::Call call;
  call.method = method;
  call.url = context_.url + path;
  call.max_reply_bytes = 32 << 20;
  call.headers.push_back({"Authorization", "Bearer " + context_.token});
  call.headers.push_back({"Accept", "application/json"});
  if (body != nullptr) {
    call.headers.push_back({"Content-Type", "application/json"});
    call.body = json::Write(*body);
  }
  error_context_ = method + " " + call.url;
  const Result<http::Reply> sent = client_.Send(call);
  if (!sent.ok()) {
    const ErrorCode code = sent.error().code;
    const bool silent = code == ErrorCode::kUnavailable || code == ErrorCode::kCorrupt;
    if (!silent || !http::SpeaksTlsInstead(context_.url)) return sent.error();
    return http::kSpeaksTls;
  }
  const http::Reply& reply = *sent;
  if (reply.status >= 400) {
    const Result<json::Value> said = json::Parse(reply.body);
    error_context_ +=
        ": " + (said.ok() && said->Has("message") ? (*said)["message"].AsString() : std::to_string(reply.status));
    return FromStatus(reply.status);
  }
  if (reply.body.empty()) return json::Value();
  json::Limits limits;
  limits.max_bytes = call.max_reply_bytes;
  limits.max_values = 2'000'000;
  return json::Parse(reply.body, limits);
}

Result<json::Value> HubClient::Get(const std::string& path) { return Send("GET", path, nullptr); }
Result<json::Value> HubClient::Post(const std::string& path, const json::Value& body) {
  return Send("POST", path, &body);
}
Result<json::Value> HubClient::Put(const std::string& path, const json::Value& body) {
  return Send("PUT", path, &body);
}

Status HubClient::Delete(const std::string& path) {
  TILL_TRY(Send("DELETE", path, nullptr));
  return Ok();
}

Result<std::vector<json::Value>> HubClient::List(const std::string& path, const std::string& rsql, uint64_t limit) {
  std::vector<json::Value> entries;
  while (entries.size() < limit) {
    const uint64_t page = std::min<uint64_t>(kPage, limit - entries.size());
    std::string url = path + (path.find('?') == std::string::npos ? "?" : "&");
    url += "offset=" + std::to_string(entries.size()) + "&limit=" + std::to_string(page);
    if (!rsql.empty()) url += "&q=" + EncodeUrl(rsql);
    const json::Value list = TILL_TRY(Get(url));
    const std::vector<json::Value>& content = list["content"].items();
    entries.insert(entries.end(), content.begin(), content.end());
    if (content.size() < page) break;
  }
  return entries;
}

std::string EncodeUrl(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded += c;
    } else {
      encoded += "%" + ToHex(AsBytes(std::string_view(&c, 1)));
    }
  }
  return encoded;
}

}  // namespace till::cli
