#include "server/rollout/progress.h"

#include "server/rollout/engine.h"
#include "server/store/rollouts.h"

namespace till::rollout {

using server::DeployGroup;
using server::GroupCount;
using server::GroupState;

uint64_t TotalOf(const DeployGroup& group) {
  uint64_t total = 0;
  for (const uint64_t count : group.counts) total += count;
  return total;
}

bool ReachedSuccess(const DeployGroup& group) {
  return group.count(GroupCount::kFinished) * 100 >= uint64_t{group.conditions.success_percent} * TotalOf(group);
}

bool PassedError(const DeployGroup& group) {
  return group.conditions.has_error_condition &&
         group.count(GroupCount::kError) * 100 > uint64_t{group.conditions.error_percent} * TotalOf(group);
}

bool IsOver(const DeployGroup& group) {
  return group.count(GroupCount::kNotStarted) == 0 && group.count(GroupCount::kScheduled) == 0 &&
         group.count(GroupCount::kRunning) == 0;
}

Result<bool> OpenNextGroup(kv::WriteTxn& txn, const server::Rollout& rollout) {
  for (const server::DeployGroupId id : rollout.groups) {
    DeployGroup group = TILL_TRY(server::GetGroup(txn, id));
    if (group.state != GroupState::kReady) continue;
    group.state = GroupState::kScheduled;
    TILL_TRY(server::PutGroup(txn, group));
    return true;
  }
  return false;
}

Status OpenNextIfHeld(kv::WriteTxn& txn, const server::Rollout& rollout) {
  DeployGroup newest;
  for (const server::DeployGroupId id : rollout.groups) {
    DeployGroup group = TILL_TRY(server::GetGroup(txn, id));
    if (group.state == GroupState::kReady) break;
    newest = std::move(group);
  }
  const bool held = newest.state == GroupState::kRunning && newest.conditions.success_pauses && ReachedSuccess(newest);
  if (held) TILL_TRY(OpenNextGroup(txn, rollout));
  return Ok();
}

}  // namespace till::rollout
