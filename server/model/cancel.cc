#include "server/model/action_steps.h"
#include "server/model/operations.h"
#include "server/store/actions.h"
#include "server/store/targets.h"

namespace till::server {

Status RequestCancel(kv::WriteTxn& txn, ActionId id, const Actor& actor) {
  Action action = TILL_TRY(GetAction(txn, id));
  if (action.canceling_or_canceled()) return Error{ErrorCode::kRefused, "the action is canceling or canceled already"};
  if (!action.active && action.state != ActionState::kScheduled) {
    return Error{ErrorCode::kRefused, "the action is closed"};
  }
  action.state = action.active ? ActionState::kCanceling : ActionState::kCanceled;
  action.audit.last_modified_by = actor.name;
  action.audit.last_modified_at_ms = actor.now_ms;
  TILL_TRY(Note(txn, action, action.state, "manual cancelation requested", actor.now_ms));
  return PutAction(txn, action);
}

Status CancelActionsOfSet(kv::WriteTxn& txn, DistributionSetId set, const Actor& actor) {
  std::vector<std::string> targets;
  TILL_TRY(ForEachTargetAssigned(txn, set, [&](std::string_view controller_id) {
    targets.emplace_back(controller_id);
    return true;
  }));
  for (const std::string& target : targets) {
    const std::vector<Action> active = TILL_TRY(ActiveActionsOf(txn, target));
    for (const Action& action : active) {
      const bool ours = action.set == set && !IsSet(action.rollout) && !action.canceling();
      if (ours) TILL_TRY(RequestCancel(txn, action.id, actor));
    }
  }
  return Ok();
}

Status ForceQuit(kv::WriteTxn& txn, ActionId id, const Actor& actor) {
  Action action = TILL_TRY(GetAction(txn, id));
  if (!action.active || !action.canceling()) return Error{ErrorCode::kRefused, "the action is not canceling"};
  action.audit.last_modified_by = actor.name;
  TILL_TRY(Note(txn, action, ActionState::kCanceled, "A force quit has been performed.", actor.now_ms));
  return CloseCanceled(txn, action, actor.now_ms);
}

Status ForceAction(kv::WriteTxn& txn, ActionId id, const Actor& actor) {
  Action action = TILL_TRY(GetAction(txn, id));
  if (!action.active && action.state != ActionState::kScheduled) {
    return Error{ErrorCode::kRefused, "the action is closed"};
  }
  if (action.force_type == ForceType::kForced) return Ok();
  action.force_type = ForceType::kForced;
  action.audit.last_modified_by = actor.name;
  action.audit.last_modified_at_ms = actor.now_ms;
  return PutAction(txn, action);
}

Status ConfirmAction(kv::WriteTxn& txn, ActionId id, bool confirmed, const std::vector<std::string>& messages,
                     const Actor& actor) {
  Action action = TILL_TRY(GetAction(txn, id));
  if (!action.active || !action.waits_for_confirmation()) {
    return Error{ErrorCode::kRefused, "the action does not wait for confirmation"};
  }
  if (confirmed) action.state = ActionState::kRunning;
  ActionStatus entry;
  entry.state = action.state;
  entry.messages = messages;
  entry.messages.push_back(std::string(kServerMessagePrefix) +
                           (confirmed ? "Target confirmed action." : "Target rejected action."));
  TILL_TRY(AppendStatus(txn, action, entry, actor.now_ms));
  action.audit.last_modified_at_ms = actor.now_ms;
  return PutAction(txn, action);
}

Status FinishByServer(kv::WriteTxn& txn, ActionId id, const std::string& message, const Actor& actor) {
  Action action = TILL_TRY(GetAction(txn, id));
  if (!action.active || action.canceling()) return Error{ErrorCode::kRefused, "the action is closed or canceling"};
  TILL_TRY(Note(txn, action, ActionState::kFinished, message, actor.now_ms));
  return FinishAction(txn, action, actor.now_ms);
}

Status NoteOnAction(kv::WriteTxn& txn, Action& action, ActionState entry, const std::string& message, int64_t now_ms) {
  TILL_TRY(Note(txn, action, entry, message, now_ms));
  return PutAction(txn, action);
}

Status NoteRetrieved(kv::WriteTxn& txn, ActionId id, const std::string& message, int64_t now_ms) {
  Action action = TILL_TRY(GetAction(txn, id));
  if (!action.active || action.last_entry == ActionState::kRetrieved) return Ok();
  if (!action.canceling()) action.state = ActionState::kRetrieved;
  return NoteOnAction(txn, action, ActionState::kRetrieved, message, now_ms);
}

}  // namespace till::server
