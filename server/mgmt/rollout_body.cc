#include "server/mgmt/rollout_body.h"

#include <cmath>

#include "core/text.h"
#include "server/mgmt/assignments.h"
#include "server/mgmt/target_filter.h"

namespace till::mgmt {
namespace {

using server::GroupConditions;

// {"condition":"THRESHOLD","expression":"50"}; 0 to 100.
Result<uint32_t> ReadThreshold(const json::Value& condition) {
  const std::string kind = TILL_TRY(ReadText(condition, "condition", 32, "THRESHOLD"));
  if (!EqualsIgnoreCase(kind, "THRESHOLD")) return Error{ErrorCode::kInvalid, "the only condition is THRESHOLD", 0};
  const json::Value& expression = condition["expression"];
  const auto percent = expression.is_integer() ? Result<uint64_t>(static_cast<uint64_t>(expression.AsInteger()))
                                               : ParseUint(expression.AsString());
  if (!percent.ok() || *percent > 100) return Error{ErrorCode::kInvalid, "a threshold is 0 to 100 percent", 100};
  return static_cast<uint32_t>(*percent);
}

// What `body` gives over `inherited`.
Result<GroupConditions> ReadConditions(const json::Value& body, GroupConditions inherited) {
  if (body.Has("successCondition")) inherited.success_percent = TILL_TRY(ReadThreshold(body["successCondition"]));
  if (body.Has("errorCondition")) {
    inherited.has_error_condition = !body["errorCondition"].is_null();
    if (inherited.has_error_condition) inherited.error_percent = TILL_TRY(ReadThreshold(body["errorCondition"]));
  }
  if (body.Has("successAction")) {
    const std::string action = TILL_TRY(ReadText(body["successAction"], "action", 32, "NEXTGROUP"));
    inherited.success_pauses = EqualsIgnoreCase(action, "PAUSE");
    if (!inherited.success_pauses && !EqualsIgnoreCase(action, "NEXTGROUP")) {
      return Error{ErrorCode::kInvalid, "successAction is NEXTGROUP or PAUSE", 0};
    }
  }
  const std::string error_action = TILL_TRY(ReadText(body["errorAction"], "action", 32, "PAUSE"));
  if (!EqualsIgnoreCase(error_action, "PAUSE")) return Error{ErrorCode::kInvalid, "errorAction is PAUSE", 0};
  return inherited;
}

// "21.052" percent as 1/1000 percent, without trusting the double further than that.
Result<uint32_t> ReadShare(const json::Value& value) {
  if (value.is_null()) return 100'000u;
  const double percent = value.AsDouble(-1);
  if (!value.is_number() || !(percent > 0) || percent > 100) {
    return Error{ErrorCode::kInvalid, "targetPercentage is above 0 and at most 100", 100};
  }
  const auto millipercent = static_cast<uint32_t>(std::lround(percent * 1000));
  return millipercent == 0 ? 1 : millipercent;
}

Result<std::vector<rollout::GroupPlan>> ReadGroups(const json::Value& body, const GroupConditions& conditions) {
  const json::Value& list = body["groups"];
  if (!list.is_array() || list.items().empty()) {
    const int64_t amount = body["amountGroups"].AsInteger(1);
    if (amount < 1 || amount > static_cast<int64_t>(rollout::kMaxGroups)) {
      return Error{ErrorCode::kInvalid, "amountGroups is 1 to 500", rollout::kMaxGroups};
    }
    return rollout::EqualGroups(static_cast<size_t>(amount), conditions);
  }
  std::vector<rollout::GroupPlan> groups;
  for (const json::Value& item : TILL_TRY(ReadObjects(list, rollout::kMaxGroups))) {
    rollout::GroupPlan group;
    group.name = TILL_TRY(ReadText(item, "name", server::kMaxNameBytes, "group-" + std::to_string(groups.size() + 1)));
    group.description = TILL_TRY(ReadText(item, "description", server::kMaxDescriptionBytes));
    group.target_filter = TILL_TRY(ReadText(item, "targetFilterQuery", 1024));
    group.filter = TILL_TRY(rsql::Filter::Parse(group.target_filter, TargetFields()));
    group.target_millipercent = TILL_TRY(ReadShare(item["targetPercentage"]));
    group.conditions = TILL_TRY(ReadConditions(item, conditions));
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace

Result<rollout::Plan> ReadRolloutPlan(const json::Value& body) {
  if (!body.is_object()) return Error{ErrorCode::kInvalid, "a JSON object is expected", 0};
  if (body["dynamic"].AsBool()) return Error{ErrorCode::kUnsupported, "dynamic rollouts are not supported", 0};
  rollout::Plan plan;
  server::Rollout& rollout = plan.rollout;
  rollout.name = TILL_TRY(ReadText(body, "name", server::kMaxNameBytes));
  rollout.description = TILL_TRY(ReadText(body, "description", server::kMaxDescriptionBytes));
  rollout.set = static_cast<server::DistributionSetId>(TILL_TRY(ReadId(body["distributionSetId"])));
  rollout.target_filter = TILL_TRY(ReadText(body, "targetFilterQuery", 1024));
  if (Trim(rollout.target_filter).empty()) return Error{ErrorCode::kInvalid, "targetFilterQuery is needed", 0};
  plan.filter = TILL_TRY(rsql::Filter::Parse(rollout.target_filter, TargetFields()));
  const std::string type = TILL_TRY(ReadText(body, "type", 32));
  if (!type.empty()) rollout.force_type = TILL_TRY(server::ParseForceType(type));
  rollout.force_time_ms = body["forcetime"].AsInteger();
  rollout.start_at_ms = body["startAt"].AsInteger();
  const int64_t weight = body["weight"].AsInteger(1000);
  if (weight < 0 || weight > 1000) return Error{ErrorCode::kInvalid, "weight is 0 to 1000", 1000};
  rollout.weight = static_cast<uint32_t>(weight);
  TILL_TRY(RefuseConfirmation(body));
  rollout.full_fallback = TILL_TRY(server::ParseFullFallback(TILL_TRY(ReadText(body, "fullFallback", 16))));
  const GroupConditions conditions = TILL_TRY(ReadConditions(body, GroupConditions{}));
  plan.groups = TILL_TRY(ReadGroups(body, conditions));
  return plan;
}

}  // namespace till::mgmt
