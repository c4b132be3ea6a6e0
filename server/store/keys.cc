#include "server/store/keys.h"

namespace till::server {
namespace {

Result<uint64_t> ReadNumber(kv::ReadTxn& txn, const std::string& key) {
  const auto stored = TILL_TRY(txn.Get(key));
  if (!stored) return uint64_t{0};
  return kv::ParseSortableU64(*stored);
}

}  // namespace

Result<uint64_t> NextNumber(kv::WriteTxn& txn, std::string_view sequence) {
  const std::string key = Key('Q', sequence);
  const uint64_t number = TILL_TRY(ReadNumber(txn, key)) + 1;
  TILL_TRY(txn.Put(key, kv::SortableU64(number)));
  return number;
}

Result<uint64_t> GetCount(kv::ReadTxn& txn, std::string_view name) { return ReadNumber(txn, Key('N', name)); }

Status AddCount(kv::WriteTxn& txn, std::string_view name, int64_t difference) {
  const std::string key = Key('N', name);
  const uint64_t count = TILL_TRY(ReadNumber(txn, key)) + static_cast<uint64_t>(difference);
  return txn.Put(key, kv::SortableU64(count));
}

}  // namespace till::server
