#include "server/mgmt/metadata.h"

#include <algorithm>

#include "server/mgmt/listing.h"

namespace till::mgmt {
namespace {

using server::Metadata;
using Entries = std::vector<Metadata>;

constexpr rsql::Field kFields[] = {{"key"}, {"value"}};

json::Value View(const Metadata& entry, const MetadataOwner& owner) {
  json::Value view = json::Value::Object();
  view.Set("key", entry.key).Set("value", entry.value);
  if (owner.has_visibility) view.Set("targetVisible", entry.target_visible);
  return view;
}

Entries::iterator Find(Entries& entries, const std::string& key) {
  return std::find_if(entries.begin(), entries.end(), [&](const Metadata& entry) { return entry.key == key; });
}

std::vector<std::string> ReadField(const Metadata& entry, const rsql::Comparison& wanted) {
  return {wanted.field == "key" ? entry.key : entry.value};
}

}  // namespace

Result<Response> ListMetadataOf(const Call& call, const MetadataOwner& owner) {
  ListQuery query;
  if (auto refusal = ReadListQuery(call, kFields, query)) return *refusal;
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    Page<Metadata, decltype(&ReadField)> page(query, &ReadField);
    const Entries entries = TILL_TRY(owner.read(txn, call));
    TILL_TRY(page.Fill([&](const auto& offer) {
      for (const Metadata& entry : entries) offer(entry);
      return Ok();
    }));
    std::vector<json::Value> content;
    for (const Metadata& entry : page.Items()) content.push_back(View(entry, owner));
    return JsonAnswer(200, ListBody(std::move(content), page.total()));
  });
}

Result<Response> AddMetadataTo(const Call& call, const MetadataOwner& owner) {
  const auto bodies = TILL_TRY(ReadObjects(call.body, server::kMaxMetadata));
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    Entries entries = TILL_TRY(owner.read(txn, call));
    json::Value made = json::Value::Array();
    for (const json::Value& body : bodies) {
      Metadata entry;
      entry.key = TILL_TRY(ReadText(body, "key", server::kMaxNameBytes));
      entry.value = TILL_TRY(ReadText(body, "value", server::kMaxMetadataValueBytes));
      entry.target_visible = body["targetVisible"].AsBool();
      if (entry.key.empty()) return Error{ErrorCode::kInvalid, "metadata needs a key", 0};
      TILL_TRY(server::CheckNewName(entry.key));
      if (Find(entries, entry.key) != entries.end())
        return Error{ErrorCode::kConflict, "metadata key exists already", 0};
      if (entries.size() >= server::kMaxMetadata)
        return Error{ErrorCode::kLimit, "too many metadata entries", server::kMaxMetadata};
      made.Append(View(entry, owner));
      entries.push_back(std::move(entry));
    }
    Response written = TILL_TRY(owner.write(txn, call, entries));
    return written.status >= 400 ? written : JsonAnswer(201, made);
  });
}

Result<Response> GetMetadataOf(const Call& call, const MetadataOwner& owner) {
  return Reading(call, [&](kv::ReadTxn& txn) -> Result<Response> {
    Entries entries = TILL_TRY(owner.read(txn, call));
    const auto found = Find(entries, call.captures[1]);
    if (found == entries.end()) return Error{ErrorCode::kNotFound, "no such metadata key", 0};
    return JsonAnswer(200, View(*found, owner));
  });
}

Result<Response> PutMetadataOf(const Call& call, const MetadataOwner& owner) {
  if (!call.body.is_object()) return Error{ErrorCode::kInvalid, "a JSON object is expected", 0};
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    Entries entries = TILL_TRY(owner.read(txn, call));
    const auto found = Find(entries, call.captures[1]);
    if (found == entries.end()) return Error{ErrorCode::kNotFound, "no such metadata key", 0};
    found->value = TILL_TRY(ReadText(call.body, "value", server::kMaxMetadataValueBytes, found->value));
    found->target_visible = call.body["targetVisible"].AsBool(found->target_visible);
    return owner.write(txn, call, entries);
  });
}

Result<Response> DeleteMetadataOf(const Call& call, const MetadataOwner& owner) {
  return Writing(call, [&](kv::WriteTxn& txn) -> Result<Response> {
    Entries entries = TILL_TRY(owner.read(txn, call));
    const auto found = Find(entries, call.captures[1]);
    if (found == entries.end()) return Error{ErrorCode::kNotFound, "no such metadata key", 0};
    entries.erase(found);
    return owner.write(txn, call, entries);
  });
}

}  // namespace till::mgmt
