// The groups of a rollout and the targets in them.
#include "server/mgmt/listing.h"
#include "server/mgmt/resources.h"
#include "server/mgmt/target_filter.h"
#include "server/mgmt/views.h"
#include "server/rollout/engine.h"
#include "server/store/actions.h"
#include "server/store/rollouts.h"
#include "server/store/targets.h"

namespace till::mgmt {
namespace {

json::Value Threshold(uint32_t percent) {
  return json::Value::Object({{"condition", "THRESHOLD"}, {"expression", std::to_string(percent)}});
}

}  // namespace

json::Value GroupView(const Call& call, const server::DeployGroup& group) {
  constexpr const char* kCountNames[server::kGroupCountCount] = {"notstarted", "scheduled", "running",
                                                                 "error",      "finished",  "cancelled"};
  json::Value view = json::Value::Object();
  SetAudit(view, group.audit);
  view.Set("id", server::Number(group.id)).Set("name", group.name).Set("description", group.description);
  view.Set("status", server::GroupStateName(group.state)).Set("targetFilterQuery", group.target_filter);
  view.Set("targetPercentage", static_cast<double>(group.target_millipercent) / 1000);
  view.Set("totalTargets", rollout::TotalOf(group));
  json::Value by_status = json::Value::Object();
  for (size_t i = 0; i < server::kGroupCountCount; ++i) by_status.Set(kCountNames[i], group.counts[i]);
  view.Set("totalTargetsPerStatus", std::move(by_status));
  view.Set("till", json::Value::Object({{"blocked", group.blocked_targets}, {"waiting", group.waiting_targets}}));
  view.Set("successCondition", Threshold(group.conditions.success_percent));
  view.Set("successAction", json::Value::Object({{"action", group.conditions.success_pauses ? "PAUSE" : "NEXTGROUP"}}));
  if (group.conditions.has_error_condition) {
    view.Set("errorCondition", Threshold(group.conditions.error_percent));
    view.Set("errorAction", json::Value::Object({{"action", "PAUSE"}}));
  }
  const std::string self =
      call.Link("rollouts/" + server::IdText(group.rollout) + "/deploygroups/" + server::IdText(group.id));
  SetLink(view, "self", self);
  SetLink(view, "targets", self + "/targets?offset=0&limit=50");
  return view;
}

namespace rollouts {
namespace {

constexpr rsql::Field kGroupFields[] = {{"id", rsql::FieldKind::kNumber}, {"name"}, {"description"}, {"status"}};

std::vector<std::string> ReadGroupField(const server::DeployGroup& group, const rsql::Comparison& wanted) {
  if (wanted.field == "id") return {server::IdText(group.id)};
  if (wanted.field == "name") return {group.name};
  return {wanted.field == "status" ? server::GroupStateName(group.state) : group.description};
}

Result<server::Rollout> Load(kv::ReadTxn& txn, const Call& call) {
  server::Rollout rollout = TILL_TRY(server::GetRollout(txn, TILL_TRY(call.IdOf<server::RolloutId>(0))));
  if (rollout.deleted) return Error{ErrorCode::kNotFound, "no such rollout", 0};
  return rollout;
}

Result<server::DeployGroup> LoadGroup(kv::ReadTxn& txn, const Call& call) {
  const server::Rollout rollout = TILL_TRY(Load(txn, call));
  server::DeployGroup group = TILL_TRY(server::GetGroup(txn, TILL_TRY(call.IdOf<server::DeployGroupId>(1))));
  if (group.rollout != rollout.id) return Error{ErrorCode::kNotFound, "no such group of this rollout", 0};
  return group;
}

// A target with what its action in this group came to.
Result<json::Value> MemberView(kv::ReadTxn& txn, const Call& call, const server::Target& target, server::ActionId id) {
  json::Value view = TILL_TRY(TargetView(txn, call, target, false));
  json::Value till = json::Value::Object();
  if (server::IsSet(id)) {
    const auto action = server::GetAction(txn, id);
    if (action.ok()) {
      const bool confirmed = action->state == server::ActionState::kFinished;
      const bool failed = action->state == server::ActionState::kError;
      till.Set("action", server::Number(id)).Set("status", server::ActionStateName(action->state));
      till.Set("outcome", confirmed ? "confirmed" : failed ? "rolled_back" : "pending");
      till.Set("bytes", action->payload_bytes);
      if (failed) till.Set("reason", TILL_TRY(FailureReason(txn, id)));
      if (!action->blocked.empty()) till.Set("blocked", action->blocked);
      if (server::IsWaiting(*action)) till.Set("waiting", true);
    }
  }
  view.Set("till", std::move(till));
  return view;
}

}  // namespace

Result<Response> Groups(const Call& call) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, kGroupFields, query)) return *refusal;
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    Page<server::DeployGroup, decltype(&ReadGroupField)> page(query, &ReadGroupField);
    const auto groups = TILL_TRY(Load(txn, call)).groups;
    TILL_TRY(page.Fill([&](const auto& offer) -> Status {
      for (const server::DeployGroupId id : groups) offer(TILL_TRY(server::GetGroup(txn, id)));
      return Ok();
    }));
    std::vector<json::Value> content;
    for (const server::DeployGroup& group : page.Items()) content.push_back(GroupView(call, group));
    return JsonAnswer(200, ListBody(std::move(content), page.total()));
  });
}

Result<Response> GetGroup(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    return JsonAnswer(200, GroupView(call, TILL_TRY(LoadGroup(txn, call))));
  });
}

Result<Response> GroupTargets(const Call& call) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, TargetFields(), query)) return *refusal;
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    using Member = std::pair<server::Target, server::ActionId>;
    const TargetReader reader(txn, call.hub.last_seen);
    const auto read = [&](const Member& member, const rsql::Comparison& wanted) {
      return reader(member.first, wanted);
    };
    Page<Member, decltype(read)> page(query, read);
    const auto group = TILL_TRY(LoadGroup(txn, call)).id;
    TILL_TRY(page.Fill([&](const auto& offer) -> Status {
      Status trouble;
      TILL_TRY(server::ForEachMember(txn, group, "", [&](std::string_view controller_id, server::ActionId action) {
        const auto target = server::GetTarget(txn, controller_id);
        if (target.ok()) offer({*target, action});
        const bool gone = !target.ok() && target.error().code == ErrorCode::kNotFound;
        if (!target.ok() && !gone) trouble = target.error();
        return target.ok() || gone;
      }));
      return trouble;
    }));
    std::vector<json::Value> content;
    for (const Member& member : page.Items()) {
      content.push_back(TILL_TRY(MemberView(txn, call, member.first, member.second)));
    }
    return JsonAnswer(200, ListBody(std::move(content), page.total()));
  });
}

}  // namespace rollouts
}  // namespace till::mgmt
