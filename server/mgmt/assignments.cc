#include "server/mgmt/assignments.h"

#include <set>

#include "server/mgmt/views.h"
#include "server/model/tenant_config.h"
#include "server/store/software.h"

namespace till::mgmt {
namespace {

Status ReadWindow(const json::Value& body, server::MaintenanceWindow& window) {
  const json::Value& value = body["maintenanceWindow"];
  if (value.is_null()) return Ok();
  window.schedule = TILL_TRY(ReadText(value, "schedule", 128));
  window.duration = TILL_TRY(ReadText(value, "duration", 16));
  window.timezone = TILL_TRY(ReadText(value, "timezone", 8));
  const bool complete = !window.schedule.empty() && !window.duration.empty() && !window.timezone.empty();
  if (!complete) return Error{ErrorCode::kInvalid, "maintenanceWindow has schedule, duration and timezone", 0};
  return Ok();
}

std::optional<Response> RefuseSet(kv::ReadTxn& txn, const server::DistributionSet& set) {
  if (set.deleted) return Refuse(404, "repo.entityNotFound", "no such distribution set");
  if (set.invalid) return Refuse(400, "distributionset.invalid", "the distribution set was invalidated");
  const auto modules = server::ModulesOf(txn, set);
  if (!modules.ok() || !IsComplete(set, *modules)) {
    return Refuse(400, "distributionset.incomplete", "the distribution set lacks a module that its type needs");
  }
  return std::nullopt;
}

}  // namespace

Status RefuseConfirmation(const json::Value& body) {
  if (!body["confirmationRequired"].AsBool()) return Ok();
  return Error{ErrorCode::kUnsupported, "nobody would be asked: the confirmation flow is not built", 0};
}

Result<server::Assignment> ReadAssignment(kv::ReadTxn& txn, const Call& call, const json::Value& body) {
  server::Assignment assignment;
  const std::string type = TILL_TRY(ReadText(body, "type", 32));
  if (!type.empty()) assignment.force_type = TILL_TRY(server::ParseForceType(type));
  assignment.force_time_ms = body["forcetime"].AsInteger();
  const int64_t weight = body["weight"].AsInteger(1000);
  if (weight < 0 || weight > 1000) return Error{ErrorCode::kInvalid, "weight is 0 to 1000", 1000};
  assignment.weight = static_cast<uint32_t>(weight);
  TILL_TRY(ReadWindow(body, assignment.window));
  assignment.full_fallback = TILL_TRY(server::ParseFullFallback(TILL_TRY(ReadText(body, "fullFallback", 16))));
  const bool flow = TILL_TRY(server::ConfigFlag(txn, server::config::kConfirmationFlow));
  assignment.confirmation_required = flow && body["confirmationRequired"].AsBool(true);
  if (!flow) TILL_TRY(RefuseConfirmation(body));
  assignment.offline = call.Flag("offline");
  return assignment;
}

Result<Response> AssignAll(kv::WriteTxn& txn, const Call& call, const std::vector<server::Assignment>& assignments) {
  std::set<server::DistributionSetId> checked;
  uint64_t assigned = 0, already = 0;
  json::Value actions = json::Value::Array();
  for (const server::Assignment& assignment : assignments) {
    if (checked.insert(assignment.set).second) {
      const auto set = TILL_TRY(server::GetSet(txn, assignment.set));
      if (auto refusal = RefuseSet(txn, set)) return *refusal;
    }
    const auto outcome = TILL_TRY(server::AssignDistributionSet(txn, assignment, call.actor()));
    ++(outcome.already_assigned ? already : assigned);
    if (!server::IsSet(outcome.action)) continue;
    json::Value action = json::Value::Object({{"id", server::Number(outcome.action)}});
    SetLink(
        action, "self",
        call.Link("targets/" + EncodeSegment(assignment.controller_id) + "/actions/" + server::IdText(outcome.action)));
    actions.Append(std::move(action));
  }
  json::Value body = json::Value::Object();
  body.Set("alreadyAssigned", already).Set("assigned", assigned).Set("total", assigned + already);
  body.Set("assignedActions", std::move(actions));
  return JsonAnswer(200, body);
}

}  // namespace till::mgmt
