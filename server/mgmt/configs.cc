#include "server/mgmt/resources.h"
#include "server/model/tenant_config.h"

namespace till::mgmt::configs {
namespace {

json::Value View(const Call& call, const std::string& key, const server::ConfigValue& config) {
  json::Value view = json::Value::Object();
  view.Set("value", config.value).Set("global", config.global);
  SetLink(view, "self", call.Link("system/configs/" + EncodeSegment(key)));
  return view;
}

// hawkBit answers 400 for a key nobody knows, never 404.
std::optional<Response> RefuseUnknown(const std::string& key) {
  if (server::FindConfigKey(key) != nullptr) return std::nullopt;
  return Refuse(400, "configValue.key", "no such configuration key");
}

Status Set(kv::WriteTxn& txn, const std::string& key, const json::Value& value) {
  return value.is_null() ? server::ResetConfig(txn, key) : server::SetConfig(txn, key, value);
}

}  // namespace

Result<Response> List(const Call& call) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    json::Value body = json::Value::Object();
    for (const server::ConfigKey& key : server::KnownConfigKeys()) {
      body.Set(key.name, View(call, key.name, TILL_TRY(server::GetConfig(txn, key.name))));
    }
    return JsonAnswer(200, body);
  });
}

Result<Response> PutAll(const Call& call) {
  if (!call.body.is_object()) return Error{ErrorCode::kInvalid, "a JSON object is expected", 0};
  for (const auto& [key, value] : call.body.members()) {
    if (auto refusal = RefuseUnknown(key)) return *refusal;
  }
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    for (const auto& [key, value] : call.body.members()) TILL_TRY(Set(txn, key, value));
    return NoContent();
  });
}

Result<Response> Get(const Call& call) {
  const std::string& key = call.captures[0];
  if (auto refusal = RefuseUnknown(key)) return *refusal;
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    return JsonAnswer(200, View(call, key, TILL_TRY(server::GetConfig(txn, key))));
  });
}

Result<Response> Put(const Call& call) {
  const std::string& key = call.captures[0];
  if (auto refusal = RefuseUnknown(key)) return *refusal;
  if (!call.body.Has("value")) return Error{ErrorCode::kInvalid, "the body is {\"value\":…}", 0};
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    TILL_TRY(Set(txn, key, call.body["value"]));
    return NoContent();
  });
}

Result<Response> Delete(const Call& call) {
  const std::string& key = call.captures[0];
  if (auto refusal = RefuseUnknown(key)) return *refusal;
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    TILL_TRY(server::ResetConfig(txn, key));
    return NoContent();
  });
}

}  // namespace till::mgmt::configs
