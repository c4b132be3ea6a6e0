#include "server/model/action_steps.h"
#include "server/model/operations.h"
#include "server/model/tenant_config.h"
#include "server/store/actions.h"
#include "server/store/software.h"
#include "server/store/targets.h"

namespace till::server {
namespace {

Result<DistributionSet> AssignableSet(kv::ReadTxn& txn, DistributionSetId id) {
  DistributionSet set = TILL_TRY(GetSet(txn, id));
  if (set.deleted) return Error{ErrorCode::kNotFound, "no such distribution set"};
  if (set.invalid) return Error{ErrorCode::kInvalid, "the distribution set was invalidated"};
  if (set.modules.empty()) return Error{ErrorCode::kInvalid, "the distribution set is incomplete"};
  return set;
}

// What was assigned stays as it was assigned.
Status LockSet(kv::WriteTxn& txn, DistributionSet& set) {
  const bool lock = TILL_TRY(ConfigFlag(txn, config::kImplicitLock));
  if (set.used && (set.locked || !lock)) return Ok();
  set.used = true;
  set.locked = set.locked || lock;
  TILL_TRY(PutSet(txn, set));
  if (!lock) return Ok();
  std::vector<SoftwareModule> modules = TILL_TRY(ModulesOf(txn, set));
  for (SoftwareModule& module : modules) {
    if (module.locked) continue;
    module.locked = true;
    TILL_TRY(PutModule(txn, module));
  }
  return Ok();
}

// A new assignment takes the place of what is active: terminals are asked to cancel, or, with auto-close, not asked.
Status CancelObsolete(kv::WriteTxn& txn, std::string_view controller_id, ActionId keep, int64_t now_ms) {
  const bool close = TILL_TRY(ConfigFlag(txn, config::kAutoClose));
  std::vector<Action> active = TILL_TRY(ActiveActionsOf(txn, controller_id));
  for (Action& action : active) {
    if (action.id == keep || (action.canceling() && !close)) continue;
    action.state = close ? ActionState::kCanceled : ActionState::kCanceling;
    action.active = !close;
    action.audit.last_modified_at_ms = now_ms;
    TILL_TRY(Note(txn, action, action.state,
                  close ? "close obsolete action due to new update" : "cancel obsolete action due to new update",
                  now_ms));
    TILL_TRY(PutAction(txn, action));
  }
  return Ok();
}

Action NewAction(const Assignment& assignment, const Actor& actor) {
  Action action;
  action.controller_id = assignment.controller_id;
  action.set = assignment.set;
  action.force_type = assignment.force_type;
  action.force_time_ms = assignment.force_time_ms;
  action.weight = assignment.weight;
  action.window = assignment.window;
  action.rollout = assignment.rollout;
  action.group = assignment.group;
  action.full_fallback = assignment.full_fallback;
  action.external_ref = assignment.external_ref;
  action.initiated_by = actor.name;
  action.audit = {actor.name, actor.name, actor.now_ms, actor.now_ms};
  return action;
}

// Puts `action` to work: from here on the terminal meets it.
Status Begin(kv::WriteTxn& txn, Action& action, Target& target, bool confirm, const Actor& actor) {
  DistributionSet set = TILL_TRY(GetSet(txn, action.set));
  TILL_TRY(LockSet(txn, set));
  TILL_TRY(CancelObsolete(txn, action.controller_id, action.id, actor.now_ms));
  const bool waits = confirm && !target.auto_confirm && TILL_TRY(ConfigFlag(txn, config::kConfirmationFlow));
  action.active = true;
  action.state = waits ? ActionState::kWaitForConfirmation : ActionState::kRunning;
  action.audit.last_modified_at_ms = actor.now_ms;
  TILL_TRY(PutAction(txn, action));
  TILL_TRY(Note(txn, action, action.state, "Assignment initiated by user '" + actor.name + "'", actor.now_ms));
  TILL_TRY(PutAction(txn, action));
  target.assigned_set = action.set;
  target.status = TargetStatus::kPending;
  return PutTargetServing(txn, target, actor.now_ms);
}

// The operator says that the target runs this already.
Result<Assigned> AssignOffline(kv::WriteTxn& txn, const Assignment& assignment, Target& target, const Actor& actor) {
  std::vector<Action> active = TILL_TRY(ActiveActionsOf(txn, assignment.controller_id));
  for (Action& old : active) {
    old.state = ActionState::kCanceled;
    old.active = false;
    TILL_TRY(Note(txn, old, old.state, "close obsolete action due to an offline assignment", actor.now_ms));
    TILL_TRY(PutAction(txn, old));
  }
  DistributionSet set = TILL_TRY(GetSet(txn, assignment.set));
  TILL_TRY(LockSet(txn, set));
  Action action = NewAction(assignment, actor);
  action.active = false;
  action.state = ActionState::kFinished;
  TILL_TRY(PutAction(txn, action));
  TILL_TRY(Note(txn, action, action.state, "Action reported as offline deployment", actor.now_ms));
  target.assigned_set = assignment.set;
  TILL_TRY(PutTarget(txn, target));
  TILL_TRY(FinishAction(txn, action, actor.now_ms));
  return Assigned{action.id, false};
}

// A window that nobody keeps would let terminals install in the middle of a sale: refused until polls evaluate it.
Status CheckWindow(const Assignment& assignment) {
  if (!assignment.window.set()) return Ok();
  return Error{ErrorCode::kInvalid, "maintenance windows are not kept by this version"};
}

}  // namespace

Result<Assigned> AssignDistributionSet(kv::WriteTxn& txn, const Assignment& assignment, const Actor& actor) {
  TILL_TRY(CheckWindow(assignment));
  TILL_TRY(AssignableSet(txn, assignment.set));
  Target target = TILL_TRY(GetTarget(txn, assignment.controller_id));
  if (target.assigned_set == assignment.set) return Assigned{ActionId{}, true};
  if (assignment.offline) return AssignOffline(txn, assignment, target, actor);
  Action action = NewAction(assignment, actor);
  TILL_TRY(Begin(txn, action, target, assignment.confirmation_required, actor));
  return Assigned{action.id, false};
}

Result<ActionId> ScheduleAction(kv::WriteTxn& txn, const Assignment& assignment, const Actor& actor) {
  TILL_TRY(CheckWindow(assignment));
  DistributionSet set = TILL_TRY(AssignableSet(txn, assignment.set));
  if (!TILL_TRY(HasTarget(txn, assignment.controller_id))) return Error{ErrorCode::kNotFound, "no such target"};
  TILL_TRY(LockSet(txn, set));
  Action action = NewAction(assignment, actor);
  action.active = false;
  action.state = ActionState::kScheduled;
  action.last_entry = ActionState::kScheduled;
  TILL_TRY(PutAction(txn, action));
  return action.id;
}

Result<Assigned> StartScheduledAction(kv::WriteTxn& txn, ActionId id, const Actor& actor) {
  Action action = TILL_TRY(GetAction(txn, id));
  if (action.state != ActionState::kScheduled) return Error{ErrorCode::kRefused, "the action is not scheduled"};
  TILL_TRY(AssignableSet(txn, action.set));
  Target target = TILL_TRY(GetTarget(txn, action.controller_id));
  // hawkBit calls the action finished as soon as the set is *assigned*; here it must also be *installed*, so that a
  // rollout never counts a terminal that still works on it (journeys.md L5).
  if (target.assigned_set == action.set && target.installed_set == action.set) {
    TILL_TRY(Note(txn, action, ActionState::kFinished, "the distribution set is installed already", actor.now_ms));
    TILL_TRY(FinishAction(txn, action, actor.now_ms));
    return Assigned{id, true};
  }
  TILL_TRY(Begin(txn, action, target, false, actor));
  return Assigned{id, false};
}

}  // namespace till::server
