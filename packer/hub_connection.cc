#include "packer/hub_connection.h"

#include <cstdlib>

#include "core/file.h"
#include "core/http/tls_probe.h"
#include "core/text.h"

namespace till::packer {
namespace {

constexpr int64_t kSlowUplinkMs = 600'000;
constexpr size_t kShownBodyBytes = 300;
constexpr uint64_t kMaxReplyBytes = 8 << 20;

Error FromStatus(int status) {
  const auto detail = static_cast<uint64_t>(status);
  if (status == 401 || status == 403) return Error{ErrorCode::kRefused, "the hub does not accept the token", detail};
  if (status == 404) return Error{ErrorCode::kNotFound, "the hub does not know this", detail};
  if (status == 409) return Error{ErrorCode::kConflict, "the hub holds something else under this name", detail};
  if (status == kHubFullStatus) return Error{ErrorCode::kLimit, "the hub has no room", detail};
  const bool may_pass = status == 408 || status == 429 || status >= 500;
  if (may_pass) return Error{ErrorCode::kUnavailable, "the hub cannot take this now", detail};
  return Error{ErrorCode::kInvalid, "the hub refused", detail};
}

http::ClientOptions OptionsFor(const HubAccess& hub) {
  http::ClientOptions options;
  options.user_agent = "tillpack";
  options.ca_file = hub.ca_file;
  options.total_timeout_ms = kSlowUplinkMs;
  return options;
}

}  // namespace

Result<std::string> ReadHubToken(const std::string& file) {
  const char* from_environment = std::getenv("TILL_TOKEN");
  if (file.empty() && from_environment != nullptr) return std::string(from_environment);
  if (file.empty()) return Error{ErrorCode::kInvalid, "no token: give --token-file, or TILL_TOKEN"};
  const std::string text = TILL_TRY(ReadTextFile(file, 4096));
  return std::string(Trim(text));
}

std::string EncodeQuery(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
    if (plain) {
      encoded += c;
    } else {
      encoded += "%" + ToHex(AsBytes(std::string_view(&c, 1)));
    }
  }
  return encoded;
}

HubConnection::HubConnection(HubAccess hub) : hub_(std::move(hub)), client_(OptionsFor(hub_)) {
  while (!hub_.url.empty() && hub_.url.back() == '/') hub_.url.pop_back();
}

Error HubConnection::Judged(const Error& error) const {
  const bool silent = error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kCorrupt;
  if (!silent || !http::SpeaksTlsInstead(hub_.url)) return error;
  return http::kSpeaksTls;
}

Result<http::Reply> HubConnection::Send(http::Call call) {
  error_context_ = call.method + " " + hub_.url + call.url;
  call.url = hub_.url + call.url;
  call.max_reply_bytes = kMaxReplyBytes;
  call.headers.push_back({"Authorization", "Bearer " + hub_.token});
  Result<http::Reply> sent = client_.Send(call);
  if (!sent.ok()) return Judged(sent.error());
  http::Reply reply = std::move(sent).value();
  if (reply.status >= 400 && !(call.method == "HEAD" && reply.status == 404)) {
    error_context_ += ": " + std::to_string(reply.status) + " " + reply.body.substr(0, kShownBodyBytes);
    return FromStatus(reply.status);
  }
  return reply;
}

Result<json::Value> HubConnection::SendJson(const std::string& method, const std::string& path,
                                            const json::Value& body) {
  http::Call call;
  call.method = method;
  call.url = path;
  if (!body.is_null()) {
    call.headers.push_back({"Content-Type", "application/json"});
    call.body = json::Write(body);
  }
  const http::Reply reply = TILL_TRY(Send(std::move(call)));
  if (reply.body.empty()) return json::Value();
  return json::Parse(reply.body);
}

Status HubConnection::Download(const std::string& path, const std::string& file) {
  error_context_ = "GET " + hub_.url + path;
  FileSink sink = TILL_TRY(FileSink::Create(file));
  http::DownloadCall call;
  call.url = hub_.url + path;
  call.headers.push_back({"Authorization", "Bearer " + hub_.token});
  const Result<http::DownloadReply> reply = client_.Download(call, [&](ByteView bytes) { return sink.Write(bytes); });
  if (!reply.ok()) return Judged(reply.error());
  if (reply->status != 200) {
    error_context_ += ": " + std::to_string(reply->status);
    return FromStatus(reply->status);
  }
  return sink.Finish();
}

}  // namespace till::packer
