// The keys of the store: a letter for the kind, then ids as sortable big-endian numbers and names as they are.
//   T target  A attributes  E target metadata  L last seen  d/i target by assigned/installed set
//   M module  m module by name  u set by module   D set  n set by name
//   X action  x action by target  y active action by target  g action by rollout and group  S status
//   s bytes of statuses by target
//   R rollout  r rollout by name  G group  k member of group   C config  Q sequence  N count  B blob  U operator
//   V operator's token  W edge's token
//   Private to server/store (auth and artifacts have letters of their own above).
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "core/kv/kv.h"
#include "server/model/ids.h"

namespace till::server {

inline std::string Key(char kind, std::string_view rest) {
  std::string key(1, kind);
  key += rest;
  return key;
}
template <typename Id>
requires std::is_enum_v<Id> std::string Key(char kind, Id id) {
  return Key(kind, std::string_view(kv::SortableU64(Number(id))));
}
template <typename Id>
requires std::is_enum_v<Id> std::string Key(char kind, Id id, std::string_view rest) { return Key(kind, id) += rest; }
// A name inside a longer key ends with NUL, which no name holds.
inline std::string KeyUnderName(char kind, std::string_view name) {
  std::string key = Key(kind, name);
  key += '\0';
  return key;
}

template <typename Id>
Result<Id> IdAt(std::string_view key, size_t offset) {
  if (key.size() < offset + 8) return Error{ErrorCode::kCorrupt, "short key in the store", key.size()};
  return static_cast<Id>(TILL_TRY(kv::ParseSortableU64(key.substr(offset, 8))));
}

// The next number of a sequence, from 1 on. Numbers are never used twice.
Result<uint64_t> NextNumber(kv::WriteTxn& txn, std::string_view sequence);
// Kept counts.
Result<uint64_t> GetCount(kv::ReadTxn& txn, std::string_view name);
Status AddCount(kv::WriteTxn& txn, std::string_view name, int64_t difference);

}  // namespace till::server
