// Assignments as the Management API words them, shared by targets (one target, sets) and sets (one set, targets).
#pragma once

#include <vector>

#include "server/mgmt/api.h"

namespace till::mgmt {

inline constexpr size_t kMaxAssignmentsPerRequest = 5000;  // as hawkBit

// type, forcetime, weight, maintenanceWindow, confirmationRequired, fullFallback of a body. Target and set are left to
// the caller. kInvalid for what cannot be.
Result<server::Assignment> ReadAssignment(kv::ReadTxn& txn, const Call& call, const json::Value& body);

// kUnsupported for a body that wants people or terminals asked first: nobody would be.
Status RefuseConfirmation(const json::Value& body);

// Assigns all or none, and answers {assigned, alreadyAssigned, total, assignedActions}.
Result<Response> AssignAll(kv::WriteTxn& txn, const Call& call, const std::vector<server::Assignment>& assignments);

}  // namespace till::mgmt
