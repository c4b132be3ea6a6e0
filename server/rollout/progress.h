// Group changes that commands and steps share. Inside server/rollout only.
#pragma once

#include "core/kv/kv.h"
#include "server/model/rollout.h"

namespace till::rollout {

// Opens the first group that was not begun (state scheduled: its members are started by steps). False: none is left.
Result<bool> OpenNextGroup(kv::WriteTxn& txn, const server::Rollout& rollout);
// Opens it only when the newest open group has reached its success threshold and is told to pause there.
Status OpenNextIfHeld(kv::WriteTxn& txn, const server::Rollout& rollout);

bool ReachedSuccess(const server::DeployGroup& group);
bool PassedError(const server::DeployGroup& group);
// Every member's action is over.
bool IsOver(const server::DeployGroup& group);

}  // namespace till::rollout
