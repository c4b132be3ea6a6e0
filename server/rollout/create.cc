#include <algorithm>

#include "server/mgmt/target_filter.h"
#include "server/rollout/engine.h"
#include "server/store/rollouts.h"
#include "server/store/software.h"
#include "server/store/targets.h"

namespace till::rollout {
namespace {

using server::DeployGroup;
using server::GroupCount;
using server::GroupState;
using server::Rollout;
using server::RolloutState;

Result<std::vector<std::string>> MatchingTargets(kv::ReadTxn& txn, const server::LastSeen& last_seen,
                                                 const mgmt::rsql::Filter& filter) {
  std::vector<std::string> ids;
  TILL_TRY(mgmt::ForEachMatchingTarget(txn, last_seen, filter, [&](const server::Target& target) {
    ids.push_back(target.controller_id);
    return true;
  }));
  return ids;
}

// Takes the group's share out of `left`: the first ones of those its own filter matches.
Result<std::vector<std::string>> TakeShare(kv::ReadTxn& txn, const server::LastSeen& last_seen, const GroupPlan& plan,
                                           std::vector<std::string>& left) {
  const mgmt::TargetReader reader(txn, last_seen);
  std::vector<bool> matches(left.size(), true);
  uint64_t matching = left.size();
  if (!plan.filter.all()) {
    for (size_t i = 0; i < left.size(); ++i) {
      const server::Target target = TILL_TRY(server::GetTarget(txn, left[i]));
      matches[i] = plan.filter.Matches([&](const auto& wanted) { return reader(target, wanted); });
      matching -= matches[i] ? 0 : 1;
    }
  }
  // Rounded to the nearest, but never to an empty first wave.
  const uint64_t rounded = (matching * plan.target_millipercent + 50'000) / 100'000;
  const uint64_t share = std::min(matching, std::max<uint64_t>(rounded, 1));
  std::vector<std::string> taken, rest;
  for (size_t i = 0; i < left.size(); ++i) {
    (matches[i] && taken.size() < share ? taken : rest).push_back(std::move(left[i]));
  }
  left = std::move(rest);
  return taken;
}

Result<DeployGroup> PutNewGroup(kv::WriteTxn& txn, const Rollout& rollout, const GroupPlan& plan,
                                const std::vector<std::string>& members) {
  DeployGroup group;
  group.rollout = rollout.id;
  group.name = plan.name;
  group.description = plan.description;
  group.target_filter = plan.target_filter;
  group.target_millipercent = plan.target_millipercent;
  group.conditions = plan.conditions;
  group.state = GroupState::kReady;
  group.total_targets = members.size();
  group.count(GroupCount::kNotStarted) = members.size();
  group.audit = rollout.audit;
  TILL_TRY(server::PutGroup(txn, group));
  for (const std::string& member : members) TILL_TRY(server::PutMember(txn, group.id, member, server::ActionId{}));
  return group;
}

Status CheckPlan(kv::ReadTxn& txn, const Plan& plan) {
  if (plan.rollout.name.empty() || plan.rollout.name.size() > server::kMaxNameBytes) {
    return Error{ErrorCode::kInvalid, "a rollout needs a name of at most 128 bytes", plan.rollout.name.size()};
  }
  TILL_TRY(server::CheckNewName(plan.rollout.name));
  for (const GroupPlan& group : plan.groups) TILL_TRY(server::CheckNewName(group.name));
  if (plan.groups.empty()) return Error{ErrorCode::kInvalid, "a rollout needs at least one group", 0};
  if (plan.groups.size() > kMaxGroups) return Error{ErrorCode::kLimit, "too many groups", kMaxGroups};
  const server::DistributionSet set = TILL_TRY(server::GetSet(txn, plan.rollout.set));
  if (set.deleted) return Error{ErrorCode::kNotFound, "no such distribution set", 0};
  if (set.invalid || set.modules.empty()) {
    return Error{ErrorCode::kInvalid, "the distribution set is invalidated or incomplete", 0};
  }
  return Ok();
}

}  // namespace

std::vector<GroupPlan> EqualGroups(size_t amount, const server::GroupConditions& conditions) {
  std::vector<GroupPlan> groups;
  for (size_t i = 0; i < amount; ++i) {
    GroupPlan group;
    group.name = "group-" + std::to_string(i + 1);
    group.target_millipercent = static_cast<uint32_t>(100'000 / (amount - i));
    group.conditions = conditions;
    groups.push_back(std::move(group));
  }
  return groups;
}

Result<Rollout> Create(kv::WriteTxn& txn, const server::LastSeen& last_seen, Plan plan, bool needs_approval,
                       const server::Actor& actor) {
  TILL_TRY(CheckPlan(txn, plan));
  std::vector<std::string> left = TILL_TRY(MatchingTargets(txn, last_seen, plan.filter));
  if (left.empty()) return Error{ErrorCode::kInvalid, "the rollout matches no target", 0};
  Rollout rollout = std::move(plan.rollout);
  rollout.state = needs_approval ? RolloutState::kWaitingForApproval : RolloutState::kReady;
  rollout.total_targets = left.size();
  rollout.audit = {actor.name, actor.name, actor.now_ms, actor.now_ms};
  TILL_TRY(server::PutRollout(txn, rollout));  // gives the id that groups carry
  for (const GroupPlan& group_plan : plan.groups) {
    const auto members = TILL_TRY(TakeShare(txn, last_seen, group_plan, left));
    rollout.groups.push_back(TILL_TRY(PutNewGroup(txn, rollout, group_plan, members)).id);
  }
  if (!left.empty()) return Error{ErrorCode::kInvalid, "some targets of the rollout are in no group", left.size()};
  TILL_TRY(server::PutRollout(txn, rollout));
  return rollout;
}

}  // namespace till::rollout
