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

// As messages are kept: each at most kMaxMessageBytes, cut between UTF-8 characters.
std::vector<std::string> SplitMessages(const std::vector<std::string>& messages);
// What an entry would take in the store, and what the entries of a target take.
uint64_t StatusBytes(const ActionStatus& status);
Result<uint64_t> StatusBytesOf(kv::ReadTxn& txn, std::string_view controller_id);
// Appends an entry: gives it an id, fills reported_at_ms and (when 0) timestamp_ms from `now_ms`, splits long messages,
// counts it in `action` (which the caller puts) and for its target.
Status AppendStatus(kv::WriteTxn& txn, Action& action, ActionStatus& status, int64_t now_ms);
Status ForEachStatus(kv::ReadTxn& txn, ActionId action, const std::function<bool(const ActionStatus&)>& visit);
Status ForEachStatusNewestFirst(kv::ReadTxn& txn, ActionId action,
                                const std::function<bool(const ActionStatus&)>& visit);

}  // namespace till::server
