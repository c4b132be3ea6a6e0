// What hangs on one target: its sets, assignments, metadata, automatic confirmation.
#include "server/mgmt/assignments.h"
#include "server/mgmt/metadata.h"
#include "server/mgmt/resources.h"
#include "server/mgmt/views.h"
#include "server/store/software.h"
#include "server/store/targets.h"

namespace till::mgmt::targets {
namespace {

Result<Response> SetOf(const Call& call, server::DistributionSetId server::Target::*which) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    const server::Target target = TILL_TRY(server::GetTarget(txn, call.captures[0]));
    if (!server::IsSet(target.*which)) return NoContent();
    const auto set = TILL_TRY(server::GetSet(txn, target.*which));
    return JsonAnswer(200, TILL_TRY(SetView(txn, call, set)));
  });
}

constexpr MetadataOwner kOwner{
    [](kv::ReadTxn& txn, const Call& call) -> Result<std::vector<server::Metadata>> {
      TILL_TRY(server::GetTarget(txn, call.captures[0]));
      return server::GetTargetMetadata(txn, call.captures[0]);
    },
    [](kv::WriteTxn& txn, const Call& call, const std::vector<server::Metadata>& entries) -> Result<Response> {
      TILL_TRY(server::PutTargetMetadata(txn, call.captures[0], entries));
      return NoContent();
    }};

Result<Response> SetAutoConfirm(const Call& call, bool active) {
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    server::Target target = TILL_TRY(server::GetTarget(txn, call.captures[0]));
    if (active && target.auto_confirm)
      return Error{ErrorCode::kConflict, "automatic confirmation is active already", 0};
    target.auto_confirm = active;
    Touch(target.audit, call.actor());
    TILL_TRY(server::PutTarget(txn, target));
    return NoContent();
  });
}

}  // namespace

Result<Response> AssignedSet(const Call& call) { return SetOf(call, &server::Target::assigned_set); }
Result<Response> InstalledSet(const Call& call) { return SetOf(call, &server::Target::installed_set); }

Result<Response> Assign(const Call& call) {
  const auto bodies = TILL_TRY(ReadObjects(call.body, kMaxAssignmentsPerRequest));
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    TILL_TRY(server::GetTarget(txn, call.captures[0]));
    std::vector<server::Assignment> assignments;
    for (const json::Value& body : bodies) {
      server::Assignment assignment = TILL_TRY(ReadAssignment(txn, call, body));
      assignment.controller_id = call.captures[0];
      assignment.set = static_cast<server::DistributionSetId>(TILL_TRY(ReadId(body["id"])));
      assignments.push_back(std::move(assignment));
    }
    return AssignAll(txn, call, assignments);
  });
}

Result<Response> ListMetadata(const Call& call) { return ListMetadataOf(call, kOwner); }
Result<Response> AddMetadata(const Call& call) { return AddMetadataTo(call, kOwner); }
Result<Response> GetMetadata(const Call& call) { return GetMetadataOf(call, kOwner); }
Result<Response> PutMetadata(const Call& call) { return PutMetadataOf(call, kOwner); }
Result<Response> DeleteMetadata(const Call& call) { return DeleteMetadataOf(call, kOwner); }

Result<Response> AutoConfirm(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    const server::Target target = TILL_TRY(server::GetTarget(txn, call.captures[0]));
    json::Value body = json::Value::Object({{"active", target.auto_confirm}});
    const std::string self = call.Link("targets/" + EncodeSegment(target.controller_id) + "/autoConfirm");
    SetLink(body, target.auto_confirm ? "deactivate" : "activate",
            self + (target.auto_confirm ? "/deactivate" : "/activate"));
    return JsonAnswer(200, body);
  });
}
Result<Response> ActivateAutoConfirm(const Call& call) { return SetAutoConfirm(call, true); }
Result<Response> DeactivateAutoConfirm(const Call& call) { return SetAutoConfirm(call, false); }

}  // namespace till::mgmt::targets
