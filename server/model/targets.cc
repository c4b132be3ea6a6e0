#include "server/store/targets.h"
#include "core/crypto/hash.h"
#include "server/model/operations.h"
#include "server/store/actions.h"
#include "server/store/software.h"

namespace till::server {

std::string NewSecurityToken() {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string token;
  while (token.size() < 32) {
    for (const std::byte random : crypto::RandomBytes(48)) {
      const unsigned index = std::to_integer<unsigned>(random) & 63u;  // 62 and 63 are drawn again: no bias
      if (index < kAlphabet.size() && token.size() < 32) token += kAlphabet[index];
    }
  }
  return token;
}

Result<Target> RegisterTarget(kv::WriteTxn& txn, std::string_view controller_id, const Actor& actor, bool* created) {
  *created = false;
  if (!IsControllerId(controller_id)) return Error{ErrorCode::kInvalid, "not a controller id"};
  auto known = GetTarget(txn, controller_id);
  if (!known.ok() && known.error().code != ErrorCode::kNotFound) return known;
  if (known.ok()) {
    if (known->status != TargetStatus::kUnknown) return known;
    known->status = TargetStatus::kRegistered;
    TILL_TRY(PutTarget(txn, *known));
    return known;
  }
  TILL_TRY(CheckNewName(controller_id));
  *created = true;
  Target target;
  target.controller_id = controller_id;
  target.name = controller_id;
  target.description = "Plug and Play target: " + target.controller_id;
  target.security_token = NewSecurityToken();
  target.status = TargetStatus::kRegistered;
  target.audit = {actor.name, actor.name, actor.now_ms, actor.now_ms};
  TILL_TRY(PutTarget(txn, target));
  return target;
}

Result<Target> CreateTarget(kv::WriteTxn& txn, Target target, const Actor& actor) {
  if (!IsControllerId(target.controller_id)) return Error{ErrorCode::kInvalid, "not a controller id"};
  TILL_TRY(CheckNewName(target.controller_id));
  if (target.security_token.empty()) target.security_token = NewSecurityToken();
  if (!IsSecurityToken(target.security_token)) return Error{ErrorCode::kInvalid, "not a security token"};
  if (target.name.empty()) target.name = target.controller_id;
  if (target.name.size() > kMaxNameBytes * 2 || target.description.size() > kMaxDescriptionBytes) {
    return Error{ErrorCode::kInvalid, "name or description too long"};
  }
  if (TILL_TRY(HasTarget(txn, target.controller_id))) return Error{ErrorCode::kConflict, "the target exists already"};
  target.audit = {actor.name, actor.name, actor.now_ms, actor.now_ms};
  TILL_TRY(PutTarget(txn, target));
  return target;
}

Status DeleteTarget(kv::WriteTxn& txn, std::string_view controller_id) {
  if (!TILL_TRY(HasTarget(txn, controller_id))) return Error{ErrorCode::kNotFound, "no such target"};
  const std::vector<ActionId> actions = TILL_TRY(ActionsOf(txn, controller_id));
  for (const ActionId id : actions) TILL_TRY(EraseAction(txn, id));
  return EraseTarget(txn, controller_id);
}

Status UpdateAttributes(kv::WriteTxn& txn, std::string_view controller_id, const AttributeChange& change,
                        const Actor& actor) {
  Target target = TILL_TRY(GetTarget(txn, controller_id));
  const Attributes before = TILL_TRY(GetAttributes(txn, controller_id));
  Attributes after = change.mode == AttributeMode::kReplace ? Attributes{} : before;
  for (const auto& [key, value] : change.data) {
    if (change.mode == AttributeMode::kRemove || !value) {
      after.erase(key);
    } else {
      after[key] = *value;
    }
  }
  if (after.size() > kMaxAttributes) return Error{ErrorCode::kLimit, "too many attributes", kMaxAttributes};
  if (after != before) TILL_TRY(PutAttributes(txn, controller_id, after));
  if (!target.request_attributes) return Ok();
  target.request_attributes = false;
  target.audit.last_modified_at_ms = actor.now_ms;
  return PutTarget(txn, target);
}

Result<bool> SetInstalled(kv::WriteTxn& txn, std::string_view controller_id, std::string_view name,
                          std::string_view version, const Actor& actor) {
  Target target = TILL_TRY(GetTarget(txn, controller_id));
  const auto set = TILL_TRY(FindSet(txn, name, version));
  if (!set) return Error{ErrorCode::kNotFound, "no such distribution set"};
  if (target.installed_set == *set) return false;
  target.installed_set = *set;
  target.installed_action = ActionId{};
  target.installed_at_ms = actor.now_ms;
  if (!IsSet(target.assigned_set)) target.assigned_set = *set;
  if (target.assigned_set == *set && !IsSet(target.current_action)) target.status = TargetStatus::kInSync;
  target.audit.last_modified_at_ms = actor.now_ms;
  TILL_TRY(PutTarget(txn, target));
  return true;
}

Status RequestAttributes(kv::WriteTxn& txn, std::string_view controller_id, const Actor& actor) {
  Target target = TILL_TRY(GetTarget(txn, controller_id));
  target.request_attributes = true;
  target.audit.last_modified_by = actor.name;
  target.audit.last_modified_at_ms = actor.now_ms;
  return PutTarget(txn, target);
}

}  // namespace till::server
