#include "server/store/last_seen.h"

#include <vector>

#include "server/store/keys.h"

namespace till::server {
namespace {

constexpr size_t kMaxBatch = 1000;

}  // namespace

Status LastSeen::Load(kv::Store& store) {
  const std::lock_guard lock(mutex_);
  Status damaged;
  TILL_TRY(store.View([&](kv::ReadTxn& txn) {
    return txn.Scan("L", "", [&](std::string_view key, std::string_view value) {
      auto at = kv::ParseSortableU64(value.substr(0, 8));
      if (!at.ok()) damaged = at.error();
      if (!at.ok()) return false;
      stamps_[std::string(key.substr(1))].seen = {static_cast<int64_t>(*at), std::string(value.substr(8))};
      return true;
    });
  }));
  return damaged;
}

void LastSeen::Touch(std::string_view controller_id, std::string_view address, int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  Stamp& stamp = stamps_[std::string(controller_id)];
  stamp.seen.at_ms = now_ms;
  if (stamp.seen.address != address) stamp.seen.address = address;
  stamp.dirty = true;
}

Seen LastSeen::Get(std::string_view controller_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = stamps_.find(std::string(controller_id));
  return found == stamps_.end() ? Seen{} : found->second.seen;
}

void LastSeen::Forget(std::string_view controller_id) {
  const std::lock_guard lock(mutex_);
  stamps_.erase(std::string(controller_id));
}

Status LastSeen::Flush(kv::Store& store) {
  std::vector<std::pair<std::string, Seen>> changed;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, stamp] : stamps_) {
      if (!stamp.dirty) continue;
      changed.emplace_back(id, stamp.seen);
      stamp.dirty = false;
    }
  }
  for (size_t first = 0; first < changed.size(); first += kMaxBatch) {
    TILL_TRY(store.Update([&](kv::WriteTxn& txn) -> Status {
      for (size_t i = first; i < changed.size() && i < first + kMaxBatch; ++i) {
        const auto& [id, seen] = changed[i];
        TILL_TRY(txn.Put(Key('L', id), kv::SortableU64(static_cast<uint64_t>(seen.at_ms)) + seen.address));
      }
      return Ok();
    }));
  }
  return Ok();
}

}  // namespace till::server
