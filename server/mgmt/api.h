// The Management API's own small frame: one Call in, one Response or Error out, no word of any HTTP server.
//   Handlers are free functions, one resource per file, listed in routes.cc. They run on worker threads and may block.
//   An Error becomes a hawkBit error body by its code (see ErrorResponse); where hawkBit has a code of its own,
//   handlers answer with Refuse(). Bounds: bodies 1 MiB of JSON, 100,000 values. Source: hawkBit Management API
//   /rest/v1 (August 2026).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.h"
#include "core/json/json.h"
#include "server/auth/operators.h"
#include "server/hub.h"
#include "server/model/operations.h"

namespace till::mgmt {

// The rights of hawkBit that the routes ask for. Every operator of this version is an admin and has them all.
enum class Permission : uint8_t {
  kNone,
  kCreateTarget,
  kReadTarget,
  kUpdateTarget,
  kDeleteTarget,
  kCreateRepository,
  kReadRepository,
  kUpdateRepository,
  kDeleteRepository,
  kCreateRollout,
  kReadRollout,
  kUpdateRollout,
  kDeleteRollout,
  kHandleRollout,
  kApproveRollout,
  kTenantConfiguration,
};
bool Allows(const server::Operator& who, Permission permission);

struct Response {
  int status = 200;
  std::string body;  // JSON text, "" = none
};

struct Call {
  server::Hub& hub;
  const http::Request& request;
  server::Operator who;
  std::string base_url;  // "https://hub.example"; links start with it
  int64_t now_ms = 0;
  std::vector<std::string> captures;  // what stood for {…} in the route's pattern
  json::Value body;                   // parsed; null when there was none

  server::Actor actor() const { return {who.name, now_ms}; }
  std::string Link(const std::string& path) const { return base_url + "/rest/v1/" + path; }
  // A capture as a number: kNotFound otherwise, because no entity has that name.
  Result<uint64_t> Number(size_t capture) const;
  template <typename Id>
  Result<Id> IdOf(size_t capture) const {
    auto number = Number(capture);
    if (!number.ok()) return number.error();
    return static_cast<Id>(*number);
  }
  bool Flag(std::string_view parameter) const;  // ?offline=true
};

using Handler = Result<Response> (*)(const Call& call);

// Finds the route, checks the permission, parses the body, runs the handler. `call.body` and `captures` are filled
// here.
Response Dispatch(Call& call, const std::vector<std::string>& segments);
// Whether some route has this pattern of segments, for tests and the front: "GET targets/{}/actions".
std::vector<std::string> RouteNames();

// --- answers ---
Response JsonAnswer(int status, const json::Value& value);
inline Response NoContent() { return {204, ""}; }
// A refusal with hawkBit's error code, "hawkbit.server.error." + `code`.
Response Refuse(int status, const char* code, const std::string& message);
Response ErrorResponse(const Error& error);

// --- reading bodies ---
// An id given as number or as text ("3"); kInvalid otherwise.
Result<uint64_t> ReadId(const json::Value& value);
// Text of a member within a length; `current` when absent or null. kInvalid for another type or a longer text.
Result<std::string> ReadText(const json::Value& object, std::string_view member, size_t max_bytes,
                             std::string current = "");
// The object itself, or the items of an array of objects: single values are accepted as lists. kInvalid otherwise.
Result<std::vector<json::Value>> ReadObjects(const json::Value& body, size_t max_items);

// --- writing bodies ---
void SetAudit(json::Value& object, const server::Audit& audit);
// Adds _links.NAME.href.
void SetLink(json::Value& object, const std::string& name, const std::string& href);
void Touch(server::Audit& audit, const server::Actor& actor);  // created (when new) and last modified
std::string EncodeSegment(std::string_view text);              // percent-encoded for a path

// --- transactions ---
// Answers from one snapshot.
Result<Response> Reading(const Call& call, const std::function<Result<Response>(kv::ReadTxn&)>& job);
// Runs a job on the hub's writer. An Error, or an answer of 400 and above, undoes the job alone. May run more than
// once.
Result<Response> Writing(const Call& call, const std::function<Result<Response>(kv::WriteTxn&)>& job);

}  // namespace till::mgmt
