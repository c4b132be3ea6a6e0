#include "server/store/actions.h"

#include "server/model/rollout.h"
#include "server/store/by_id.h"
#include "server/store/rollouts.h"

namespace till::server {
namespace {

std::string IdKey(std::string_view controller_id, char kind, ActionId id) {
  return KeyUnderName(kind, controller_id) + kv::SortableU64(Number(id));
}
std::string GroupKey(const Action& action) {
  return Key('g', action.rollout, kv::SortableU64(Number(action.group)) + kv::SortableU64(Number(action.id)));
}

// Moves the action between the counts of its deploy group.
Status Recount(kv::WriteTxn& txn, const Action* before, const Action* now) {
  const Action& either = now ? *now : *before;
  if (!IsSet(either.group)) return Ok();
  const bool was_blocked = before && IsBlocked(*before);
  const bool is_blocked = now && IsBlocked(*now);
  const bool was_waiting = before && IsWaiting(*before);
  const bool is_waiting = now && IsWaiting(*now);
  const bool counts_alike = before && now && CountsAs(*before) == CountsAs(*now);
  if (counts_alike && was_blocked == is_blocked && was_waiting == is_waiting) return Ok();
  auto group = GetGroup(txn, either.group);
  if (!group.ok()) return group.error().code == ErrorCode::kNotFound ? Ok() : Status(group.error());
  if (before && group->count(CountsAs(*before)) > 0) --group->count(CountsAs(*before));
  if (now) ++group->count(CountsAs(*now));
  if (was_blocked && group->blocked_targets > 0) --group->blocked_targets;
  if (is_blocked) ++group->blocked_targets;
  if (was_waiting && group->waiting_targets > 0) --group->waiting_targets;
  if (is_waiting) ++group->waiting_targets;
  return PutGroup(txn, *group);
}

// Splits at kMaxMessageBytes, never inside a UTF-8 character.
void SplitMessage(std::string_view text, std::vector<std::string>& out) {
  while (text.size() > kMaxMessageBytes) {
    size_t cut = kMaxMessageBytes;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
    if (cut == 0) cut = kMaxMessageBytes;
    out.emplace_back(text.substr(0, cut));
    text.remove_prefix(cut);
  }
  out.emplace_back(text);
}

Result<std::vector<ActionId>> IdsUnder(kv::ReadTxn& txn, const std::string& prefix) {
  std::vector<ActionId> ids;
  TILL_TRY(ForEachIdUnder<ActionId>(txn, prefix, [&](ActionId id) {
    ids.push_back(id);
    return true;
  }));
  return ids;
}

// Adds to what the target's entries take; nothing is kept of none.
Status CountBytes(kv::WriteTxn& txn, std::string_view controller_id, int64_t difference) {
  if (difference == 0) return Ok();
  const uint64_t before = TILL_TRY(StatusBytesOf(txn, controller_id));
  const bool less = difference < 0 && static_cast<uint64_t>(-difference) >= before;
  if (less) return txn.Delete(Key('s', controller_id));
  return txn.Put(Key('s', controller_id), kv::SortableU64(before + static_cast<uint64_t>(difference)));
}

Result<ActionStatus> UnpackStatus(ActionId action, std::string_view key, std::string_view value) {
  ActionStatus status = TILL_TRY(Decode<ActionStatus>(value));
  status.id = TILL_TRY(IdAt<ActionStatusId>(key, 9));
  status.action = action;
  return status;
}

}  // namespace

Result<Action> GetAction(kv::ReadTxn& txn, ActionId id) {
  return LoadById<Action>(txn, 'X', id, {ErrorCode::kNotFound, "no such action"});
}

Status PutAction(kv::WriteTxn& txn, Action& action) {
  std::optional<Action> before;
  if (IsSet(action.id)) {
    before = TILL_TRY(GetAction(txn, action.id));
  } else {
    action.id = static_cast<ActionId>(TILL_TRY(NextNumber(txn, "action")));
    TILL_TRY(AddCount(txn, "actions", 1));
    TILL_TRY(txn.Put(IdKey(action.controller_id, 'x', action.id), ""));
    if (IsSet(action.rollout)) TILL_TRY(txn.Put(GroupKey(action), ""));
  }
  if (!before || before->active != action.active) {
    const std::string key = IdKey(action.controller_id, 'y', action.id);
    TILL_TRY(action.active ? txn.Put(key, "") : txn.Delete(key));
  }
  TILL_TRY(Recount(txn, before ? &*before : nullptr, &action));
  return txn.Put(Key('X', action.id), Encode(action));
}

Status EraseAction(kv::WriteTxn& txn, ActionId id) {
  const Action action = TILL_TRY(GetAction(txn, id));
  std::vector<std::string> statuses;
  TILL_TRY(txn.Scan(Key('S', id), "", [&](std::string_view key, std::string_view) {
    statuses.emplace_back(key);
    return true;
  }));
  for (const std::string& key : statuses) TILL_TRY(txn.Delete(key));
  TILL_TRY(CountBytes(txn, action.controller_id, -static_cast<int64_t>(action.status_bytes)));
  TILL_TRY(Recount(txn, &action, nullptr));
  TILL_TRY(txn.Delete(IdKey(action.controller_id, 'x', id)));
  TILL_TRY(txn.Delete(IdKey(action.controller_id, 'y', id)));
  if (IsSet(action.rollout)) TILL_TRY(txn.Delete(GroupKey(action)));
  TILL_TRY(AddCount(txn, "actions", -1));
  return txn.Delete(Key('X', id));
}

Status ForEachAction(kv::ReadTxn& txn, ActionId from, const std::function<bool(const Action&)>& visit) {
  return ForEachById<Action>(txn, 'X', from, visit);
}

Result<std::vector<ActionId>> ActionsOf(kv::ReadTxn& txn, std::string_view controller_id) {
  return IdsUnder(txn, KeyUnderName('x', controller_id));
}

Result<std::vector<Action>> ActiveActionsOf(kv::ReadTxn& txn, std::string_view controller_id) {
  std::vector<Action> actions;
  const std::vector<ActionId> ids = TILL_TRY(IdsUnder(txn, KeyUnderName('y', controller_id)));
  actions.reserve(ids.size());
  for (const ActionId id : ids) actions.push_back(TILL_TRY(GetAction(txn, id)));
  return actions;
}

Status ForEachActionOfGroup(kv::ReadTxn& txn, RolloutId rollout, DeployGroupId group,
                            const std::function<bool(ActionId)>& visit) {
  return ForEachIdUnder<ActionId>(txn, Key('g', rollout, kv::SortableU64(Number(group))), visit);
}

std::vector<std::string> SplitMessages(const std::vector<std::string>& messages) {
  std::vector<std::string> split;
  for (const std::string& message : messages) SplitMessage(message, split);
  return split;
}

uint64_t StatusBytes(const ActionStatus& status) {
  constexpr uint64_t kKeyBytes = 1 + 8 + 8;
  return kKeyBytes + Encode(status).size();
}

Result<uint64_t> StatusBytesOf(kv::ReadTxn& txn, std::string_view controller_id) {
  const auto stored = TILL_TRY(txn.Get(Key('s', controller_id)));
  return stored ? kv::ParseSortableU64(*stored) : Result<uint64_t>(uint64_t{0});
}

Result<uint64_t> CountActions(kv::ReadTxn& txn) { return GetCount(txn, "actions"); }

Status AppendStatus(kv::WriteTxn& txn, Action& action, ActionStatus& status, int64_t now_ms) {
  status.id = static_cast<ActionStatusId>(TILL_TRY(NextNumber(txn, "status")));
  status.action = action.id;
  status.reported_at_ms = now_ms;
  if (status.timestamp_ms == 0) status.timestamp_ms = now_ms;
  status.messages = SplitMessages(status.messages);
  ++action.status_count;
  action.last_entry = status.state;
  const uint64_t bytes = StatusBytes(status);
  action.status_bytes += bytes;
  TILL_TRY(CountBytes(txn, action.controller_id, static_cast<int64_t>(bytes)));
  return txn.Put(Key('S', action.id, kv::SortableU64(Number(status.id))), Encode(status));
}

Status ForEachStatus(kv::ReadTxn& txn, ActionId action, const std::function<bool(const ActionStatus&)>& visit) {
  Status damaged;
  TILL_TRY(txn.Scan(Key('S', action), "", [&](std::string_view key, std::string_view value) {
    auto status = UnpackStatus(action, key, value);
    if (!status.ok()) damaged = status.error();
    return status.ok() && visit(*status);
  }));
  return damaged;
}

Status ForEachStatusNewestFirst(kv::ReadTxn& txn, ActionId action,
                                const std::function<bool(const ActionStatus&)>& visit) {
  Status damaged;
  TILL_TRY(txn.ScanBack(Key('S', action), [&](std::string_view key, std::string_view value) {
    auto status = UnpackStatus(action, key, value);
    if (!status.ok()) damaged = status.error();
    return status.ok() && visit(*status);
  }));
  return damaged;
}

}  // namespace till::server
