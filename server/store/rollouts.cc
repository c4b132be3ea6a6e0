#include "server/store/rollouts.h"

#include "core/crypto/hash.h"
#include "server/store/by_id.h"

namespace till::server {
namespace {

std::string NameKey(const Rollout& rollout) { return Key('r', AsText(crypto::Sha256Of(AsBytes(rollout.name)))); }

}  // namespace

Result<Rollout> GetRollout(kv::ReadTxn& txn, RolloutId id) {
  return LoadById<Rollout>(txn, 'R', id, {ErrorCode::kNotFound, "no such rollout"});
}

Status PutRollout(kv::WriteTxn& txn, Rollout& rollout) {
  const auto holder = TILL_TRY(txn.Get(NameKey(rollout)));
  if (!rollout.deleted && holder && *holder != kv::SortableU64(Number(rollout.id))) {
    return Error{ErrorCode::kConflict, "a rollout of that name exists already"};
  }
  if (IsSet(rollout.id)) {
    const Rollout before = TILL_TRY(GetRollout(txn, rollout.id));
    if (!before.deleted) TILL_TRY(txn.Delete(NameKey(before)));
  } else {
    rollout.id = static_cast<RolloutId>(TILL_TRY(NextNumber(txn, "rollout")));
    TILL_TRY(AddCount(txn, "rollouts", 1));
  }
  if (!rollout.deleted) TILL_TRY(txn.Put(NameKey(rollout), kv::SortableU64(Number(rollout.id))));
  return txn.Put(Key('R', rollout.id), Encode(rollout));
}

Status EraseRollout(kv::WriteTxn& txn, RolloutId id) {
  const Rollout rollout = TILL_TRY(GetRollout(txn, id));
  if (!rollout.deleted) TILL_TRY(txn.Delete(NameKey(rollout)));
  TILL_TRY(AddCount(txn, "rollouts", -1));
  return txn.Delete(Key('R', id));
}

Status ForEachRollout(kv::ReadTxn& txn, const std::function<bool(const Rollout&)>& visit) {
  return ForEachById<Rollout>(txn, 'R', RolloutId{}, visit);
}

Result<DeployGroup> GetGroup(kv::ReadTxn& txn, DeployGroupId id) {
  return LoadById<DeployGroup>(txn, 'G', id, {ErrorCode::kNotFound, "no such deploy group"});
}

Status PutGroup(kv::WriteTxn& txn, DeployGroup& group) {
  if (!IsSet(group.id)) group.id = static_cast<DeployGroupId>(TILL_TRY(NextNumber(txn, "group")));
  return txn.Put(Key('G', group.id), Encode(group));
}

Status EraseGroup(kv::WriteTxn& txn, DeployGroupId id) { return txn.Delete(Key('G', id)); }

Status PutMember(kv::WriteTxn& txn, DeployGroupId group, std::string_view controller_id, ActionId action) {
  return txn.Put(Key('k', group, controller_id), kv::SortableU64(Number(action)));
}

Status EraseMember(kv::WriteTxn& txn, DeployGroupId group, std::string_view controller_id) {
  return txn.Delete(Key('k', group, controller_id));
}

Status ForEachMember(kv::ReadTxn& txn, DeployGroupId group, std::string_view from,
                     const std::function<bool(std::string_view controller_id, ActionId action)>& visit) {
  const std::string prefix = Key('k', group);
  Status damaged;
  TILL_TRY(
      txn.Scan(prefix, from.empty() ? "" : Key('k', group, from), [&](std::string_view key, std::string_view value) {
        auto action = kv::ParseSortableU64(value);
        if (!action.ok()) damaged = action.error();
        return action.ok() && visit(key.substr(prefix.size()), static_cast<ActionId>(*action));
      }));
  return damaged;
}

}  // namespace till::server
