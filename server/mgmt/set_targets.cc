// Which targets a set is assigned to or installed on, and assigning it.
#include "server/mgmt/assignments.h"
#include "server/mgmt/listing.h"
#include "server/mgmt/resources.h"
#include "server/mgmt/target_filter.h"
#include "server/mgmt/views.h"
#include "server/store/software.h"
#include "server/store/targets.h"

namespace till::mgmt::sets {
namespace {

using ForEach = Status (*)(kv::ReadTxn&, server::DistributionSetId, const std::function<bool(std::string_view)>&);

Result<Response> TargetsOf(const Call& call, ForEach for_each) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, TargetFields(), query)) return *refusal;
  const auto id = TILL_TRY(call.IdOf<server::DistributionSetId>(0));
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    TILL_TRY(server::GetSet(txn, id));
    Page<server::Target, TargetReader> page(query, TargetReader(txn, call.hub.last_seen));
    TILL_TRY(page.Fill([&](const auto& offer) -> Status {
      Status trouble;
      TILL_TRY(for_each(txn, id, [&](std::string_view controller_id) {
        const auto target = server::GetTarget(txn, controller_id);
        if (target.ok()) offer(*target);
        if (!target.ok()) trouble = target.error();
        return target.ok();
      }));
      return trouble;
    }));
    std::vector<json::Value> content;
    for (const server::Target& target : page.Items()) content.push_back(TILL_TRY(TargetView(txn, call, target, false)));
    return JsonAnswer(200, ListBody(std::move(content), page.total()));
  });
}

}  // namespace

Result<Response> AssignedTargets(const Call& call) { return TargetsOf(call, server::ForEachTargetAssigned); }
Result<Response> InstalledTargets(const Call& call) { return TargetsOf(call, server::ForEachTargetInstalled); }

Result<Response> Assign(const Call& call) {
  const auto bodies = TILL_TRY(ReadObjects(call.body, kMaxAssignmentsPerRequest));
  const auto set = TILL_TRY(call.IdOf<server::DistributionSetId>(0));
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    TILL_TRY(server::GetSet(txn, set));
    std::vector<server::Assignment> assignments;
    for (const json::Value& body : bodies) {
      server::Assignment assignment = TILL_TRY(ReadAssignment(txn, call, body));
      assignment.controller_id = TILL_TRY(ReadText(body, "id", 256));
      assignment.set = set;
      assignments.push_back(std::move(assignment));
    }
    return AssignAll(txn, call, assignments);
  });
}

}  // namespace till::mgmt::sets
