// The words hawkBit's APIs use for our enumerations, and the few checks on texts that name things.
#include <array>

#include "core/text.h"
#include "server/model/action.h"
#include "server/model/rollout.h"
#include "server/model/software.h"
#include "server/model/target.h"

namespace till::server {
namespace {

constexpr std::array<const char*, kTargetStatusCount> kTargetStatusNames = {"unknown", "in_sync", "pending", "error",
                                                                            "registered"};
constexpr std::array<const char*, kActionStateCount> kActionStateNames = {
    "finished",  "error",    "warning",   "running",         "canceled",   "canceling",
    "retrieved", "download", "scheduled", "cancel_rejected", "downloaded", "wait_for_confirmation"};
constexpr std::array<const char*, 4> kForceTypeNames = {"soft", "forced", "timeforced", "downloadonly"};
constexpr std::array<const char*, 12> kRolloutStateNames = {"creating",        "waiting_for_approval",
                                                            "approval_denied", "ready",
                                                            "paused",          "starting",
                                                            "stopping",        "stopped",
                                                            "running",         "finished",
                                                            "deleting",        "deleted"};
constexpr std::array<const char*, 6> kGroupStateNames = {"creating", "ready",    "scheduled",
                                                         "running",  "finished", "error"};

template <typename Enum, size_t kSize>
Result<Enum> Parse(const std::array<const char*, kSize>& names, std::string_view text) {
  for (size_t i = 0; i < kSize; ++i) {
    if (EqualsIgnoreCase(names[i], text)) return static_cast<Enum>(i);
  }
  return Error{ErrorCode::kInvalid, "unknown word"};
}

}  // namespace

const char* TargetStatusName(TargetStatus status) { return kTargetStatusNames[static_cast<size_t>(status)]; }
const char* ActionStateName(ActionState state) { return kActionStateNames[static_cast<size_t>(state)]; }
const char* ForceTypeName(ForceType type) { return kForceTypeNames[static_cast<size_t>(type)]; }
const char* RolloutStateName(RolloutState state) { return kRolloutStateNames[static_cast<size_t>(state)]; }
const char* GroupStateName(GroupState state) { return kGroupStateNames[static_cast<size_t>(state)]; }

Result<ForceType> ParseForceType(std::string_view name) { return Parse<ForceType>(kForceTypeNames, name); }
Result<ActionState> ParseActionState(std::string_view name) { return Parse<ActionState>(kActionStateNames, name); }
Result<FullFallback> ParseFullFallback(std::string_view name) {
  if (name.empty()) return FullFallback::kByConfig;
  if (name == "never") return FullFallback::kNever;
  if (name == "allowed") return FullFallback::kAllowed;
  return Error{ErrorCode::kInvalid, "full fallback is \"never\" or \"allowed\""};
}

bool IsControllerId(std::string_view text) {
  if (text.empty() || text.size() > 256) return false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '/') return false;
  }
  return true;
}

Status CheckNewName(std::string_view name) {
  if (NameFitsUrl(name)) return Ok();
  return Error{ErrorCode::kInvalid,
               "a URL cannot carry this name: \".\", \"..\", a backslash, a control character or an escape"};
}

bool IsSecurityToken(std::string_view text) {
  if (text.empty() || text.size() > 128) return false;
  for (const char c : text) {
    if (c < 0x21 || c > 0x7E) return false;
  }
  return true;
}

const Artifact* SoftwareModule::FindArtifact(std::string_view filename) const {
  for (const Artifact& artifact : artifacts) {
    if (artifact.filename == filename) return &artifact;
  }
  return nullptr;
}

std::string_view SoftwareModule::MetadataValue(std::string_view key) const {
  for (const Metadata& entry : metadata) {
    if (entry.key == key) return entry.value;
  }
  return "";
}

GroupCount CountsAs(const Action& action) {
  switch (action.state) {
    case ActionState::kFinished:
    case ActionState::kDownloaded:
      return GroupCount::kFinished;
    case ActionState::kError:
      return GroupCount::kError;
    case ActionState::kScheduled:
      return GroupCount::kScheduled;
    case ActionState::kCanceled:
      return GroupCount::kCancelled;
    default:
      return GroupCount::kRunning;
  }
}

bool IsBlocked(const Action& action) { return CountsAs(action) == GroupCount::kRunning && !action.blocked.empty(); }

bool IsWaiting(const Action& action) {
  return action.state == ActionState::kRunning && action.blocked.empty() && !action.device_answered &&
         action.last_entry != ActionState::kRetrieved && action.offers.empty();
}

}  // namespace till::server
