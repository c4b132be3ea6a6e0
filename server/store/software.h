// Modules and sets in the store. Put keeps the unique names, the use index (module -> sets) and counts right.
//   Errors: kNotFound; kConflict when another entity has the same name, version (and type).
#pragma once

#include <functional>

#include "core/kv/kv.h"
#include "server/model/software.h"

namespace till::server {

Result<SoftwareModule> GetModule(kv::ReadTxn& txn, SoftwareModuleId id);
// Gives `module` an id when it has none.
Status PutModule(kv::WriteTxn& txn, SoftwareModule& module);
Status EraseModule(kv::WriteTxn& txn, SoftwareModuleId id);
Status ForEachModule(kv::ReadTxn& txn, const std::function<bool(const SoftwareModule&)>& visit);  // by id
Result<bool> IsModuleUsed(kv::ReadTxn& txn, SoftwareModuleId id);                                 // by any set
Result<ArtifactId> NextArtifactId(kv::WriteTxn& txn);

Result<DistributionSet> GetSet(kv::ReadTxn& txn, DistributionSetId id);
Status PutSet(kv::WriteTxn& txn, DistributionSet& set);
Status EraseSet(kv::WriteTxn& txn, DistributionSetId id);
Status ForEachSet(kv::ReadTxn& txn, const std::function<bool(const DistributionSet&)>& visit);
Result<std::optional<DistributionSetId>> FindSet(kv::ReadTxn& txn, std::string_view name, std::string_view version);
Result<std::vector<SoftwareModule>> ModulesOf(kv::ReadTxn& txn, const DistributionSet& set);

}  // namespace till::server
