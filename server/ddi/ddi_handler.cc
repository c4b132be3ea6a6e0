#include "server/ddi/ddi_handler.h"

#include "core/log.h"
#include "core/text.h"
#include "server/ddi/bodies.h"

namespace till::server {
namespace {

// "/{tenant}/controller/v1/{id}/…"
constexpr size_t kRestAt = 4;

bool IsRead(const http::Request& request) { return request.method == "GET" || request.method == "HEAD"; }

// A positive decimal id, or 0 for anything else: no such action.
ActionId ActionIdOf(std::string_view text) {
  const auto number = ParseUint(text);
  return static_cast<ActionId>(number.ok() ? *number : 0);
}

http::Response MethodNotAllowed(const char* methods) {
  http::Response response = DdiError(DdiFault::kMethod);
  response.headers.push_back({"Allow", methods});
  return response;
}

}  // namespace

// Out of descriptors, memory or room passes: the terminal comes again.
http::Response StoreTrouble(const http::Request& request, const Error& error) {
  log::ErrorLine("the store failed", {{"path", request.path}, {"error", error}});
  return DdiError(http::StatusOfFailure(error) == 503 ? DdiFault::kBusy : DdiFault::kInternal);
}

DdiOutcome Now(http::Response response) {
  DdiOutcome outcome;
  outcome.response = std::make_shared<http::Response>(std::move(response));
  return outcome;
}

DdiOutcome Refuse(DdiFault fault, std::string_view message) { return Now(DdiError(fault, message)); }

bool DdiHandler::Takes(const http::Request& request) const {
  const std::vector<std::string> parts = http::PathSegments(request.raw_target);
  return parts.size() >= kRestAt && parts[1] == "controller" && parts[2] == "v1";
}

// Nothing of a stranger's body is read. Polls have none, and are looked at once.
http::BodyPlan DdiHandler::OnHead(const http::Request& request) {
  http::BodyPlan plan;
  plan.max_bytes = 0;
  if (IsRead(request)) return plan;
  plan.max_bytes = kMaxDdiBodyBytes;
  const std::vector<std::string> parts = http::PathSegments(request.raw_target);
  if (!NamesController(parts) || IsForeign(request, hub_.base_url, hub_.trusted_proxies)) {
    plan.refuse = DdiError(DdiFault::kUnauthorized);
    return plan;
  }
  DeviceAuth auth = DeviceAuth::kRefused;
  const Status read = hub_.store.View([&](kv::ReadTxn& txn) -> Status {
    auth = TILL_TRY(AuthenticateDevice(txn, request, parts[3], hub_.trusted_proxies));
    return Ok();
  });
  if (!read.ok()) {
    plan.refuse = StoreTrouble(request, read.error());
  } else if (auth == DeviceAuth::kRefused) {
    plan.refuse = DdiError(DdiFault::kUnauthorized);
  }
  return plan;
}

bool DdiHandler::NamesController(const std::vector<std::string>& parts) const {
  return parts.size() >= kRestAt && EqualsIgnoreCase(parts[0], hub_.tenant) && IsControllerId(parts[3]);
}

void DdiHandler::OnRequest(std::shared_ptr<http::Exchange> exchange) {
  DdiCall call;
  call.exchange = std::move(exchange);
  std::vector<std::string> parts = http::PathSegments(call.request().raw_target);
  if (!NamesController(parts)) return call.exchange->Respond(DdiError(DdiFault::kUnauthorized));
  call.controller_id = std::move(parts[3]);
  call.rest.assign(std::make_move_iterator(parts.begin() + kRestAt), std::make_move_iterator(parts.end()));
  if (!call.rest.empty() && call.rest.back().empty()) call.rest.pop_back();  // a slash at the end

  DdiOutcome outcome;
  const Status read = hub_.store.View([&](kv::ReadTxn& txn) -> Status {
    outcome = TILL_TRY(Answer(txn, call));
    return Ok();
  });
  if (!read.ok()) return call.exchange->Respond(StoreTrouble(call.request(), read.error()));
  Finish(call, std::move(outcome));
}

DdiHandler::Outcome DdiHandler::Answer(kv::ReadTxn& txn, DdiCall& call) {
  call.auth = TILL_TRY(AuthenticateDevice(txn, call.request(), call.controller_id, hub_.trusted_proxies));
  if (call.auth == DeviceAuth::kRefused) return Refuse(DdiFault::kUnauthorized);
  const auto origin = PublicOrigin(call.request(), hub_.base_url, hub_.trusted_proxies);
  if (!origin.ok()) return Refuse(DdiFault::kConstraint, origin.error().what);
  call.target_url = *origin + "/" + hub_.tenant + "/controller/v1/" + UrlSegment(call.controller_id);
  return Route(txn, call);
}

DdiHandler::Outcome DdiHandler::Route(kv::ReadTxn& txn, const DdiCall& call) {
  const http::Request& request = call.request();
  const std::vector<std::string>& rest = call.rest;
  const bool read = IsRead(request);
  if (rest.empty()) return read ? Poll(txn, call) : Outcome(Now(MethodNotAllowed("GET, HEAD")));
  const std::string& first = rest[0];
  if (rest.size() == 1 && first == "configData") {
    return request.method == "PUT" ? PutConfigData(call) : Outcome(Now(MethodNotAllowed("PUT")));
  }
  if (rest.size() == 1 && first == "installedBase") {
    return request.method == "PUT" ? PutInstalledBase(call) : Outcome(Now(MethodNotAllowed("PUT")));
  }
  const bool action_path = first == "deploymentBase" || first == "cancelAction" || first == "installedBase";
  if (rest.size() == 2 && action_path) {
    if (!read) return Now(MethodNotAllowed("GET, HEAD"));
    const ActionId id = ActionIdOf(rest[1]);
    if (first == "deploymentBase") return GetDeploymentBase(txn, call, id);
    return first == "cancelAction" ? GetCancelAction(txn, call, id) : GetInstalledBase(txn, call, id);
  }
  if (rest.size() == 3 && rest[2] == "feedback" && first != "installedBase" && action_path) {
    if (request.method != "POST") return Now(MethodNotAllowed("POST"));
    return PostFeedback(call, ActionIdOf(rest[1]), first == "cancelAction");
  }
  if (first == "softwaremodules" && (rest.size() == 3 || rest.size() == 4) && rest[2] == "artifacts") {
    if (!read) return Now(MethodNotAllowed("GET, HEAD"));
    return rest.size() == 3 ? ListArtifacts(txn, call) : GetArtifact(txn, call);
  }
  return Refuse(DdiFault::kNotFound);
}

void DdiHandler::Finish(const DdiCall& call, DdiOutcome outcome) {
  if (!outcome.job) return call.exchange->Respond(std::move(*outcome.response));
  if (outcome.background) {
    call.exchange->Respond(std::move(*outcome.response));
    const auto ignore = [](Status status) {
      if (!status.ok()) log::Warn("a status was not kept", {{"error", status.error()}});
    };
    if (!hub_.writer.Post(std::move(outcome.job), ignore)) log::Warn("a status was not kept: too many writes wait");
    return;
  }
  const auto exchange = call.exchange;
  const auto done = [exchange, response = outcome.response, after = std::move(outcome.after)](Status status) {
    if (!status.ok()) return exchange->Respond(StoreTrouble(exchange->request(), status.error()));
    exchange->Respond(after ? after() : std::move(*response));
  };
  if (!hub_.writer.Post(std::move(outcome.job), done)) exchange->Respond(DdiError(DdiFault::kBusy));
}

}  // namespace till::server
