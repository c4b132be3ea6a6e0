// Steps that several operations on actions share. Private to server/model.
#pragma once

#include <string>

#include "core/kv/kv.h"
#include "server/model/operations.h"

namespace till::server {

// A status entry of the server's own, with its prefix.
Status Note(kv::WriteTxn& txn, Action& action, ActionState entry, std::string_view message, int64_t now_ms);
// Chooses what a poll serves from the active actions, and puts the target.
Status PutTargetServing(kv::WriteTxn& txn, Target& target, int64_t now_ms);
// The action is finished: puts it and its target (installed set, in_sync when nothing newer is assigned).
Status FinishAction(kv::WriteTxn& txn, Action& action, int64_t now_ms);
// The action is canceled for good: puts it and its target (assigned set back to the next active one or the installed).
Status CloseCanceled(kv::WriteTxn& txn, Action& action, int64_t now_ms);

}  // namespace till::server
