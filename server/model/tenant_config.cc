#include "server/model/tenant_config.h"

#include <algorithm>
#include <cstdio>

#include "core/text.h"
#include "server/store/keys.h"

namespace till::server {
namespace {

constexpr int64_t kDaySeconds = 86400;
constexpr ConfigTraits kNotKept{.kept = false};

Result<int64_t> Part(std::string_view text) {
  if (text.empty() || text.size() > 5) return Error{ErrorCode::kInvalid, "an interval is HH:MM:SS"};
  return static_cast<int64_t>(TILL_TRY(ParseUint(text)));
}

// PT1H30M10S
Result<int64_t> ParseIsoInterval(std::string_view text) {
  int64_t seconds = 0;
  text.remove_prefix(2);
  if (text.empty()) return Error{ErrorCode::kInvalid, "an interval is HH:MM:SS"};
  while (!text.empty()) {
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == text.size()) return Error{ErrorCode::kInvalid, "an interval is HH:MM:SS"};
    const int64_t amount = TILL_TRY(Part(text.substr(0, digits)));
    const char unit = text[digits];
    if (unit != 'H' && unit != 'M' && unit != 'S') return Error{ErrorCode::kInvalid, "an interval is HH:MM:SS"};
    seconds += amount * (unit == 'H' ? 3600 : unit == 'M' ? 60 : 1);
    text.remove_prefix(digits + 1);
  }
  return seconds;
}

Status CheckKind(const ConfigKey& key, const json::Value& value) {
  switch (key.kind) {
    case ConfigKind::kBool:
      if (value.is_bool()) return Ok();
      break;
    case ConfigKind::kText:
      if (value.is_string() && value.AsString().size() <= 4000) return Ok();
      break;
    case ConfigKind::kInteger:
      if (value.is_integer() && value.AsInteger() >= 0) return Ok();
      break;
    case ConfigKind::kTextList:
      if (value.is_string() || value.is_array()) {
        for (const json::Value& item : value.items()) {
          if (!item.is_string()) return Error{ErrorCode::kInvalid, "the list must hold texts"};
        }
        return Ok();
      }
      break;
  }
  return Error{ErrorCode::kInvalid, "the value is of another kind than this key's"};
}

// The interval of "interval[~NN%]".
std::string_view FirstInterval(std::string_view text) { return Trim(text.substr(0, text.find('~'))); }

Status CheckMeaning(std::string_view key, const json::Value& value) {
  if (key == config::kPollingTime || key == config::kPollingOverdueTime) {
    if (value.AsString().find("->") != std::string::npos) {
      return Error{ErrorCode::kInvalid, "overrides by filter are not evaluated by this version"};
    }
    const int64_t seconds = TILL_TRY(ParseInterval(FirstInterval(value.AsString())));
    if (seconds < 1 || seconds >= kDaySeconds) return Error{ErrorCode::kInvalid, "an interval is below 24 hours"};
  }
  if (key == config::kFullFallback && value.AsString() != "never" && value.AsString() != "allowed") {
    return Error{ErrorCode::kInvalid, "full fallback is \"never\" or \"allowed\""};
  }
  return Ok();
}

}  // namespace

const std::vector<ConfigKey>& KnownConfigKeys() {
  static const std::vector<ConfigKey> keys = {
      {"authentication.header.enabled", ConfigKind::kBool, "false"},
      {"authentication.header.authority", ConfigKind::kText, "\"\""},
      {"authentication.targettoken.enabled", ConfigKind::kBool, "true"},
      {"authentication.gatewaytoken.enabled", ConfigKind::kBool, "false"},
      {"authentication.gatewaytoken.key", ConfigKind::kText, "\"\"", {.secret = true}},
      {"pollingTime", ConfigKind::kText, "\"00:05:00\""},
      {"pollingOverdueTime", ConfigKind::kText, "\"00:05:00\""},
      {"maintenanceWindowPollCount", ConfigKind::kInteger, "3", kNotKept},
      {"rollout.approval.enabled", ConfigKind::kBool, "false"},
      {"auto.assignment.approval.enabled", ConfigKind::kBool, "false", kNotKept},
      {"repository.actions.autoclose.enabled", ConfigKind::kBool, "false"},
      {"action.cleanup.auto.expiry", ConfigKind::kInteger, "2592000000", kNotKept},
      {"action.cleanup.auto.status", ConfigKind::kText, "\"CANCELED,ERROR\"", kNotKept},
      {"action.cleanup.onQuotaHit.percent", ConfigKind::kInteger, "0", kNotKept},
      {"action.delete.allowed.statuses", ConfigKind::kText, "\"\"", kNotKept},
      {"batch.assignments.enabled", ConfigKind::kBool, "false", kNotKept},
      {"user.confirmation.flow.enabled", ConfigKind::kBool, "false", kNotKept},
      {"implicit.lock.enabled", ConfigKind::kBool, "true"},
      {"default.ds.type", ConfigKind::kInteger, "1", kNotKept},
      {"till.mirrors", ConfigKind::kTextList, "[]"},
      {"till.full.fallback", ConfigKind::kText, "\"never\""},
  };
  return keys;
}

const ConfigKey* FindConfigKey(std::string_view name) {
  for (const ConfigKey& key : KnownConfigKeys()) {
    if (name == key.name) return &key;
  }
  return nullptr;
}

Result<ConfigValue> GetConfig(kv::ReadTxn& txn, std::string_view key) {
  const ConfigKey* known = FindConfigKey(key);
  if (!known) return Error{ErrorCode::kNotFound, "no such configuration key"};
  const auto stored = TILL_TRY(txn.Get(Key('C', key)));
  return ConfigValue{TILL_TRY(json::Parse(stored ? *stored : std::string_view(known->default_json))), !stored};
}

Result<bool> ConfigFlag(kv::ReadTxn& txn, std::string_view key) { return TILL_TRY(GetConfig(txn, key)).value.AsBool(); }

Result<std::string> ConfigText(kv::ReadTxn& txn, std::string_view key) {
  return TILL_TRY(GetConfig(txn, key)).value.AsString();
}

Result<std::vector<std::string>> ConfigTextList(kv::ReadTxn& txn, std::string_view key) {
  const json::Value value = TILL_TRY(GetConfig(txn, key)).value;
  std::vector<std::string> list;
  for (const json::Value& item : value.items()) list.push_back(item.AsString());
  std::string_view text = value.AsString();
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(", \t"), text.size());
    if (end > 0) list.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

Status SetConfig(kv::WriteTxn& txn, std::string_view key, const json::Value& value) {
  const ConfigKey* known = FindConfigKey(key);
  if (!known) return Error{ErrorCode::kNotFound, "no such configuration key"};
  TILL_TRY(CheckKind(*known, value));
  TILL_TRY(CheckMeaning(key, value));
  if (!known->traits.kept && json::Write(value) != known->default_json) {
    return Error{ErrorCode::kUnsupported, "this version does not act on this setting: it takes the default alone"};
  }
  return txn.Put(Key('C', key), json::Write(value));
}

Status ResetConfig(kv::WriteTxn& txn, std::string_view key) {
  if (!FindConfigKey(key)) return Error{ErrorCode::kNotFound, "no such configuration key"};
  return txn.Delete(Key('C', key));
}

Result<int64_t> ParseInterval(std::string_view text) {
  if (text.starts_with("PT")) return ParseIsoInterval(text);
  const std::vector<std::string_view> parts = Split(text, ':');
  if (parts.size() > 3) return Error{ErrorCode::kInvalid, "an interval is HH:MM:SS"};
  int64_t seconds = 0;
  for (const std::string_view part : parts) seconds = seconds * 60 + TILL_TRY(Part(part));
  return seconds;
}

std::string FormatInterval(int64_t seconds) {
  char text[32];
  snprintf(text, sizeof text, "%02d:%02d:%02d", static_cast<int>(seconds / 3600 % 100),
           static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  return text;
}

}  // namespace till::server
