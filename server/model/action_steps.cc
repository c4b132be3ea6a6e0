#include "server/model/action_steps.h"

#include "server/store/actions.h"
#include "server/store/targets.h"

namespace till::server {

Status Note(kv::WriteTxn& txn, Action& action, ActionState entry, std::string_view message, int64_t now_ms) {
  ActionStatus status;
  status.state = entry;
  status.messages.push_back(std::string(kServerMessagePrefix) + std::string(message));
  return AppendStatus(txn, action, status, now_ms);
}

Status PutTargetServing(kv::WriteTxn& txn, Target& target, int64_t now_ms) {
  const std::vector<Action> active = TILL_TRY(ActiveActionsOf(txn, target.controller_id));
  const Action* best = nullptr;
  for (const Action& action : active) {  // by id, so the first of equals wins
    if (!best || action.weight > best->weight) best = &action;
  }
  target.current_action = best ? best->id : ActionId{};
  target.audit.last_modified_at_ms = now_ms;
  return PutTarget(txn, target);
}

Status FinishAction(kv::WriteTxn& txn, Action& action, int64_t now_ms) {
  Target target = TILL_TRY(GetTarget(txn, action.controller_id));
  action.active = false;
  action.state = ActionState::kFinished;
  action.audit.last_modified_at_ms = now_ms;
  TILL_TRY(PutAction(txn, action));
  target.installed_set = action.set;
  target.installed_action = action.id;
  target.installed_at_ms = now_ms;
  target.request_attributes = true;
  if (target.assigned_set == target.installed_set) target.status = TargetStatus::kInSync;
  return PutTargetServing(txn, target, now_ms);
}

Status CloseCanceled(kv::WriteTxn& txn, Action& action, int64_t now_ms) {
  Target target = TILL_TRY(GetTarget(txn, action.controller_id));
  action.active = false;
  action.state = ActionState::kCanceled;
  action.audit.last_modified_at_ms = now_ms;
  TILL_TRY(PutAction(txn, action));
  const std::vector<Action> left = TILL_TRY(ActiveActionsOf(txn, action.controller_id));
  if (left.empty()) {
    target.assigned_set = target.installed_set;
    target.status = TargetStatus::kInSync;
  } else {
    target.assigned_set = left.back().set;  // the newest assignment is what the operator wants
  }
  return PutTargetServing(txn, target, now_ms);
}

}  // namespace till::server
