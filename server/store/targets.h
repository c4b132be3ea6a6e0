// Targets in the store: records, indexes by set, attributes. Functions over a transaction; nothing is cached.
//   Put keeps the indexes and counts right by comparing with what was stored. Errors: kNotFound, kCorrupt, kv's own.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/kv/kv.h"
#include "server/model/software.h"
#include "server/model/target.h"

namespace till::server {

Result<Target> GetTarget(kv::ReadTxn& txn, std::string_view controller_id);
Result<bool> HasTarget(kv::ReadTxn& txn, std::string_view controller_id);
Status PutTarget(kv::WriteTxn& txn, const Target& target);
// The record, its attributes and indexes. Its actions are the caller's (model/operations.h: DeleteTarget).
Status EraseTarget(kv::WriteTxn& txn, std::string_view controller_id);

// In order of controller id, from `from` on ("" = first), until `visit` answers false.
Status ForEachTarget(kv::ReadTxn& txn, std::string_view from, const std::function<bool(const Target&)>& visit);
Status ForEachTargetAssigned(kv::ReadTxn& txn, DistributionSetId set,
                             const std::function<bool(std::string_view)>& visit);
Status ForEachTargetInstalled(kv::ReadTxn& txn, DistributionSetId set,
                              const std::function<bool(std::string_view)>& visit);

Result<uint64_t> CountTargets(kv::ReadTxn& txn);
Result<uint64_t> CountTargets(kv::ReadTxn& txn, TargetStatus status);

Result<Attributes> GetAttributes(kv::ReadTxn& txn, std::string_view controller_id);  // empty when none
Status PutAttributes(kv::WriteTxn& txn, std::string_view controller_id, const Attributes& attributes);
Result<std::vector<Metadata>> GetTargetMetadata(kv::ReadTxn& txn, std::string_view controller_id);
Status PutTargetMetadata(kv::WriteTxn& txn, std::string_view controller_id, const std::vector<Metadata>& metadata);

}  // namespace till::server
