#include "server/store/targets.h"
#include "server/mgmt/listing.h"
#include "server/mgmt/resources.h"
#include "server/mgmt/target_filter.h"
#include "server/mgmt/views.h"
#include "server/store/last_seen.h"

namespace till::mgmt::targets {
namespace {

using server::Target;

constexpr size_t kMaxTargetsPerRequest = 1000;
constexpr size_t kMaxAddressBytes = 512;
constexpr size_t kMaxGroupBytes = 256;

// Takes what the body gives; the rest stays.
Status ReadTarget(const json::Value& body, Target& target) {
  target.name = TILL_TRY(ReadText(body, "name", server::kMaxNameBytes, target.name));
  target.description = TILL_TRY(ReadText(body, "description", server::kMaxDescriptionBytes, target.description));
  target.address = TILL_TRY(ReadText(body, "address", kMaxAddressBytes, target.address));
  target.group = TILL_TRY(ReadText(body, "group", kMaxGroupBytes, target.group));
  target.security_token = TILL_TRY(ReadText(body, "securityToken", 128, target.security_token));
  if (!target.security_token.empty() && !server::IsSecurityToken(target.security_token)) {
    return Error{ErrorCode::kInvalid, "securityToken is 1 to 128 printable characters without blanks", 0};
  }
  return Ok();
}

Result<Response> DeleteTarget(const Call& call, const std::string& controller_id) {
  Response answer = TILL_TRY(Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    TILL_TRY(server::GetTarget(txn, controller_id));
    TILL_TRY(server::DeleteTarget(txn, controller_id));
    return NoContent();
  }));
  call.hub.last_seen.Forget(controller_id);
  return answer;
}

}  // namespace

Result<Response> List(const Call& call) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, TargetFields(), query)) return *refusal;
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    Page<Target, TargetReader> page(query, TargetReader(txn, call.hub.last_seen));
    TILL_TRY(page.Fill([&](const auto& offer) {
      return ForEachMatchingTarget(txn, call.hub.last_seen, query.filter, [&](const Target& target) {
        offer(target);
        return true;
      });
    }));
    std::vector<json::Value> content;
    for (const Target& target : page.Items()) content.push_back(TILL_TRY(TargetView(txn, call, target, true)));
    return JsonAnswer(200, ListBody(std::move(content), page.total()));
  });
}

Result<Response> Create(const Call& call) {
  const auto bodies = TILL_TRY(ReadObjects(call.body, kMaxTargetsPerRequest));
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    json::Value made = json::Value::Array();
    for (const json::Value& body : bodies) {
      Target target;
      target.controller_id = TILL_TRY(ReadText(body, "controllerId", 256));
      TILL_TRY(ReadTarget(body, target));
      const Target created = TILL_TRY(server::CreateTarget(txn, std::move(target), call.actor()));
      made.Append(TILL_TRY(TargetView(txn, call, created, false)));
    }
    return JsonAnswer(201, made);
  });
}

Result<Response> Get(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    const Target target = TILL_TRY(server::GetTarget(txn, call.captures[0]));
    return JsonAnswer(200, TILL_TRY(TargetView(txn, call, target, true)));
  });
}

Result<Response> Update(const Call& call) {
  if (!call.body.is_object()) return Error{ErrorCode::kInvalid, "a JSON object is expected", 0};
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    Target target = TILL_TRY(server::GetTarget(txn, call.captures[0]));
    TILL_TRY(ReadTarget(call.body, target));
    if (target.name.empty() || target.security_token.empty()) {
      return Error{ErrorCode::kInvalid, "name and securityToken cannot be empty", 0};
    }
    if (call.body["requestAttributes"].AsBool()) target.request_attributes = true;
    Touch(target.audit, call.actor());
    TILL_TRY(server::PutTarget(txn, target));
    return JsonAnswer(200, TILL_TRY(TargetView(txn, call, target, false)));
  });
}

Result<Response> Delete(const Call& call) { return DeleteTarget(call, call.captures[0]); }

Result<Response> DeleteNamed(const Call& call) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, TargetFields(), query)) return *refusal;
  for (const char* field : {"controllerid", "id"}) {
    if (const auto name = query.filter.SingleEqual(field)) return DeleteTarget(call, *name);
  }
  return Error{ErrorCode::kInvalid, "one target is deleted at a time: q=controllerid==NAME", 0};
}

Result<Response> Attributes(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    TILL_TRY(server::GetTarget(txn, call.captures[0]));
    const server::Attributes attributes = TILL_TRY(server::GetAttributes(txn, call.captures[0]));
    if (attributes.empty()) return NoContent();
    json::Value body = json::Value::Object();
    for (const auto& [key, value] : attributes) body.Set(key, value);
    return JsonAnswer(200, body);
  });
}

}  // namespace till::mgmt::targets
