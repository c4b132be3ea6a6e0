#include "server/store/targets.h"

#include <array>

#include "server/store/keys.h"
#include "server/store/record.h"

namespace till::server {
namespace {

constexpr std::string_view kPlugAndPlay = "Plug and Play target: ";

std::string StatusCountName(TargetStatus status) { return std::string("targets.") + TargetStatusName(status); }

// A fleet that registers itself has the same name and description pattern a million times: those are not stored.
std::string Pack(Target target) {
  const std::string id = target.controller_id;
  if (target.name == id) target.name = "\x01";
  if (target.description == std::string(kPlugAndPlay) + id) target.description = "\x01";
  return Encode(target);
}

Result<Target> Unpack(std::string_view id, std::string_view bytes) {
  Target target = TILL_TRY(Decode<Target>(bytes));
  target.controller_id = id;
  if (target.name == "\x01") target.name = id;
  if (target.description == "\x01") target.description = std::string(kPlugAndPlay) + std::string(id);
  return target;
}

Status MoveIndex(kv::WriteTxn& txn, char kind, DistributionSetId from, DistributionSetId to, std::string_view id) {
  if (from == to) return Ok();
  if (IsSet(from)) TILL_TRY(txn.Delete(Key(kind, from, id)));
  if (IsSet(to)) TILL_TRY(txn.Put(Key(kind, to, id), ""));
  return Ok();
}

Status ForEachIndexed(kv::ReadTxn& txn, char kind, DistributionSetId set,
                      const std::function<bool(std::string_view)>& visit) {
  const std::string prefix = Key(kind, set);
  return txn.Scan(prefix, "", [&](std::string_view key, std::string_view) { return visit(key.substr(prefix.size())); });
}

// Attribute keys of ours take one byte, and SHA-256 values half their text: most of a terminal's record.
constexpr std::array<std::string_view, 8> kShortKeys = {"till.board",  "till.slot",      "till.version.", "till.image.",
                                                        "till.format", "till.arena_kib", "till.profile",  "till.link"};

void PackKey(ByteWriter& out, std::string_view key) {
  for (size_t i = 0; i < kShortKeys.size(); ++i) {
    if (!key.starts_with(kShortKeys[i])) continue;
    out.U8(static_cast<uint8_t>(i + 1));
    key.remove_prefix(kShortKeys[i].size());
    out.Varint(key.size());
    return out.Append(AsBytes(key));
  }
  out.U8(0);
  out.Varint(key.size());
  out.Append(AsBytes(key));
}

void PackValue(ByteWriter& out, const std::string& value) {
  if (value.size() == 64) {
    auto raw = FromHex(value);
    if (raw.ok() && ToHex(*raw) == value) {
      out.Varint(0);  // 0 = 32 raw bytes; a text of n bytes is n + 1
      return out.Append(*raw);
    }
  }
  out.Varint(value.size() + 1);
  out.Append(AsBytes(value));
}

Result<Attributes> UnpackAttributes(std::string_view bytes) {
  ByteReader in(AsBytes(bytes));
  Attributes attributes;
  while (!in.at_end()) {
    const uint8_t kind = TILL_TRY(in.U8());
    if (kind > kShortKeys.size()) return Error{ErrorCode::kCorrupt, "damaged attributes in the store", in.offset()};
    std::string key(kind == 0 ? std::string_view() : kShortKeys[kind - 1]);
    key += AsText(TILL_TRY(in.Take(TILL_TRY(in.Varint()))));
    const uint64_t size = TILL_TRY(in.Varint());
    attributes[key] = size == 0 ? ToHex(TILL_TRY(in.Take(32))) : std::string(AsText(TILL_TRY(in.Take(size - 1))));
  }
  return attributes;
}

}  // namespace

Result<Target> GetTarget(kv::ReadTxn& txn, std::string_view controller_id) {
  if (!IsControllerId(controller_id)) return Error{ErrorCode::kNotFound, "no such target"};
  const auto stored = TILL_TRY(txn.Get(Key('T', controller_id)));
  if (!stored) return Error{ErrorCode::kNotFound, "no such target"};
  return Unpack(controller_id, *stored);
}

Result<bool> HasTarget(kv::ReadTxn& txn, std::string_view controller_id) {
  if (!IsControllerId(controller_id)) return false;
  return TILL_TRY(txn.Get(Key('T', controller_id))).has_value();
}

Status PutTarget(kv::WriteTxn& txn, const Target& target) {
  auto before = GetTarget(txn, target.controller_id);
  if (!before.ok() && before.error().code != ErrorCode::kNotFound) return before.error();
  if (!before.ok()) TILL_TRY(AddCount(txn, "targets", 1));
  if (!before.ok() || before->status != target.status) {
    if (before.ok()) TILL_TRY(AddCount(txn, StatusCountName(before->status), -1));
    TILL_TRY(AddCount(txn, StatusCountName(target.status), 1));
  }
  const Target old = before.ok() ? *before : Target{};
  TILL_TRY(MoveIndex(txn, 'd', old.assigned_set, target.assigned_set, target.controller_id));
  TILL_TRY(MoveIndex(txn, 'i', old.installed_set, target.installed_set, target.controller_id));
  return txn.Put(Key('T', target.controller_id), Pack(target));
}

Status EraseTarget(kv::WriteTxn& txn, std::string_view controller_id) {
  const Target target = TILL_TRY(GetTarget(txn, controller_id));
  TILL_TRY(MoveIndex(txn, 'd', target.assigned_set, DistributionSetId{}, controller_id));
  TILL_TRY(MoveIndex(txn, 'i', target.installed_set, DistributionSetId{}, controller_id));
  TILL_TRY(AddCount(txn, "targets", -1));
  TILL_TRY(AddCount(txn, StatusCountName(target.status), -1));
  for (const char kind : {'A', 'E', 'L', 'T'}) TILL_TRY(txn.Delete(Key(kind, controller_id)));
  return Ok();
}

Status ForEachTarget(kv::ReadTxn& txn, std::string_view from, const std::function<bool(const Target&)>& visit) {
  Status damaged;
  TILL_TRY(txn.Scan("T", from.empty() ? "" : Key('T', from), [&](std::string_view key, std::string_view value) {
    auto target = Unpack(key.substr(1), value);
    if (!target.ok()) damaged = target.error();
    return target.ok() && visit(*target);
  }));
  return damaged;
}

Status ForEachTargetAssigned(kv::ReadTxn& txn, DistributionSetId set,
                             const std::function<bool(std::string_view)>& visit) {
  return ForEachIndexed(txn, 'd', set, visit);
}

Status ForEachTargetInstalled(kv::ReadTxn& txn, DistributionSetId set,
                              const std::function<bool(std::string_view)>& visit) {
  return ForEachIndexed(txn, 'i', set, visit);
}

Result<uint64_t> CountTargets(kv::ReadTxn& txn) { return GetCount(txn, "targets"); }
Result<uint64_t> CountTargets(kv::ReadTxn& txn, TargetStatus status) { return GetCount(txn, StatusCountName(status)); }

Result<Attributes> GetAttributes(kv::ReadTxn& txn, std::string_view controller_id) {
  const auto stored = TILL_TRY(txn.Get(Key('A', controller_id)));
  if (!stored) return Attributes{};
  return UnpackAttributes(*stored);
}

Status PutAttributes(kv::WriteTxn& txn, std::string_view controller_id, const Attributes& attributes) {
  if (attributes.empty()) return txn.Delete(Key('A', controller_id));
  ByteWriter out;
  for (const auto& [key, value] : attributes) {
    PackKey(out, key);
    PackValue(out, value);
  }
  return txn.Put(Key('A', controller_id), AsText(out.bytes()));
}

Result<std::vector<Metadata>> GetTargetMetadata(kv::ReadTxn& txn, std::string_view controller_id) {
  std::vector<Metadata> metadata;
  const auto stored = TILL_TRY(txn.Get(Key('E', controller_id)));
  if (!stored) return metadata;
  RecordReader reader(*stored);
  reader(metadata);
  TILL_TRY(reader.status());
  return metadata;
}

Status PutTargetMetadata(kv::WriteTxn& txn, std::string_view controller_id, const std::vector<Metadata>& metadata) {
  if (metadata.empty()) return txn.Delete(Key('E', controller_id));
  RecordWriter writer;
  writer(metadata);
  return txn.Put(Key('E', controller_id), writer.Take());
}

}  // namespace till::server
