// Rollouts, groups and group membership in the store.
#pragma once

#include <functional>

#include "core/kv/kv.h"
#include "server/model/rollout.h"

namespace till::server {

Result<Rollout> GetRollout(kv::ReadTxn& txn, RolloutId id);
Status PutRollout(kv::WriteTxn& txn, Rollout& rollout);  // gives an id; kConflict for a name in use
Status EraseRollout(kv::WriteTxn& txn, RolloutId id);
Status ForEachRollout(kv::ReadTxn& txn, const std::function<bool(const Rollout&)>& visit);

Result<DeployGroup> GetGroup(kv::ReadTxn& txn, DeployGroupId id);
Status PutGroup(kv::WriteTxn& txn, DeployGroup& group);  // gives an id
Status EraseGroup(kv::WriteTxn& txn, DeployGroupId id);

// Membership is kept from creation on; the action (0 before the group is scheduled) can be filled in later.
Status PutMember(kv::WriteTxn& txn, DeployGroupId group, std::string_view controller_id, ActionId action);
Status EraseMember(kv::WriteTxn& txn, DeployGroupId group, std::string_view controller_id);
Status ForEachMember(kv::ReadTxn& txn, DeployGroupId group, std::string_view from,
                     const std::function<bool(std::string_view controller_id, ActionId action)>& visit);

}  // namespace till::server
