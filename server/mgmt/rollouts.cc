// Rollouts: making, steering and showing them. What they do is server/rollout's.
#include <map>

#include "server/mgmt/listing.h"
#include "server/mgmt/resources.h"
#include "server/mgmt/rollout_body.h"
#include "server/mgmt/views.h"
#include "server/model/tenant_config.h"
#include "server/store/actions.h"
#include "server/store/rollouts.h"
#include "server/store/software.h"

namespace till::mgmt::rollouts {
namespace {

using rsql::FieldKind;
using server::GroupCount;
using server::Rollout;
using server::RolloutId;

constexpr rsql::Field kFields[] = {{"id", FieldKind::kNumber},
                                   {"name"},
                                   {"description"},
                                   {"status"},
                                   {"distributionset.id", FieldKind::kNumber},
                                   {"distributionset.name"},
                                   {"distributionset.version"},
                                   {"distributionset.type"},
                                   {"createdat", FieldKind::kNumber},
                                   {"lastmodifiedat", FieldKind::kNumber},
                                   {"createdby"},
                                   {"lastmodifiedby"}};

struct RolloutReader {
  kv::ReadTxn* txn;
  std::vector<std::string> operator()(const Rollout& rollout, const rsql::Comparison& wanted) const {
    const std::string& field = wanted.field;
    if (field == "id") return {server::IdText(rollout.id)};
    if (field == "name") return {rollout.name};
    if (field == "description") return {rollout.description};
    if (field == "status") return {server::RolloutStateName(rollout.state)};
    if (field == "createdat") return {std::to_string(rollout.audit.created_at_ms)};
    if (field == "lastmodifiedat") return {std::to_string(rollout.audit.last_modified_at_ms)};
    if (field == "createdby") return {rollout.audit.created_by};
    if (field == "lastmodifiedby") return {rollout.audit.last_modified_by};
    if (field == "distributionset.id") return {server::IdText(rollout.set)};
    const auto set = server::GetSet(*txn, rollout.set);
    if (!set.ok()) return {};
    return {field.ends_with("name") ? set->name : field.ends_with("version") ? set->version : set->type};
  }
};

constexpr const char* kCountNames[server::kGroupCountCount] = {"notstarted", "scheduled", "running",
                                                               "error",      "finished",  "cancelled"};
struct Counts {
  std::array<uint64_t, server::kGroupCountCount> by_status{};
  uint64_t blocked = 0;  // of the running ones
  uint64_t waiting = 0;  // of them too
};

Result<Counts> CountsOf(kv::ReadTxn& txn, const Rollout& rollout) {
  Counts counts;
  for (const server::DeployGroupId id : rollout.groups) {
    const server::DeployGroup group = TILL_TRY(server::GetGroup(txn, id));
    for (size_t i = 0; i < group.counts.size(); ++i) counts.by_status[i] += group.counts[i];
    counts.blocked += group.blocked_targets;
    counts.waiting += group.waiting_targets;
  }
  return counts;
}

// Why terminals rolled back or can be offered nothing, most frequent reason first; looks at no more than kMaxLooked.
Result<json::Value> Reasons(kv::ReadTxn& txn, const Rollout& rollout) {
  constexpr size_t kMaxLooked = 1000;
  std::vector<server::Action> held_up;
  for (const server::DeployGroupId id : rollout.groups) {
    const server::DeployGroup group = TILL_TRY(server::GetGroup(txn, id));
    if (group.count(GroupCount::kError) == 0 && group.blocked_targets == 0) continue;
    TILL_TRY(server::ForEachActionOfGroup(txn, rollout.id, id, [&](server::ActionId action_id) {
      auto action = server::GetAction(txn, action_id);
      const bool failed = action.ok() && action->state == server::ActionState::kError;
      if (failed || (action.ok() && server::IsBlocked(*action))) held_up.push_back(std::move(*action));
      return held_up.size() < kMaxLooked;
    }));
  }
  std::map<std::string, uint64_t> by_reason;
  for (const server::Action& action : held_up) {
    const bool blocked = server::IsBlocked(action);
    ++by_reason[blocked ? "nothing is offered: " + action.blocked : TILL_TRY(FailureReason(txn, action.id))];
  }
  std::vector<std::pair<std::string, uint64_t>> ordered(by_reason.begin(), by_reason.end());
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  json::Value reasons = json::Value::Array();
  for (const auto& [reason, count] : ordered) {
    reasons.Append(json::Value::Object({{"reason", reason}, {"count", count}}));
  }
  return reasons;
}

Result<json::Value> View(kv::ReadTxn& txn, const Call& call, const Rollout& rollout, bool with_reasons) {
  const Counts counts = TILL_TRY(CountsOf(txn, rollout));
  uint64_t total = 0;
  json::Value by_status = json::Value::Object();
  for (size_t i = 0; i < counts.by_status.size(); ++i) {
    by_status.Set(kCountNames[i], counts.by_status[i]);
    total += counts.by_status[i];
  }
  json::Value view = json::Value::Object();
  SetAudit(view, rollout.audit);
  view.Set("id", server::Number(rollout.id)).Set("name", rollout.name).Set("description", rollout.description);
  view.Set("targetFilterQuery", rollout.target_filter).Set("distributionSetId", server::Number(rollout.set));
  view.Set("status", server::RolloutStateName(rollout.state)).Set("deleted", rollout.deleted);
  view.Set("type", server::ForceTypeName(rollout.force_type)).Set("weight", rollout.weight);
  if (rollout.force_time_ms != 0) view.Set("forcetime", rollout.force_time_ms);
  if (rollout.start_at_ms != 0) view.Set("startAt", rollout.start_at_ms);
  if (!rollout.approval_decided_by.empty()) view.Set("approvalDecidedBy", rollout.approval_decided_by);
  if (!rollout.approval_remark.empty()) view.Set("approvalRemark", rollout.approval_remark);
  view.Set("totalTargets", total).Set("totalTargetsPerStatus", std::move(by_status));
  view.Set("totalGroups", static_cast<uint64_t>(rollout.groups.size()));
  if (rollout.full_fallback != server::FullFallback::kByConfig) {
    view.Set("fullFallback", rollout.full_fallback == server::FullFallback::kNever ? "never" : "allowed");
  }
  json::Value till = json::Value::Object();
  till.Set("confirmed", counts.by_status[static_cast<size_t>(GroupCount::kFinished)]);
  till.Set("rolledBack", counts.by_status[static_cast<size_t>(GroupCount::kError)]);
  till.Set("blocked", counts.blocked);
  till.Set("waiting", counts.waiting);
  if (with_reasons) till.Set("reasons", TILL_TRY(Reasons(txn, rollout)));
  view.Set("till", std::move(till));
  const std::string self = call.Link("rollouts/" + server::IdText(rollout.id));
  SetLink(view, "self", self);
  for (const char* verb : {"start", "pause", "resume", "stop", "triggerNextGroup", "approve", "deny"}) {
    SetLink(view, verb, self + "/" + verb);
  }
  SetLink(view, "groups", self + "/deploygroups?offset=0&limit=50");
  SetLink(view, "distributionset", call.Link("distributionsets/" + server::IdText(rollout.set)));
  return view;
}

Result<Rollout> Load(kv::ReadTxn& txn, const Call& call) {
  Rollout rollout = TILL_TRY(server::GetRollout(txn, TILL_TRY(call.IdOf<RolloutId>(0))));
  if (rollout.deleted || rollout.state == server::RolloutState::kDeleting) {
    return Error{ErrorCode::kNotFound, "no such rollout", 0};
  }
  return rollout;
}

using Command = Status (*)(kv::WriteTxn& txn, RolloutId id, const server::Actor& actor);

Result<Response> Run(const Call& call, Command command) {
  const auto id = TILL_TRY(call.IdOf<RolloutId>(0));
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    const Status done = command(txn, id, call.actor());
    if (!done.ok() && done.error().code == ErrorCode::kRefused) {
      return Refuse(400, "rollout.illegalstate", done.error().what);
    }
    TILL_TRY(done);
    return NoContent();
  });
}

Result<Response> Decide(const Call& call, bool approved) {
  const auto id = TILL_TRY(call.IdOf<RolloutId>(0));
  const std::string remark = call.request.QueryParameter("remark").value_or("");
  if (remark.size() > 255) return Error{ErrorCode::kInvalid, "the remark is too long", 255};
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    const Status done = rollout::Decide(txn, id, approved, remark, call.actor());
    if (!done.ok() && done.error().code == ErrorCode::kRefused) {
      return Refuse(400, "rollout.illegalstate", done.error().what);
    }
    TILL_TRY(done);
    return NoContent();
  });
}

}  // namespace

Result<Response> List(const Call& call) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, kFields, query)) return *refusal;
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    Page<Rollout, RolloutReader> page(query, RolloutReader{&txn});
    TILL_TRY(page.Fill([&](const auto& offer) {
      return server::ForEachRollout(txn, [&](const Rollout& rollout) {
        if (!rollout.deleted && rollout.state != server::RolloutState::kDeleting) offer(rollout);
        return true;
      });
    }));
    std::vector<json::Value> content;
    for (const Rollout& rollout : page.Items()) content.push_back(TILL_TRY(View(txn, call, rollout, false)));
    return JsonAnswer(200, ListBody(std::move(content), page.total()));
  });
}

Result<Response> Create(const Call& call) {
  const auto plan = ReadRolloutPlan(call.body);
  if (!plan.ok() && plan.error().code == ErrorCode::kNotFound) {
    return Refuse(400, "rest.param.rsqlInvalidField", "targetFilterQuery: no such field");
  }
  if (!plan.ok()) return plan.error();
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    const server::DistributionSet set = TILL_TRY(server::GetSet(txn, plan->rollout.set));
    if (!IsComplete(set, TILL_TRY(server::ModulesOf(txn, set)))) {
      return Refuse(400, "distributionset.incomplete", "the distribution set lacks a module that its type needs");
    }
    const bool approval = TILL_TRY(server::ConfigFlag(txn, server::config::kRolloutApproval));
    const Rollout rollout = TILL_TRY(rollout::Create(txn, call.hub.last_seen, *plan, approval, call.actor()));
    return JsonAnswer(201, TILL_TRY(View(txn, call, rollout, false)));
  });
}

Result<Response> Get(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    return JsonAnswer(200, TILL_TRY(View(txn, call, TILL_TRY(Load(txn, call)), true)));
  });
}

Result<Response> Delete(const Call& call) { return Run(call, rollout::Delete); }
Result<Response> Start(const Call& call) { return Run(call, rollout::Start); }
Result<Response> Pause(const Call& call) { return Run(call, rollout::Pause); }
Result<Response> Resume(const Call& call) { return Run(call, rollout::Resume); }
Result<Response> Stop(const Call& call) { return Run(call, rollout::Stop); }
Result<Response> TriggerNextGroup(const Call& call) { return Run(call, rollout::TriggerNextGroup); }
Result<Response> Approve(const Call& call) { return Decide(call, true); }
Result<Response> Deny(const Call& call) { return Decide(call, false); }

}  // namespace till::mgmt::rollouts
