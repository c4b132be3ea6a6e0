#include "server/mgmt/api.h"

#include "core/file.h"
#include "core/text.h"
#include "server/store/writer.h"

namespace till::mgmt {
namespace {

struct Wording {
  ErrorCode code;
  int status;
  const char* exception;
  const char* error_code;
};
constexpr Wording kWordings[] = {
    {ErrorCode::kInvalid, 400, "ConstraintViolationException", "repo.constraintViolation"},
    {ErrorCode::kNotFound, 404, "EntityNotFoundException", "repo.entityNotFound"},
    {ErrorCode::kConflict, 409, "EntityAlreadyExistsException", "repo.entitiyAlreayExists"},  // spelled so by hawkBit
    {ErrorCode::kRefused, 405, "IllegalStateException", "repo.illegalState"},
    {ErrorCode::kLimit, 429, "AssignmentQuotaExceededException", "quota.tooManyEntries"},
    {ErrorCode::kUnsupported, 400, "UnsupportedException", "repo.unsupported"},
    {ErrorCode::kUnavailable, 503, "UnavailableException", "repo.unavailable"},
};

Response Problem(int status, const std::string& exception, const std::string& code, const std::string& message) {
  json::Value body = json::Value::Object();
  body.Set("exceptionClass", exception);
  body.Set("errorCode", "hawkbit.server.error." + code);
  body.Set("message", message);
  return {status, json::Write(body)};
}

}  // namespace

bool Allows(const server::Operator& who, Permission permission) { return permission == Permission::kNone || who.admin; }

Result<uint64_t> Call::Number(size_t capture) const {
  const auto number = ParseUint(captures[capture]);
  if (!number.ok() || *number == 0) return Error{ErrorCode::kNotFound, "no such id", 0};
  return *number;
}

bool Call::Flag(std::string_view parameter) const {
  const auto value = request.QueryParameter(parameter);
  return value && EqualsIgnoreCase(*value, "true");
}

Response JsonAnswer(int status, const json::Value& value) { return {status, json::Write(value)}; }

Response Refuse(int status, const char* code, const std::string& message) {
  return Problem(status, status == 404 ? "EntityNotFoundException" : "RequestRefusedException", code, message);
}

Response ErrorResponse(const Error& error) {
  // Not 429: a client would try for ever.
  if (IsDiskFull(error)) return Problem(507, "InsufficientStorageException", "internal", "the hub's disk is full");
  if (IsOutOfResources(error))
    return Problem(503, "UnavailableException", "repo.unavailable", "not now: too much to do");
  for (const Wording& wording : kWordings) {
    if (wording.code == error.code) return Problem(wording.status, wording.exception, wording.error_code, error.what);
  }
  // What the system says is for the log, not for the client.
  return Problem(500, "InternalErrorException", "internal", "the server could not do it");
}

Result<uint64_t> ReadId(const json::Value& value) {
  if (value.is_integer() && value.AsInteger() > 0) return static_cast<uint64_t>(value.AsInteger());
  if (value.is_string()) {
    const auto number = ParseUint(value.AsString());
    if (number.ok() && *number > 0) return *number;
  }
  return Error{ErrorCode::kInvalid, "an id is a positive number", 0};
}

Result<std::string> ReadText(const json::Value& object, std::string_view member, size_t max_bytes,
                             std::string current) {
  const json::Value& value = object[member];
  if (value.is_null()) return current;
  if (!value.is_string()) return Error{ErrorCode::kInvalid, "a member that must be text is none", 0};
  const std::string& text = value.AsString();
  if (text.size() > max_bytes) return Error{ErrorCode::kInvalid, "a text is too long", max_bytes};
  if (text.find('\0') != std::string::npos) return Error{ErrorCode::kInvalid, "a text holds a NUL", 0};
  return text;
}

Result<std::vector<json::Value>> ReadObjects(const json::Value& body, size_t max_items) {
  std::vector<json::Value> objects = body.is_object() ? std::vector<json::Value>{body} : body.items();
  if (!body.is_object() && !body.is_array()) return Error{ErrorCode::kInvalid, "a JSON array is expected", 0};
  if (objects.size() > max_items) return Error{ErrorCode::kLimit, "too many entries in one request", max_items};
  for (const json::Value& object : objects) {
    if (!object.is_object()) return Error{ErrorCode::kInvalid, "an array of JSON objects is expected", 0};
  }
  return objects;
}

void SetAudit(json::Value& object, const server::Audit& audit) {
  object.Set("createdBy", audit.created_by).Set("createdAt", audit.created_at_ms);
  object.Set("lastModifiedBy", audit.last_modified_by).Set("lastModifiedAt", audit.last_modified_at_ms);
}

void SetLink(json::Value& object, const std::string& name, const std::string& href) {
  json::Value links = object["_links"];
  links.Set(name, json::Value::Object({{"href", href}}));
  object.Set("_links", std::move(links));
}

void Touch(server::Audit& audit, const server::Actor& actor) {
  if (audit.created_at_ms == 0) {
    audit.created_by = actor.name;
    audit.created_at_ms = actor.now_ms;
  }
  audit.last_modified_by = actor.name;
  audit.last_modified_at_ms = actor.now_ms;
}

std::string EncodeSegment(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string_view::npos;
    if (plain) {
      out.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

Result<Response> Reading(const Call& call, const std::function<Result<Response>(kv::ReadTxn&)>& job) {
  Response answer;
  TILL_TRY(call.hub.store.View([&](kv::ReadTxn& txn) -> Status {
    answer = TILL_TRY(job(txn));
    return Ok();
  }));
  return answer;
}

Result<Response> Writing(const Call& call, const std::function<Result<Response>(kv::WriteTxn&)>& job) {
  Response answer;
  bool refused = false;
  const Status done = call.hub.writer.Run([&](kv::WriteTxn& txn) -> Status {
    refused = false;
    answer = TILL_TRY(job(txn));
    refused = answer.status >= 400;
    return refused ? Status(Error{ErrorCode::kCanceled, "refused", 0}) : Ok();
  });
  if (!done.ok() && !refused) return done.error();
  return answer;
}

}  // namespace till::mgmt
