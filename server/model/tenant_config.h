// System configuration of the tenant: known keys, their kinds and defaults. Values are stored as JSON and take effect
// at once. Keys of our own start with "till."; a stock Management API client does not meet them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/json/json.h"
#include "core/kv/kv.h"

namespace till::server {

enum class ConfigKind : uint8_t { kBool, kText, kInteger, kTextList };
struct ConfigTraits {
  bool secret = false;  // shown only with the permission to read it
  bool kept = true;     // false: stock clients ask for it, but nothing here acts on it, so only the default can be set
};
struct ConfigKey {
  const char* name;
  ConfigKind kind;
  const char* default_json;
  ConfigTraits traits = {};
};
const std::vector<ConfigKey>& KnownConfigKeys();
const ConfigKey* FindConfigKey(std::string_view name);

namespace config {
inline constexpr std::string_view kTargetTokenEnabled = "authentication.targettoken.enabled";
inline constexpr std::string_view kGatewayTokenEnabled = "authentication.gatewaytoken.enabled";
inline constexpr std::string_view kGatewayTokenKey = "authentication.gatewaytoken.key";
inline constexpr std::string_view kHeaderEnabled = "authentication.header.enabled";
inline constexpr std::string_view kHeaderAuthority = "authentication.header.authority";
inline constexpr std::string_view kPollingTime = "pollingTime";
inline constexpr std::string_view kPollingOverdueTime = "pollingOverdueTime";
inline constexpr std::string_view kAutoClose = "repository.actions.autoclose.enabled";
inline constexpr std::string_view kConfirmationFlow = "user.confirmation.flow.enabled";
inline constexpr std::string_view kImplicitLock = "implicit.lock.enabled";
inline constexpr std::string_view kRolloutApproval = "rollout.approval.enabled";
inline constexpr std::string_view kMirrors = "till.mirrors";             // list of edge URLs
inline constexpr std::string_view kFullFallback = "till.full.fallback";  // "never" | "allowed"
}  // namespace config

struct ConfigValue {
  json::Value value;
  bool global = true;  // the default, not set by the operator
};
Result<ConfigValue> GetConfig(kv::ReadTxn& txn, std::string_view key);  // kNotFound: unknown key
Result<bool> ConfigFlag(kv::ReadTxn& txn, std::string_view key);
Result<std::string> ConfigText(kv::ReadTxn& txn, std::string_view key);
// Items of a list that are text; a text is split at blanks and commas.
Result<std::vector<std::string>> ConfigTextList(kv::ReadTxn& txn, std::string_view key);
// kNotFound for an unknown key, kInvalid for a value of another kind or outside its bounds, kUnsupported for one that
// would not be kept.
Status SetConfig(kv::WriteTxn& txn, std::string_view key, const json::Value& value);
Status ResetConfig(kv::WriteTxn& txn, std::string_view key);

// "HH:MM:SS", "MM:SS", "SS" or "PT…" to seconds.
Result<int64_t> ParseInterval(std::string_view text);
std::string FormatInterval(int64_t seconds);  // HH:MM:SS; seconds < 24 h

}  // namespace till::server
