// Key-value metadata, the same for targets, modules and sets: list, add, get, put, delete.
#pragma once

#include <vector>

#include "server/mgmt/api.h"

namespace till::mgmt {

// Where the entries of the thing named by captures[0] are read and written; `refuse` (may be null) answers when it must
// not be changed. A single entry's key is captures[1].
struct MetadataOwner {
  Result<std::vector<server::Metadata>> (*read)(kv::ReadTxn& txn, const Call& call);
  Result<Response> (*write)(kv::WriteTxn& txn, const Call& call, const std::vector<server::Metadata>& entries);
  bool has_visibility = false;  // modules: targetVisible
};

Result<Response> ListMetadataOf(const Call& call, const MetadataOwner& owner);
Result<Response> AddMetadataTo(const Call& call, const MetadataOwner& owner);
Result<Response> GetMetadataOf(const Call& call, const MetadataOwner& owner);
Result<Response> PutMetadataOf(const Call& call, const MetadataOwner& owner);
Result<Response> DeleteMetadataOf(const Call& call, const MetadataOwner& owner);

}  // namespace till::mgmt
