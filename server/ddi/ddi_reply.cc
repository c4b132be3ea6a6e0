#include "server/ddi/ddi_reply.h"

#include <algorithm>
#include <array>

#include "core/crypto/hash.h"
#include "core/text.h"

namespace till::server {
namespace {

struct FaultWords {
  int status;
  const char* exception;
  const char* code;
  const char* message;
};

// In the order of DdiFault; classes and codes are hawkBit's (SpServerError), since clients compare them.
constexpr std::array<FaultWords, 13> kFaults = {{
    {400, "org.eclipse.hawkbit.rest.exception.MessageNotReadableException",
     "hawkbit.server.error.rest.body.notReadable", "The given request body is not well formed"},
    {400, "jakarta.validation.ConstraintViolationException", "hawkbit.server.error.repo.constraintViolation",
     "The given entity cannot be saved due to Constraint Violation"},
    {401, "", "", ""},
    {404, "org.eclipse.hawkbit.repository.exception.EntityNotFoundException",
     "hawkbit.server.error.repo.entitiyNotFound", "The given entity does not exist in the repository."},
    {405, "org.springframework.web.HttpRequestMethodNotSupportedException",
     "hawkbit.server.error.rest.methodNotAllowed", "The method is not allowed here"},
    {405, "org.eclipse.hawkbit.repository.exception.CancelActionNotAllowedException",
     "hawkbit.server.error.action.status.notCancelable",
     "Only active actions which are in status pending are cancelable"},
    {406, "org.springframework.web.HttpMediaTypeNotAcceptableException", "hawkbit.server.error.rest.notAcceptable",
     "Only application/hal+json and application/json are made here"},
    {409, "org.eclipse.hawkbit.repository.exception.ConcurrentModificationException",
     "hawkbit.server.error.repo.concurrentModification", "The given entity has been changed by another user/session"},
    {410, "org.eclipse.hawkbit.repository.exception.EntityNotFoundException", "hawkbit.server.error.action.closed",
     "The action is closed"},
    {415, "org.springframework.web.HttpMediaTypeNotSupportedException", "hawkbit.server.error.rest.mediaType",
     "Only application/json is read here"},
    {429, "org.eclipse.hawkbit.repository.exception.AssignmentQuotaExceededException",
     "hawkbit.server.error.quota.tooManyEntries", "Too many entries have been inserted."},
    {500, "org.eclipse.hawkbit.repository.exception.GenericRepositoryException",
     "hawkbit.server.error.repo.genericError", "unknown error occurred"},
    {503, "org.eclipse.hawkbit.repository.exception.GenericRepositoryException",
     "hawkbit.server.error.repo.genericError", "too busy, try again"},
}};

// Whether an Accept header takes `type` ("application/json"). Weights are not needed: both types say the same.
bool Accepts(std::string_view accept, std::string_view type) {
  for (const std::string_view part : Split(accept, ',')) {
    const std::string_view range = Trim(part.substr(0, part.find(';')));
    if (range == "*/*" || range == "application/*" || EqualsIgnoreCase(range, type)) return true;
  }
  return false;
}

}  // namespace

http::Response DdiJson(const http::Request& request, const json::Value& value) {
  const std::string_view accept = request.has_header("Accept") ? request.header("Accept") : "*/*";
  const bool hal = Accepts(accept, "application/hal+json");
  if (!hal && !Accepts(accept, "application/json")) return DdiError(DdiFault::kNotAcceptable);
  http::Response response;
  response.body = json::Write(value);
  crypto::Hasher md5(crypto::HashKind::kMd5);
  md5.Update(AsBytes(response.body));
  const std::string etag = "\"" + ToHex(md5.Finish()) + "\"";
  response.headers.push_back({"ETag", etag});
  for (const std::string_view known : Split(request.header("If-None-Match"), ',')) {
    std::string_view tag = Trim(known);
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag != etag) continue;
    response.status = 304;
    response.body.clear();
    return response;
  }
  response.headers.push_back({"Content-Type", hal ? "application/hal+json" : "application/json"});
  return response;
}

http::Response DdiDone() {
  http::Response response;
  response.status = 200;
  return response;
}

http::Response DdiError(DdiFault fault, std::string_view message) {
  const FaultWords& words = kFaults[static_cast<size_t>(fault)];
  http::Response response;
  response.status = words.status;
  if (words.status == 401) return response;
  response.headers.push_back({"Content-Type", "application/json"});
  response.body = json::Write(json::Value::Object({
      {"exceptionClass", words.exception},
      {"errorCode", words.code},
      {"message", message.empty() ? std::string(words.message) : std::string(message)},
      {"info", json::Value::Object()},
  }));
  if (words.status == 503) response.headers.push_back({"Retry-After", "1"});
  return response;
}

bool IsJsonBody(const http::Request& request) {
  const std::string_view type =
      Trim(request.header("Content-Type").substr(0, request.header("Content-Type").find(';')));
  return type.empty() || EqualsIgnoreCase(type, "application/json") || EqualsIgnoreCase(type, "application/hal+json");
}

std::string UrlSegment(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace till::server
