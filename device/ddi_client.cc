#include "device/ddi_client.h"

#include <algorithm>

#include "core/file.h"
#include "core/text.h"
#include "device/contact.h"

namespace till::device {
namespace {

constexpr uint64_t kMaxAnswerBytes = 256 << 10;

// RFC 3986 unreserved characters stay, everything else is escaped: a controller id is any text.
std::string EscapeSegment(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[u >> 4];
      out += kHex[u & 15];
    }
  }
  return out;
}

}  // namespace

std::string DdiClient::UserAgent(const Config& config) {
  return "tilld/" TILL_VERSION " (" + config.controller_id + ")";
}

http::ClientOptions DdiClient::HttpOptions(const Config& config) {
  http::ClientOptions options;
  options.user_agent = UserAgent(config);
  options.ca_file = config.ca_file;
  if (config.cert_file.empty() || config.key_file.empty()) return options;
  // Read here and now: the downloading process may not open the key.
  const auto cert = ReadTextFile(config.cert_file, 64 << 10);
  const auto key = ReadTextFile(config.key_file, 64 << 10);
  if (cert.ok() && key.ok()) {
    options.client_cert_pem = *cert;
    options.client_key_pem = *key;
  }
  return options;
}

DdiClient::DdiClient(const Config& config, std::string token, const std::atomic<bool>* cancel,
                     std::function<int64_t()> earliest_unix_s, int64_t answer_timeout_ms)
    : http_([&] {
        http::ClientOptions options = HttpOptions(config);
        options.cancel = cancel;
        options.earliest_unix_s = std::move(earliest_unix_s);
        options.total_timeout_ms = answer_timeout_ms;
        return options;
      }()),
      server_(OriginOf(config.server)),
      tuf_url_(config.server + "/" + EscapeSegment(config.tenant) + "/tuf/"),
      base_url_(config.server + "/" + EscapeSegment(config.tenant) + "/controller/v1/" +
                EscapeSegment(config.controller_id)),
      token_(std::move(token)) {}

std::vector<http::HeaderField> DdiClient::HeadersFor(const std::string& url) const {
  if (token_.empty() || OriginOf(url) != server_) return {};
  return {{"Authorization", "TargetToken " + token_}};
}

Result<http::Reply> DdiClient::Send(http::Call call) {
  for (http::HeaderField& header : HeadersFor(call.url)) call.headers.push_back(std::move(header));
  if (call.max_reply_bytes > kMaxAnswerBytes) call.max_reply_bytes = kMaxAnswerBytes;
  auto reply = http_.Send(call);
  retry_after_s_ = 0;
  if (reply.ok() && (reply->status == 429 || reply->status == 503)) {
    const auto seconds = ParseUint(Trim(reply->header("Retry-After")));
    if (seconds.ok()) retry_after_s_ = static_cast<int64_t>(std::min<uint64_t>(*seconds, 3600));
  }
  return reply;
}

Result<std::optional<BaseAnswer>> DdiClient::Poll(bool fresh) {
  http::Call call;
  call.url = base_url_;
  call.headers.push_back({"Accept", "application/hal+json, application/json"});
  if (!fresh && !etag_.empty()) call.headers.push_back({"If-None-Match", etag_});
  const http::Reply reply = TILL_TRY(Send(std::move(call)));
  if (reply.status == 304) return std::optional<BaseAnswer>();
  TILL_TRY(JudgeHttpStatus(reply.status));
  BaseAnswer answer = TILL_TRY(ParseBase(reply.body));
  etag_ = std::string(reply.header("ETag"));
  return std::optional<BaseAnswer>(std::move(answer));
}

Result<Deployment> DdiClient::GetDeployment(const std::string& url) {
  http::Call call;
  call.url = url;
  call.headers.push_back({"Accept", "application/hal+json, application/json"});
  const http::Reply reply = TILL_TRY(Send(std::move(call)));
  TILL_TRY(JudgeHttpStatus(reply.status));
  return ParseDeployment(reply.body);
}

Result<std::string> DdiClient::GetCancel(const std::string& url) {
  http::Call call;
  call.url = url;
  call.headers.push_back({"Accept", "application/hal+json, application/json"});
  const http::Reply reply = TILL_TRY(Send(std::move(call)));
  TILL_TRY(JudgeHttpStatus(reply.status));
  return ParseCancel(reply.body);
}

Status DdiClient::PutConfigData(const std::string& url,
                                const std::vector<std::pair<std::string, std::string>>& attributes) {
  http::Call call;
  call.method = "PUT";
  call.url = url.empty() ? base_url_ + "/configData" : url;
  call.headers.push_back({"Content-Type", "application/json"});
  call.body = ConfigDataBody(attributes);
  const http::Reply reply = TILL_TRY(Send(std::move(call)));
  return JudgeHttpStatus(reply.status);
}

Status DdiClient::PostFeedback(const Feedback& feedback, int64_t unix_ms) {
  http::Call call;
  call.method = "POST";
  call.url = base_url_ + (feedback.about_cancel ? "/cancelAction/" : "/deploymentBase/") +
             EscapeSegment(feedback.action) + "/feedback";
  call.headers.push_back({"Content-Type", "application/json"});
  call.body = FeedbackBody(feedback, unix_ms);
  const http::Reply reply = TILL_TRY(Send(std::move(call)));
  return JudgeHttpStatus(reply.status);
}

Result<std::string> DdiClient::GetMetadata(const std::string& name, uint64_t max_bytes) {
  http::Call call;
  call.url = tuf_url_ + EscapeSegment(name);
  call.max_reply_bytes = max_bytes;
  http::Reply reply = TILL_TRY(http_.Send(call));  // signed and public: no token, and its own size cap
  const Status status = JudgeHttpStatus(reply.status);
  // Public where it is served: a server that wants a token there (a stock hawkBit) does not serve it.
  if (!status.ok() && status.error().code == ErrorCode::kRefused) {
    return Error{ErrorCode::kNotFound, "the server has no signed metadata", status.error().detail};
  }
  TILL_TRY(status);
  return std::move(reply.body);
}

}  // namespace till::device
