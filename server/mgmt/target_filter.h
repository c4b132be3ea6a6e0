// The fields a fleet can be filtered by, and how a target answers them. Used by the target list and by rollouts.
//   Look-ups beyond the target's own record (attributes, metadata, sets) are made only when a filter asks for them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/kv/kv.h"
#include "server/mgmt/rsql.h"
#include "server/model/target.h"
#include "server/store/last_seen.h"

namespace till::mgmt {

std::span<const rsql::Field> TargetFields();

class TargetReader {
 public:
  // Both outlive the reader.
  TargetReader(kv::ReadTxn& txn, const server::LastSeen& last_seen) : txn_(&txn), last_seen_(&last_seen) {}
  std::vector<std::string> operator()(const server::Target& target, const rsql::Comparison& wanted) const;

 private:
  kv::ReadTxn* txn_;
  const server::LastSeen* last_seen_;
};

// Visits the targets a filter matches, in order of controller id. A filter that names one id costs one look-up.
Status ForEachMatchingTarget(kv::ReadTxn& txn, const server::LastSeen& last_seen, const rsql::Filter& filter,
                             const std::function<bool(const server::Target&)>& visit);

}  // namespace till::mgmt
