// What a person says to a rollout.
#include "server/rollout/engine.h"
#include "server/rollout/progress.h"
#include "server/store/rollouts.h"

namespace till::rollout {
namespace {

using server::Rollout;
using server::RolloutState;

constexpr Error kWrongState{ErrorCode::kRefused, "the rollout's state does not allow this", 0};

Result<Rollout> Load(kv::ReadTxn& txn, server::RolloutId id) {
  Rollout rollout = TILL_TRY(server::GetRollout(txn, id));
  if (rollout.deleted || rollout.state == RolloutState::kDeleting) {
    return Error{ErrorCode::kNotFound, "no such rollout", server::Number(id)};
  }
  return rollout;
}

Status PutAs(kv::WriteTxn& txn, Rollout& rollout, RolloutState state, const server::Actor& actor) {
  rollout.state = state;
  rollout.audit.last_modified_by = actor.name;
  rollout.audit.last_modified_at_ms = actor.now_ms;
  return server::PutRollout(txn, rollout);
}

}  // namespace

Status Decide(kv::WriteTxn& txn, server::RolloutId id, bool approved, std::string remark, const server::Actor& actor) {
  Rollout rollout = TILL_TRY(Load(txn, id));
  if (rollout.state != RolloutState::kWaitingForApproval) return kWrongState;
  rollout.approval_decided_by = actor.name;
  rollout.approval_remark = std::move(remark);
  return PutAs(txn, rollout, approved ? RolloutState::kReady : RolloutState::kApprovalDenied, actor);
}

Status Start(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor) {
  Rollout rollout = TILL_TRY(Load(txn, id));
  if (rollout.state != RolloutState::kReady) return kWrongState;
  return PutAs(txn, rollout, RolloutState::kStarting, actor);
}

Status Pause(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor) {
  Rollout rollout = TILL_TRY(Load(txn, id));
  if (rollout.state != RolloutState::kRunning) return kWrongState;
  return PutAs(txn, rollout, RolloutState::kPaused, actor);
}

Status Resume(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor) {
  Rollout rollout = TILL_TRY(Load(txn, id));
  if (rollout.state != RolloutState::kPaused) return kWrongState;
  // A group that pauses at success would pause again at once: resuming is the word it waited for.
  TILL_TRY(OpenNextIfHeld(txn, rollout));
  return PutAs(txn, rollout, RolloutState::kRunning, actor);
}

Status TriggerNextGroup(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor) {
  Rollout rollout = TILL_TRY(Load(txn, id));
  if (rollout.state != RolloutState::kRunning) return kWrongState;
  if (!TILL_TRY(OpenNextGroup(txn, rollout))) return Error{ErrorCode::kRefused, "there is no group left to open", 0};
  return PutAs(txn, rollout, RolloutState::kRunning, actor);
}

Status Stop(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor) {
  Rollout rollout = TILL_TRY(Load(txn, id));
  const bool open = rollout.state == RolloutState::kRunning || rollout.state == RolloutState::kPaused ||
                    rollout.state == RolloutState::kStarting || rollout.state == RolloutState::kReady ||
                    rollout.state == RolloutState::kWaitingForApproval;
  if (!open) return kWrongState;
  return PutAs(txn, rollout, RolloutState::kStopping, actor);
}

Status Delete(kv::WriteTxn& txn, server::RolloutId id, const server::Actor& actor) {
  Rollout rollout = TILL_TRY(Load(txn, id));
  const bool started = rollout.state == RolloutState::kRunning || rollout.state == RolloutState::kPaused ||
                       rollout.state == RolloutState::kStarting || rollout.state == RolloutState::kStopping ||
                       rollout.state == RolloutState::kStopped || rollout.state == RolloutState::kFinished;
  if (!started) return PutAs(txn, rollout, RolloutState::kDeleting, actor);
  rollout.deleted = true;  // it is gone for people at once; what it began is cancelled step by step, as by Stop()
  return PutAs(txn, rollout, RolloutState::kStopping, actor);
}

}  // namespace till::rollout
