// Entities that lie in the store under one letter and their number. Private to server/store.
#pragma once

#include <functional>
#include <string>

#include "server/store/keys.h"
#include "server/store/record.h"

namespace till::server {

// `missing` when there is none.
template <typename Entity, typename Id>
Result<Entity> LoadById(kv::ReadTxn& txn, char kind, Id id, const Error& missing) {
  const auto stored = TILL_TRY(txn.Get(Key(kind, id)));
  if (!stored) return missing;
  Entity entity = TILL_TRY(Decode<Entity>(*stored));
  entity.id = id;
  return entity;
}

// In the order of their numbers, from `from` on, until `visit` answers false.
template <typename Entity, typename Id>
Status ForEachById(kv::ReadTxn& txn, char kind, Id from, const std::function<bool(const Entity&)>& visit) {
  Status damaged;
  TILL_TRY(txn.Scan(std::string(1, kind), Key(kind, from), [&](std::string_view key, std::string_view value) {
    auto entity = Decode<Entity>(value);
    auto id = IdAt<Id>(key, 1);
    if (!entity.ok()) damaged = entity.error();
    if (!id.ok()) damaged = id.error();
    if (!damaged.ok()) return false;
    entity->id = *id;
    return visit(*entity);
  }));
  return damaged;
}

// The numbers that end the keys below one prefix.
template <typename Id>
Status ForEachIdUnder(kv::ReadTxn& txn, const std::string& prefix, const std::function<bool(Id)>& visit) {
  Status damaged;
  TILL_TRY(txn.Scan(prefix, "", [&](std::string_view key, std::string_view) {
    auto id = IdAt<Id>(key, prefix.size());
    if (!id.ok()) damaged = id.error();
    return id.ok() && visit(*id);
  }));
  return damaged;
}

}  // namespace till::server
