// A target: one terminal as the server knows it (hawkBit's Target; DDI calls the same thing a controller).
//   Times are Unix milliseconds, 0 = never. Last-seen stamps are not here: see store/last_seen.h.
#pragma once

#include <map>
#include <string>

#include "core/result.h"
#include "server/model/ids.h"

namespace till::server {

enum class TargetStatus : uint8_t { kUnknown, kInSync, kPending, kError, kRegistered };
inline constexpr size_t kTargetStatusCount = 5;

// Who made an entity and when; shown by the Management API.
struct Audit {
  std::string created_by, last_modified_by;
  int64_t created_at_ms = 0, last_modified_at_ms = 0;
};

struct Target {
  std::string controller_id;  // 1 to 256 bytes, printable, see IsControllerId()
  std::string name;
  std::string description;
  std::string address;         // as told by the Management API; the peer's address stands with the last-seen stamp
  std::string security_token;  // readable, because the Management API shows it
  std::string target_type;     // key of a target type, "" = none
  std::string group;
  TargetStatus status = TargetStatus::kUnknown;
  bool request_attributes = true;
  bool auto_confirm = false;
  DistributionSetId assigned_set{};
  DistributionSetId installed_set{};
  ActionId installed_action{};  // the finished action that installed `installed_set`
  // The active action a poll serves: highest weight, then lowest id; kept by the operations so that a poll reads one
  // record. 0 = nothing to do.
  ActionId current_action{};
  int64_t installed_at_ms = 0;
  Audit audit;
};

// configData, sorted by key.
using Attributes = std::map<std::string, std::string>;

inline constexpr size_t kMaxAttributes = 100;
inline constexpr size_t kMaxAttributeText = 128;  // characters, of key and of value

const char* TargetStatusName(TargetStatus status);  // "in_sync"
// 1 to 256 bytes without control characters and '/'. A new one must pass CheckNewName() too.
bool IsControllerId(std::string_view text);
// What is made, of any kind, gets a name that a URL can carry (core/text.h), so that it can always be asked for:
// kInvalid when it cannot. What is there already may have another.
Status CheckNewName(std::string_view name);
// 1 to 128 bytes of printable ASCII without spaces.
bool IsSecurityToken(std::string_view text);

}  // namespace till::server
