#include "cdn-edge/object_index.h"

#include <algorithm>

#include "core/json/json.h"

namespace till::edge {
namespace {

constexpr uint8_t kRecordVersion = 1;
constexpr const char* kCountersKey = "c";
// Address space only. A record with its bitmap takes about 200 bytes: room for some millions of objects.
constexpr uint64_t kMapBytes = uint64_t{1} << 30;

std::string Key(char kind, const crypto::Sha256Digest& name) {
  return std::string(1, kind) + std::string(AsText(name));
}

std::string Encode(const IndexRecord& record) {
  ByteWriter out;
  out.U8(kRecordVersion);
  out.U8(record.complete ? 1 : 0);
  out.U64(record.identity.size);
  out.U64(record.identity.list_length);
  out.Append(record.identity.list_sha256);
  out.U64(static_cast<uint64_t>(record.stored_unix_s));
  out.U64(static_cast<uint64_t>(record.used_unix_s));
  out.U64(record.stored_bytes);
  return std::string(AsText(out.bytes()));
}

Result<IndexRecord> Decode(std::string_view key, std::string_view value) {
  IndexRecord record;
  if (key.size() != 1 + record.identity.name.size()) return Error{ErrorCode::kCorrupt, "an index key of wrong length"};
  std::ranges::copy(AsBytes(key.substr(1)), record.identity.name.begin());
  ByteReader in(AsBytes(value));
  if (TILL_TRY(in.U8()) != kRecordVersion) return Error{ErrorCode::kCorrupt, "an index record of unknown version"};
  record.complete = (TILL_TRY(in.U8()) & 1) != 0;
  record.identity.size = TILL_TRY(in.U64());
  record.identity.list_length = TILL_TRY(in.U64());
  std::ranges::copy(TILL_TRY(in.Take(record.identity.list_sha256.size())), record.identity.list_sha256.begin());
  record.stored_unix_s = static_cast<int64_t>(TILL_TRY(in.U64()));
  record.used_unix_s = static_cast<int64_t>(TILL_TRY(in.U64()));
  record.stored_bytes = TILL_TRY(in.U64());
  if (!in.at_end()) return Error{ErrorCode::kCorrupt, "an index record with a tail"};
  return record;
}

}  // namespace

Result<ObjectIndex> ObjectIndex::Open(const std::string& folder) {
  return ObjectIndex(TILL_TRY(kv::Store::Open(folder, {.map_bytes = kMapBytes, .durable = true})));
}

Status ObjectIndex::Put(const IndexRecord& record, ByteView bitmap) {
  const std::string value = Encode(record);
  return store_->Update([&](kv::WriteTxn& txn) -> Status {
    TILL_TRY(txn.Put(Key('o', record.identity.name), value));
    return txn.Put(Key('b', record.identity.name), AsText(bitmap));
  });
}

Status ObjectIndex::PutRecord(const IndexRecord& record) {
  const std::string value = Encode(record);
  return store_->Update([&](kv::WriteTxn& txn) { return txn.Put(Key('o', record.identity.name), value); });
}

Status ObjectIndex::Delete(const crypto::Sha256Digest& name) {
  return store_->Update([&](kv::WriteTxn& txn) -> Status {
    TILL_TRY(txn.Delete(Key('o', name)));
    return txn.Delete(Key('b', name));
  });
}

Status ObjectIndex::PutCounters(const Counters& counters, int64_t since_unix_s) {
  json::Value value;
  for (const auto& [name, count] : kCounterNames) value.Set(name, (counters.*count).load());
  value.Set("since", since_unix_s);
  const std::string text = json::Write(value);
  return store_->Update([&](kv::WriteTxn& txn) { return txn.Put(kCountersKey, text); });
}

Result<std::optional<int64_t>> ObjectIndex::LoadCounters(Counters& counters) {
  std::string text;
  TILL_TRY(store_->View([&](kv::ReadTxn& txn) -> Status {
    if (const auto value = TILL_TRY(txn.Get(kCountersKey))) text = *value;
    return Ok();
  }));
  const auto value = json::Parse(text);
  if (!value.ok()) return std::optional<int64_t>();
  for (const auto& [name, count] : kCounterNames) {
    (counters.*count) = static_cast<uint64_t>(std::max<int64_t>(0, (*value)[name].AsInteger(0)));
  }
  return std::optional<int64_t>((*value)["since"].AsInteger(0));
}

Result<Bytes> ObjectIndex::Bitmap(const crypto::Sha256Digest& name) {
  Bytes bitmap;
  TILL_TRY(store_->View([&](kv::ReadTxn& txn) -> Status {
    const auto value = TILL_TRY(txn.Get(Key('b', name)));
    const ByteView bytes = value ? AsBytes(*value) : ByteView();
    bitmap.assign(bytes.begin(), bytes.end());
    return Ok();
  }));
  return bitmap;
}

Result<std::vector<IndexRecord>> ObjectIndex::All() {
  std::vector<IndexRecord> records;
  std::vector<std::string> damaged;
  TILL_TRY(store_->View([&](kv::ReadTxn& txn) {
    records.clear();
    damaged.clear();
    return txn.Scan("o", "", [&](std::string_view key, std::string_view value) {
      auto record = Decode(key, value);
      if (record.ok()) {
        records.push_back(*record);
      } else {
        damaged.emplace_back(key);
      }
      return true;
    });
  }));
  for (const std::string& key : damaged) {
    TILL_TRY(store_->Update([&](kv::WriteTxn& txn) { return txn.Delete(key); }));
  }
  return records;
}

}  // namespace till::edge
