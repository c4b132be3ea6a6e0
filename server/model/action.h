// An action: one assignment of a set to a target, and the statuses it went through.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/model/ids.h"
#include "server/model/target.h"

namespace till::server {

enum class ActionState : uint8_t {
  kFinished,
  kError,
  kWarning,
  kRunning,
  kCanceled,
  kCanceling,
  kRetrieved,
  kDownload,
  kScheduled,
  kCancelRejected,
  kDownloaded,
  kWaitForConfirmation,
};
inline constexpr size_t kActionStateCount = 12;
enum class ForceType : uint8_t { kSoft, kForced, kTimeForced, kDownloadOnly };
// May a full payload go to a terminal that can take deltas? kByConfig asks the tenant key `till.full.fallback`.
enum class FullFallback : uint8_t { kByConfig, kNever, kAllowed };

// Quartz cron, "HH:MM:SS", "+00:00"; all empty = no window.
struct MaintenanceWindow {
  std::string schedule, duration, timezone;
  bool set() const { return !schedule.empty(); }
};

// The payload first offered for one module: it stays the same while the terminal works on it.
struct Offer {
  SoftwareModuleId module{};
  std::string payload_sha256;  // lower-case hex
};

struct Action {
  ActionId id{};
  std::string controller_id;
  DistributionSetId set{};
  ActionState state = ActionState::kRunning;
  bool active = true;  // false: over, or not begun (kScheduled)
  ForceType force_type = ForceType::kForced;
  int64_t force_time_ms = 0;  // kTimeForced
  uint32_t weight = 1000;     // 0 to 1000
  MaintenanceWindow window;
  RolloutId rollout{};
  DeployGroupId group{};
  std::optional<int64_t> last_code;
  std::string external_ref, initiated_by;
  FullFallback full_fallback = FullFallback::kByConfig;
  uint32_t status_count = 0;                       // entries, of all kinds
  uint32_t intermediate_count = 0;                 // against kMaxIntermediateStatuses
  ActionState last_entry = ActionState::kRunning;  // state of the newest entry: decides whether `retrieved` is added
  bool device_answered = false;                    // a feedback came: from here on only the terminal ends the action
  uint64_t last_seq = 0;                           // highest `till.seq` seen; `seq_mask` bit i = last_seq - i was seen
  uint64_t seq_mask = 0;
  uint64_t payload_bytes = 0;  // `till.bytes`: distinct payload bytes received so far
  std::string blocked;         // why nothing is offered at present; "" = something is
  std::vector<Offer> offers;
  uint64_t status_bytes = 0;  // that its entries take in the store
  Audit audit;

  bool canceling() const { return state == ActionState::kCanceling; }
  bool canceling_or_canceled() const { return canceling() || state == ActionState::kCanceled; }
  bool waits_for_confirmation() const { return state == ActionState::kWaitForConfirmation; }
  // "cancel" while or after canceling, else "update" (the Management API's `type`).
  const char* type() const { return canceling_or_canceled() ? "cancel" : "update"; }
  bool forced(int64_t now_ms) const {
    return force_type == ForceType::kForced || (force_type == ForceType::kTimeForced && now_ms >= force_time_ms);
  }
};

// One entry of an action's history.
struct ActionStatus {
  ActionStatusId id{};
  ActionId action{};
  ActionState state = ActionState::kRunning;
  int64_t reported_at_ms = 0;  // server's clock
  int64_t timestamp_ms = 0;    // the device's word, or the server's
  std::optional<int64_t> code;
  std::vector<std::string> messages;  // server's own ones start with kServerMessagePrefix
};

inline constexpr uint32_t kMaxIntermediateStatuses = 1000;
inline constexpr size_t kMaxMessages = 50;       // of one entry, as they are kept
inline constexpr size_t kMaxMessageBytes = 512;  // longer ones are split, as hawkBit does
// What the entries of one action, and of all actions of one target, may take in the store. A word that ends an action
// is always kept, without its messages if need be.
inline constexpr uint64_t kMaxActionStatusBytes = 256 << 10;
inline constexpr uint64_t kMaxTargetStatusBytes = 4 << 20;
inline constexpr std::string_view kServerMessagePrefix = "Update Server: ";

const char* ActionStateName(ActionState state);  // "cancel_rejected"
const char* ForceTypeName(ForceType type);       // "timeforced"
Result<ForceType> ParseForceType(std::string_view name);
Result<ActionState> ParseActionState(std::string_view name);
Result<FullFallback> ParseFullFallback(std::string_view name);  // "never", "allowed"; "" = kByConfig

}  // namespace till::server
