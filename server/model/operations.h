// What the server does to targets and actions: the same few operations for the DDI and the Management API, each over
// one write transaction, each checking everything before its first write (see store/writer.h).
//   Rules are hawkBit's (DDI v1: deploymentBase and cancelAction feedback). Times are Unix ms from the caller, so that
//   tests own the clock. Error codes: kNotFound (404), kConflict (409), kRefused (405), kInvalid (400), kLimit (429).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/kv/kv.h"
#include "server/model/action.h"
#include "server/model/software.h"
#include "server/model/target.h"

namespace till::server {

// Who does it and when.
struct Actor {
  std::string name;  // "CONTROLLER_PLUG_AND_PLAY", "admin"
  int64_t now_ms = 0;
};

// --- targets ---
// A random target token: 32 characters of [A-Za-z0-9].
std::string NewSecurityToken();
// The target, made when it is unknown ("plug and play"); `created` says so. kInvalid for a bad id.
Result<Target> RegisterTarget(kv::WriteTxn& txn, std::string_view controller_id, const Actor& actor, bool* created);
// A target given by an operator: kConflict when there, kInvalid for bad fields; a token is made when empty.
Result<Target> CreateTarget(kv::WriteTxn& txn, Target target, const Actor& actor);
// With its actions (running ones too), attributes and memberships' actions.
Status DeleteTarget(kv::WriteTxn& txn, std::string_view controller_id);

enum class AttributeMode : uint8_t { kMerge, kReplace, kRemove };
struct AttributeChange {
  AttributeMode mode = AttributeMode::kMerge;
  std::vector<std::pair<std::string, std::optional<std::string>>> data;  // nullopt removes (merge)
};
// kLimit when more than kMaxAttributes would remain. Clears request_attributes.
Status UpdateAttributes(kv::WriteTxn& txn, std::string_view controller_id, const AttributeChange& change,
                        const Actor& actor);

// What the terminal says it was delivered with, by a set's name and version: true when that is news. kNotFound.
Result<bool> SetInstalled(kv::WriteTxn& txn, std::string_view controller_id, std::string_view name,
                          std::string_view version, const Actor& actor);

// --- assignments ---
struct Assignment {
  std::string controller_id;
  DistributionSetId set{};
  ForceType force_type = ForceType::kForced;
  int64_t force_time_ms = 0;
  uint32_t weight = 1000;
  MaintenanceWindow window;
  RolloutId rollout{};
  DeployGroupId group{};
  bool confirmation_required = false;
  bool offline = false;  // "it runs this already": finished at once
  FullFallback full_fallback = FullFallback::kByConfig;
  std::string external_ref;
};
struct Assigned {
  ActionId action{};  // 0 when the set was assigned already
  bool already_assigned = false;
};
// Makes the action and cancels what was active (closes it at once with config kAutoClose). Locks the set and its
// modules.
Result<Assigned> AssignDistributionSet(kv::WriteTxn& txn, const Assignment& assignment, const Actor& actor);
// Rollouts: an action that waits (state kScheduled, inactive), and its start. Start answers the same as an assignment.
Result<ActionId> ScheduleAction(kv::WriteTxn& txn, const Assignment& assignment, const Actor& actor);
Result<Assigned> StartScheduledAction(kv::WriteTxn& txn, ActionId id, const Actor& actor);

// kRefused when closed or canceling already. A scheduled action is canceled at once.
Status RequestCancel(kv::WriteTxn& txn, ActionId id, const Actor& actor);
// Every active action with this set that belongs to no rollout (a rollout cancels its own when it stops).
Status CancelActionsOfSet(kv::WriteTxn& txn, DistributionSetId set, const Actor& actor);
// kRefused unless canceling.
Status ForceQuit(kv::WriteTxn& txn, ActionId id, const Actor& actor);
// Soft and time-forced become forced. kRefused when closed.
Status ForceAction(kv::WriteTxn& txn, ActionId id, const Actor& actor);
// Asks the terminal for its attributes again.
Status RequestAttributes(kv::WriteTxn& txn, std::string_view controller_id, const Actor& actor);
// Confirmation flow: confirmed lets the action run, denied leaves it waiting. kRefused when not waiting or closed.
Status ConfirmAction(kv::WriteTxn& txn, ActionId id, bool confirmed, const std::vector<std::string>& messages,
                     const Actor& actor);

// Ends an action from the server's side as finished, for a terminal that already runs what was assigned.
Status FinishByServer(kv::WriteTxn& txn, ActionId id, const std::string& message, const Actor& actor);
// Adds a server message (with the prefix) without changing the action's state.
Status NoteOnAction(kv::WriteTxn& txn, Action& action, ActionState entry, const std::string& message, int64_t now_ms);
// Appends `retrieved` unless it is the newest entry already.
Status NoteRetrieved(kv::WriteTxn& txn, ActionId id, const std::string& message, int64_t now_ms);

// --- feedback (A4, A5) ---
enum class Execution : uint8_t {
  kClosed,
  kProceeding,
  kCanceled,
  kScheduled,
  kRejected,
  kResumed,
  kDownload,
  kDownloaded,
};
enum class FinishedResult : uint8_t { kSuccess, kFailure, kNone };
struct Feedback {
  Execution execution = Execution::kProceeding;
  FinishedResult finished = FinishedResult::kNone;
  int64_t timestamp_ms = 0;  // 0 = server time
  std::optional<int64_t> code;
  std::vector<std::string> details;
  std::optional<uint64_t> till_seq;
  uint64_t till_bytes = 0;
};
enum class FeedbackVerdict : uint8_t {
  kApplied,
  kRepeated,      // (action, seq) was there: 200, nothing kept
  kNotFound,      // 404: unknown, foreign, or waiting for confirmation
  kGone,          // 410: the action is over
  kNotCanceling,  // 405
  kQuota,         // 429
};
Result<FeedbackVerdict> ApplyFeedback(kv::WriteTxn& txn, std::string_view controller_id, ActionId id,
                                      const Feedback& feedback, int64_t now_ms);
Result<FeedbackVerdict> ApplyCancelFeedback(kv::WriteTxn& txn, std::string_view controller_id, ActionId id,
                                            const Feedback& feedback, int64_t now_ms);

}  // namespace till::server
