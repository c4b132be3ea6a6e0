#include <algorithm>

#include "server/rollout/engine.h"
#include "server/rollout/progress.h"
#include "server/store/actions.h"
#include "server/store/rollouts.h"
#include "server/store/targets.h"

namespace till::rollout {
namespace {

using server::ActionId;
using server::DeployGroup;
using server::DeployGroupId;
using server::GroupCount;
using server::GroupState;
using server::Rollout;
using server::RolloutState;

constexpr const char* kActorName = "rollout";

struct Member {
  std::string controller_id;
  ActionId action{};
};

// Members from the start on; with `unstarted_only` those without an action. The scan ends at `limit` found.
Result<std::vector<Member>> TakeMembers(kv::ReadTxn& txn, DeployGroupId group, size_t limit, bool unstarted_only) {
  std::vector<Member> members;
  TILL_TRY(server::ForEachMember(txn, group, "", [&](std::string_view controller_id, ActionId action) {
    if (!unstarted_only || !server::IsSet(action)) members.push_back({std::string(controller_id), action});
    return members.size() < limit;
  }));
  return members;
}

// Gives one member its action, which the terminal meets at its next poll.
Status StartMember(kv::WriteTxn& txn, const Rollout& rollout, DeployGroupId group, const std::string& controller_id,
                   const server::Actor& actor) {
  server::Assignment assignment;
  assignment.controller_id = controller_id;
  assignment.set = rollout.set;
  assignment.force_type = rollout.force_type;
  assignment.force_time_ms = rollout.force_time_ms;
  assignment.weight = rollout.weight;
  assignment.rollout = rollout.id;
  assignment.group = group;
  assignment.confirmation_required = rollout.confirmation_required;
  assignment.full_fallback = rollout.full_fallback;
  const ActionId action = TILL_TRY(server::ScheduleAction(txn, assignment, actor));
  TILL_TRY(server::PutMember(txn, group, controller_id, action));
  TILL_TRY(server::StartScheduledAction(txn, action, actor));
  return Ok();
}

// Starts up to kBatch members of an opened group; when none is left the group runs.
Status StartBatch(kv::WriteTxn& txn, const Rollout& rollout, DeployGroupId id, int64_t now_ms) {
  const server::Actor actor{rollout.audit.last_modified_by.empty() ? kActorName : rollout.audit.last_modified_by,
                            now_ms};
  const std::vector<Member> members = TILL_TRY(TakeMembers(txn, id, kBatch, true));
  for (const Member& member : members) {
    if (TILL_TRY(server::HasTarget(txn, member.controller_id))) {
      TILL_TRY(StartMember(txn, rollout, id, member.controller_id, actor));
    } else {
      TILL_TRY(server::EraseMember(txn, id, member.controller_id));  // deleted since the rollout was made
    }
  }
  DeployGroup group = TILL_TRY(server::GetGroup(txn, id));
  uint64_t& waiting = group.count(GroupCount::kNotStarted);
  waiting = members.size() < kBatch ? 0 : waiting - std::min<uint64_t>(waiting, members.size());
  if (members.size() < kBatch) group.state = GroupState::kRunning;
  return server::PutGroup(txn, group);
}

Status SetGroupState(kv::WriteTxn& txn, DeployGroup& group, GroupState state) {
  group.state = state;
  return server::PutGroup(txn, group);
}

Status SetRolloutState(kv::WriteTxn& txn, Rollout& rollout, RolloutState state, int64_t now_ms) {
  rollout.state = state;
  rollout.audit.last_modified_at_ms = now_ms;
  return server::PutRollout(txn, rollout);
}

// Looks at one running group. Answers true when the rollout changed, so that the caller looks afresh.
Result<bool> JudgeGroup(kv::WriteTxn& txn, Rollout& rollout, DeployGroup& group, bool newest, bool last,
                        int64_t now_ms) {
  if (PassedError(group)) {
    TILL_TRY(SetGroupState(txn, group, GroupState::kError));
    TILL_TRY(SetRolloutState(txn, rollout, RolloutState::kPaused, now_ms));
    return true;
  }
  const bool success = ReachedSuccess(group);
  const bool over = IsOver(group);
  if (over) TILL_TRY(SetGroupState(txn, group, GroupState::kFinished));
  if (!newest || last) return over;
  const bool hold = (over && !success) || (success && group.conditions.success_pauses);
  if (hold) {
    TILL_TRY(SetRolloutState(txn, rollout, RolloutState::kPaused, now_ms));
    return true;
  }
  if (success) return OpenNextGroup(txn, rollout);
  return false;
}

Result<bool> StepRunning(kv::WriteTxn& txn, Rollout& rollout, int64_t now_ms) {
  std::vector<DeployGroup> groups;
  size_t opened = 0;  // groups that were begun
  for (const DeployGroupId id : rollout.groups) {
    groups.push_back(TILL_TRY(server::GetGroup(txn, id)));
    if (groups.back().state != GroupState::kReady) opened = groups.size();
  }
  bool any_open = false;
  for (size_t i = 0; i < opened; ++i) {
    DeployGroup& group = groups[i];
    if (group.state == GroupState::kScheduled) {
      TILL_TRY(StartBatch(txn, rollout, group.id, now_ms));
      return true;
    }
    if (group.state != GroupState::kRunning) continue;
    any_open = true;
    const bool newest = i + 1 == opened;
    if (TILL_TRY(JudgeGroup(txn, rollout, group, newest, i + 1 == groups.size(), now_ms))) return true;
  }
  // The newest group is over, or stands in error and a person said to go on: open the next one, or end.
  const bool newest_done = opened == 0 || groups[opened - 1].state != GroupState::kRunning;
  if (newest_done && TILL_TRY(OpenNextGroup(txn, rollout))) return true;
  if (any_open) return false;
  TILL_TRY(SetRolloutState(txn, rollout, RolloutState::kFinished, now_ms));
  return false;
}

// Cancels what is open, kBatch actions per step, then the rollout is stopped.
Result<bool> StepStopping(kv::WriteTxn& txn, Rollout& rollout, int64_t now_ms) {
  const server::Actor actor{kActorName, now_ms};
  size_t canceled = 0;
  for (const DeployGroupId id : rollout.groups) {
    std::vector<ActionId> open;
    Status trouble;
    TILL_TRY(server::ForEachActionOfGroup(txn, rollout.id, id, [&](ActionId action_id) {
      const auto action = server::GetAction(txn, action_id);
      if (!action.ok()) trouble = action.error();
      if (action.ok() && action->active && !action->canceling()) open.push_back(action_id);
      return action.ok() && canceled + open.size() < kBatch;
    }));
    TILL_TRY(trouble);
    for (const ActionId action : open) TILL_TRY(server::RequestCancel(txn, action, actor));
    canceled += open.size();
    if (canceled >= kBatch) return true;
  }
  const RolloutState end = rollout.deleted ? RolloutState::kDeleted : RolloutState::kStopped;
  TILL_TRY(SetRolloutState(txn, rollout, end, now_ms));
  return false;
}

// A rollout that never started: members first, then groups, then itself.
Result<bool> StepDeleting(kv::WriteTxn& txn, Rollout& rollout) {
  for (const DeployGroupId id : rollout.groups) {
    const std::vector<Member> members = TILL_TRY(TakeMembers(txn, id, kBatch, false));
    for (const Member& member : members) TILL_TRY(server::EraseMember(txn, id, member.controller_id));
    if (members.size() == kBatch) return true;
  }
  for (const DeployGroupId id : rollout.groups) TILL_TRY(server::EraseGroup(txn, id));
  TILL_TRY(server::EraseRollout(txn, rollout.id));
  return false;
}

}  // namespace

bool HasWork(const Rollout& rollout, int64_t now_ms) {
  switch (rollout.state) {
    case RolloutState::kReady:
      return rollout.start_at_ms > 0 && now_ms >= rollout.start_at_ms;
    case RolloutState::kStarting:
    case RolloutState::kRunning:
    case RolloutState::kStopping:
    case RolloutState::kDeleting:
      return true;
    default:
      return false;
  }
}

Result<bool> Step(kv::WriteTxn& txn, server::RolloutId id, int64_t now_ms) {
  auto loaded = server::GetRollout(txn, id);
  if (!loaded.ok()) return loaded.error().code == ErrorCode::kNotFound ? Result<bool>(false) : loaded.error();
  Rollout& rollout = *loaded;
  if (!HasWork(rollout, now_ms)) return false;
  switch (rollout.state) {
    case RolloutState::kReady:
      TILL_TRY(SetRolloutState(txn, rollout, RolloutState::kStarting, now_ms));
      return true;
    case RolloutState::kStarting:
      TILL_TRY(OpenNextGroup(txn, rollout));
      TILL_TRY(SetRolloutState(txn, rollout, RolloutState::kRunning, now_ms));
      return true;
    case RolloutState::kRunning:
      return StepRunning(txn, rollout, now_ms);
    case RolloutState::kStopping:
      return StepStopping(txn, rollout, now_ms);
    default:
      return StepDeleting(txn, rollout);
  }
}

}  // namespace till::rollout
