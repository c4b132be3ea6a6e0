// What a terminal's word does to an action: the tables A4 (deploymentBase) and A5 (cancelAction) of the DDI contract.
#include "server/model/action_steps.h"
#include "server/model/operations.h"
#include "server/store/actions.h"
#include "server/store/targets.h"

namespace till::server {
namespace {

constexpr uint64_t kSeqWindow = 64;

// True when `seq` was there before (or is too old to tell); else it is noted.
bool SeenBefore(Action& action, uint64_t seq) {
  if (seq > action.last_seq) {
    const uint64_t step = seq - action.last_seq;
    action.seq_mask = (step < kSeqWindow ? action.seq_mask << step : 0) | 1;
    action.last_seq = seq;
    return false;
  }
  const uint64_t back = action.last_seq - seq;
  if (back >= kSeqWindow) return true;
  const uint64_t bit = uint64_t{1} << back;
  if (action.seq_mask & bit) return true;
  action.seq_mask |= bit;
  return false;
}

// The state a feedback is stored as, in A4's table.
ActionState StateOf(const Feedback& feedback) {
  switch (feedback.execution) {
    case Execution::kClosed:
      return feedback.finished == FinishedResult::kFailure ? ActionState::kError : ActionState::kFinished;
    case Execution::kDownloaded:
      return ActionState::kDownloaded;
    case Execution::kDownload:
      return ActionState::kDownload;
    case Execution::kRejected:
      return ActionState::kWarning;
    case Execution::kCanceled:
      return ActionState::kCanceled;
    default:
      return ActionState::kRunning;
  }
}

// And in A5's.
ActionState CancelStateOf(const Feedback& feedback) {
  switch (feedback.execution) {
    case Execution::kClosed:
      return feedback.finished == FinishedResult::kFailure ? ActionState::kError : ActionState::kCanceled;
    case Execution::kRejected:
      return ActionState::kCancelRejected;
    case Execution::kCanceled:
      return ActionState::kWarning;
    default:
      return ActionState::kRunning;
  }
}

// The entry a feedback is kept as.
ActionStatus EntryOf(ActionState state, const Feedback& feedback) {
  ActionStatus status;
  status.state = state;
  status.timestamp_ms = feedback.timestamp_ms;
  status.code = feedback.code;
  status.messages = SplitMessages(feedback.details);
  if (feedback.code) status.messages.push_back("Device reported status code: " + std::to_string(*feedback.code));
  if (status.messages.empty()) {
    status.messages.push_back(std::string(kServerMessagePrefix) + "Target reported " + ActionStateName(state));
  }
  return status;
}

Result<bool> HasRoomFor(kv::ReadTxn& txn, const Action& action, const ActionStatus& status) {
  const uint64_t bytes = StatusBytes(status);
  if (action.status_bytes + bytes > kMaxActionStatusBytes) return false;
  return TILL_TRY(StatusBytesOf(txn, action.controller_id)) + bytes <= kMaxTargetStatusBytes;
}

// False: a quota stands in the way. What ends an action never meets one, but may lose its messages.
Result<bool> Append(kv::WriteTxn& txn, Action& action, ActionState entry, const Feedback& feedback, bool last,
                    int64_t now_ms) {
  if (!last && action.intermediate_count >= kMaxIntermediateStatuses) return false;
  ActionStatus status = EntryOf(entry, feedback);
  if (!TILL_TRY(HasRoomFor(txn, action, status))) {
    if (!last) return false;
    status.messages = {std::string(kServerMessagePrefix) + "the messages were left out: there is no room for more"};
  }
  if (!last) ++action.intermediate_count;
  action.last_code = feedback.code;
  action.device_answered = true;
  action.blocked.clear();
  if (feedback.till_bytes > action.payload_bytes) action.payload_bytes = feedback.till_bytes;
  action.audit.last_modified_at_ms = now_ms;
  TILL_TRY(AppendStatus(txn, action, status, now_ms));
  return true;
}

Status FailAction(kv::WriteTxn& txn, Action& action, int64_t now_ms) {
  Target target = TILL_TRY(GetTarget(txn, action.controller_id));
  action.active = false;
  action.state = ActionState::kError;
  TILL_TRY(PutAction(txn, action));
  // A newer assignment that waits behind a failed older one stays what the target is to get.
  if (target.assigned_set == action.set) {
    target.assigned_set = DistributionSetId{};
    target.status = TargetStatus::kError;
  }
  return PutTargetServing(txn, target, now_ms);
}

Status CloseDownloaded(kv::WriteTxn& txn, Action& action, int64_t now_ms) {
  Target target = TILL_TRY(GetTarget(txn, action.controller_id));
  action.active = false;
  action.state = ActionState::kDownloaded;
  TILL_TRY(PutAction(txn, action));
  target.status = TargetStatus::kInSync;
  target.request_attributes = true;
  return PutTargetServing(txn, target, now_ms);
}

// The checks both kinds of feedback share; nullopt: go on. `*action` is loaded.
Result<std::optional<FeedbackVerdict>> Admit(kv::WriteTxn& txn, std::string_view controller_id, ActionId id,
                                             const Feedback& feedback, Action* action) {
  auto loaded = GetAction(txn, id);
  if (!loaded.ok() && loaded.error().code != ErrorCode::kNotFound) return loaded.error();
  if (!loaded.ok() || loaded->controller_id != controller_id || loaded->waits_for_confirmation() ||
      loaded->state == ActionState::kScheduled) {
    return std::optional(FeedbackVerdict::kNotFound);
  }
  *action = std::move(*loaded);
  if (feedback.till_seq && SeenBefore(*action, *feedback.till_seq)) return std::optional(FeedbackVerdict::kRepeated);
  if (SplitMessages(feedback.details).size() > kMaxMessages) return std::optional(FeedbackVerdict::kQuota);
  return std::optional<FeedbackVerdict>();
}

}  // namespace

Result<FeedbackVerdict> ApplyFeedback(kv::WriteTxn& txn, std::string_view controller_id, ActionId id,
                                      const Feedback& feedback, int64_t now_ms) {
  Action action;
  if (const auto refused = TILL_TRY(Admit(txn, controller_id, id, feedback, &action))) return *refused;
  if (!action.active) return FeedbackVerdict::kGone;
  const ActionState entry = StateOf(feedback);
  const bool downloads_only = action.force_type == ForceType::kDownloadOnly;
  const bool last = entry == ActionState::kError || entry == ActionState::kFinished ||
                    (entry == ActionState::kDownloaded && downloads_only);
  if (!TILL_TRY(Append(txn, action, entry, feedback, last, now_ms))) return FeedbackVerdict::kQuota;
  if (entry == ActionState::kError) TILL_TRY(FailAction(txn, action, now_ms));
  if (entry == ActionState::kFinished) TILL_TRY(FinishAction(txn, action, now_ms));
  if (entry == ActionState::kDownloaded && downloads_only) TILL_TRY(CloseDownloaded(txn, action, now_ms));
  if (!last) TILL_TRY(PutAction(txn, action));
  return FeedbackVerdict::kApplied;
}

Result<FeedbackVerdict> ApplyCancelFeedback(kv::WriteTxn& txn, std::string_view controller_id, ActionId id,
                                            const Feedback& feedback, int64_t now_ms) {
  Action action;
  if (const auto refused = TILL_TRY(Admit(txn, controller_id, id, feedback, &action))) return *refused;
  if (!action.canceling()) return action.active ? FeedbackVerdict::kNotCanceling : FeedbackVerdict::kGone;
  const ActionState entry = CancelStateOf(feedback);
  const bool last = entry == ActionState::kCanceled;
  if (!TILL_TRY(Append(txn, action, entry, feedback, last, now_ms))) return FeedbackVerdict::kQuota;
  if (last) {
    TILL_TRY(CloseCanceled(txn, action, now_ms));
    return FeedbackVerdict::kApplied;
  }
  if (entry == ActionState::kError || entry == ActionState::kCancelRejected) action.state = ActionState::kRunning;
  TILL_TRY(PutAction(txn, action));
  return FeedbackVerdict::kApplied;
}

}  // namespace till::server
