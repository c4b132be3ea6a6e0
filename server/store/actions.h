// Actions and their statuses in the store, with indexes: by target, active by target, by rollout and group.
//   PutAction keeps indexes, the counts of the action's deploy group and of all actions right.
#pragma once

#include <functional>
#include <vector>

#include "core/kv/kv.h"
#include "server/model/action.h"

namespace till::server {

Result<Action> GetAction(kv::ReadTxn& txn, ActionId id);
// Gives `action` an id when it has none.
Status PutAction(kv::WriteTxn& txn, Action& action);
// The record, its statuses and indexes.
Status EraseAction(kv::WriteTxn& txn, ActionId id);

Status ForEachAction(kv::ReadTxn& txn, ActionId from, const std::function<bool(const Action&)>& visit);  // by id
Result<std::vector<ActionId>> ActionsOf(kv::ReadTxn& txn, std::string_view controller_id);               // by id
Result<std::vector<Action>> ActiveActionsOf(kv::ReadTxn& txn, std::string_view controller_id);           // by id
Status ForEachActionOfGroup(kv::ReadTxn& txn, RolloutId rollout, DeployGroupId group,
                            const std::function<bool(ActionId)>& visit);
Result<uint64_t> CountActions(kv::ReadTxn& txn);

// Appends an entry: gives it an id, fills reported_at_ms and (when 0) timestamp_ms from `now_ms`, splits long messages,
// counts it in `action` (which the caller puts).
Status AppendStatus(kv::WriteTxn& txn, Action& action, ActionStatus& status, int64_t now_ms);
Status ForEachStatus(kv::ReadTxn& txn, ActionId action, const std::function<bool(const ActionStatus&)>& visit);
Status ForEachStatusNewestFirst(kv::ReadTxn& txn, ActionId action,
                                const std::function<bool(const ActionStatus&)>& visit);

}  // namespace till::server
