// A rollout and its groups (waves). How they move is server/rollout's; here is only what is kept.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "server/model/action.h"
#include "server/model/ids.h"

namespace till::server {

enum class RolloutState : uint8_t {
  kCreating,
  kWaitingForApproval,
  kApprovalDenied,
  kReady,
  kPaused,
  kStarting,
  kStopping,
  kStopped,
  kRunning,
  kFinished,
  kDeleting,
  kDeleted,
};
enum class GroupState : uint8_t { kCreating, kReady, kScheduled, kRunning, kFinished, kError };

struct GroupConditions {
  uint32_t success_percent = 50;  // finished / total >= n %
  uint32_t error_percent = 50;    // error / total > n %
  bool has_error_condition = true;
  bool success_pauses = false;  // PAUSE instead of NEXTGROUP
};

struct Rollout {
  RolloutId id{};
  std::string name;  // unique
  std::string description;
  DistributionSetId set{};
  std::string target_filter;  // RSQL
  RolloutState state = RolloutState::kCreating;
  ForceType force_type = ForceType::kForced;
  int64_t force_time_ms = 0;
  int64_t start_at_ms = 0;  // 0 = by hand
  uint32_t weight = 1000;
  FullFallback full_fallback = FullFallback::kByConfig;
  bool confirmation_required = false;
  bool dynamic = false;
  bool deleted = false;
  std::string approval_decided_by, approval_remark;
  uint64_t total_targets = 0;
  std::vector<DeployGroupId> groups;  // in order
  Audit audit;
};

// Where an action of a group stands, as rollouts count it.
enum class GroupCount : uint8_t { kNotStarted, kScheduled, kRunning, kError, kFinished, kCancelled };
inline constexpr size_t kGroupCountCount = 6;
GroupCount CountsAs(const Action& action);
// Running, and yet nothing can be offered to the terminal at present.
bool IsBlocked(const Action& action);
// Running, and yet the terminal has neither fetched it nor said a word: perhaps it was never seen, or is switched off.
bool IsWaiting(const Action& action);

struct DeployGroup {
  DeployGroupId id{};
  RolloutId rollout{};
  std::string name, description;
  std::string target_filter;
  uint32_t target_millipercent = 100'000;  // share of what is left when this group is filled
  GroupState state = GroupState::kCreating;
  GroupConditions conditions;
  uint64_t total_targets = 0;
  // Kept, not counted: SetActionState() moves an action from one to another. kNotStarted is filled by server/rollout.
  std::array<uint64_t, kGroupCountCount> counts{};
  uint64_t blocked_targets = 0;  // of the running ones, kept in the same way: IsBlocked()
  Audit audit;
  uint64_t waiting_targets = 0;  // of the running ones too: IsWaiting(). 0 in groups begun before it was counted
  uint64_t& count(GroupCount which) { return counts[static_cast<size_t>(which)]; }
  uint64_t count(GroupCount which) const { return counts[static_cast<size_t>(which)]; }
};

const char* RolloutStateName(RolloutState state);  // "waiting_for_approval"
const char* GroupStateName(GroupState state);

}  // namespace till::server
