#include "packer/release_record.h"

#include <algorithm>
#include <filesystem>

#include "core/file.h"
#include "packer/release_config.h"

namespace till::packer {
namespace {

constexpr const char* kRecordName = "release.json";

const char* KindName(PayloadRecord::Kind kind) {
  switch (kind) {
    case PayloadRecord::Kind::kDelta:
      return "delta";
    case PayloadRecord::Kind::kChunks:
      return "chunks";
    case PayloadRecord::Kind::kFull:
      break;
  }
  return "full";
}

Result<PayloadRecord::Kind> ParseKind(const std::string& name) {
  for (const auto kind : {PayloadRecord::Kind::kFull, PayloadRecord::Kind::kDelta, PayloadRecord::Kind::kChunks}) {
    if (name == KindName(kind)) return kind;
  }
  return Error{ErrorCode::kCorrupt, "release.json names an unknown kind of payload"};
}

json::Value IndexJson(const PayloadRecord& payload) {
  json::Value index = json::Value::Object();
  index.Set("length", payload.index_length).Set("sha256", ToHex(payload.index_sha256));
  return index;
}

json::Value DigestText(const crypto::Sha256Digest& digest) { return ToHex(digest); }

Result<crypto::Sha256Digest> RequireDigest(const json::Value& value, std::string_view key) {
  return crypto::ParseSha256(TILL_TRY(value.RequireString(key)));
}

Result<uint64_t> RequireCount(const json::Value& value, std::string_view key) {
  const int64_t number = TILL_TRY(value.RequireInteger(key));
  if (number < 0) return Error{ErrorCode::kCorrupt, "a number in release.json is negative"};
  return static_cast<uint64_t>(number);
}

json::Value ToJson(const PayloadRecord& payload) {
  json::Value value = json::Value::Object();
  value.Set("file", payload.file).Set("kind", KindName(payload.kind));
  if (payload.is_delta()) {
    value.Set("base_version", payload.base_version).Set("base", DigestText(payload.base));
    value.Set("base_length", payload.base_length);
  }
  value.Set("length", payload.length).Set("sha256", DigestText(payload.sha256));
  value.Set("chunk_list_length", payload.chunk_list_length);
  value.Set("chunk_list_sha256", DigestText(payload.chunk_list_sha256));
  value.Set("arena_bytes", payload.arena_bytes).Set("format", payload.format_minor);
  if (payload.kind == PayloadRecord::Kind::kChunks) value.Set("index", IndexJson(payload));
  if (payload.instructions != 0) value.Set("instructions", payload.instructions);
  return value;
}

Result<PayloadRecord> PayloadFromJson(const json::Value& value) {
  PayloadRecord payload;
  payload.file = TILL_TRY(value.RequireString("file"));
  payload.kind = TILL_TRY(ParseKind(TILL_TRY(value.RequireString("kind"))));
  if (payload.is_delta()) {
    payload.base_version = TILL_TRY(value.RequireString("base_version"));
    payload.base = TILL_TRY(RequireDigest(value, "base"));
    payload.base_length = TILL_TRY(RequireCount(value, "base_length"));
  }
  payload.length = TILL_TRY(RequireCount(value, "length"));
  payload.sha256 = TILL_TRY(RequireDigest(value, "sha256"));
  payload.chunk_list_length = TILL_TRY(RequireCount(value, "chunk_list_length"));
  payload.chunk_list_sha256 = TILL_TRY(RequireDigest(value, "chunk_list_sha256"));
  payload.arena_bytes = TILL_TRY(RequireCount(value, "arena_bytes"));
  payload.format_minor = TILL_TRY(RequireCount(value, "format"));
  if (value.Has("instructions")) payload.instructions = TILL_TRY(RequireCount(value, "instructions"));
  if (payload.kind == PayloadRecord::Kind::kChunks) {
    payload.index_length = TILL_TRY(RequireCount(value["index"], "length"));
    payload.index_sha256 = TILL_TRY(RequireDigest(value["index"], "sha256"));
  }
  return payload;
}

Result<ComponentRecord> ComponentFromJson(const json::Value& value) {
  ComponentRecord component;
  component.component = TILL_TRY(value.RequireString("component"));
  component.slot_class = TILL_TRY(value.RequireString("slot_class"));
  component.image_file = TILL_TRY(value.RequireString("image_file"));
  component.image_length = TILL_TRY(RequireCount(value, "image_length"));
  component.image_sha256 = TILL_TRY(RequireDigest(value, "image_sha256"));
  for (const json::Value& payload : TILL_TRY(value.RequireArray("payloads"))->items()) {
    component.payloads.push_back(TILL_TRY(PayloadFromJson(payload)));
  }
  return component;
}

std::string PayloadPath(const ReleaseRecord& release, const ComponentRecord& component, const PayloadRecord& payload) {
  const std::string folder = "payloads/" + release.product + "/" + release.version + "/" + component.component + "/";
  return folder + (payload.is_delta() ? "from-" + ToHex(payload.base).substr(0, 16) : KindName(payload.kind));
}

tuf::TargetEntry ImageEntry(const ReleaseRecord& release, const ComponentRecord& component) {
  tuf::TargetEntry entry;
  entry.path = "images/" + release.product + "/" + release.version + "/" + component.component;
  entry.role = "targets";
  entry.length = component.image_length;
  entry.sha256 = component.image_sha256;
  json::Value hardware = json::Value::Array();
  for (const std::string& board : release.boards) hardware.Append(board);
  entry.custom = json::Value::Object();
  entry.custom.Set("version", release.version).Set("rollback_index", release.rollback_index);
  entry.custom.Set("hardware", hardware).Set("slot_class", component.slot_class);
  return entry;
}

tuf::TargetEntry PayloadEntry(const ReleaseRecord& release, const ComponentRecord& component,
                              const PayloadRecord& payload) {
  tuf::TargetEntry entry;
  entry.path = PayloadPath(release, component, payload);
  entry.role = "deltas";
  entry.length = payload.length;
  entry.sha256 = payload.sha256;
  json::Value chunks = json::Value::Object();
  chunks.Set("length", payload.chunk_list_length).Set("sha256", DigestText(payload.chunk_list_sha256));
  entry.custom = json::Value::Object();
  entry.custom.Set("kind", KindName(payload.kind)).Set("target", DigestText(component.image_sha256));
  entry.custom.Set("target_length", component.image_length);
  if (payload.is_delta()) entry.custom.Set("base", DigestText(payload.base)).Set("base_length", payload.base_length);
  entry.custom.Set("chunks", chunks).Set("arena_bytes", payload.arena_bytes).Set("format", payload.format_minor);
  if (payload.kind == PayloadRecord::Kind::kChunks) entry.custom.Set("index", IndexJson(payload));
  if (payload.instructions != 0) entry.custom.Set("instructions", payload.instructions);
  return entry;
}

}  // namespace

json::Value ToJson(const ReleaseRecord& record) {
  json::Value boards = json::Value::Array();
  for (const std::string& board : record.boards) boards.Append(board);
  json::Value components = json::Value::Array();
  for (const ComponentRecord& component : record.components) {
    json::Value payloads = json::Value::Array();
    for (const PayloadRecord& payload : component.payloads) payloads.Append(ToJson(payload));
    json::Value value = json::Value::Object();
    value.Set("component", component.component).Set("slot_class", component.slot_class);
    value.Set("image_file", component.image_file).Set("image_length", component.image_length);
    value.Set("image_sha256", DigestText(component.image_sha256)).Set("payloads", payloads);
    components.Append(value);
  }
  json::Value value = json::Value::Object();
  value.Set("product", record.product).Set("version", record.version).Set("boards", boards);
  value.Set("rollback_index", record.rollback_index).Set("components", components);
  return value;
}

Result<ReleaseRecord> ReleaseRecordFromJson(const json::Value& value) {
  ReleaseRecord record;
  record.product = TILL_TRY(value.RequireString("product"));
  record.version = TILL_TRY(value.RequireString("version"));
  if (!IsSafeName(record.product) || !IsVersionName(record.version))
    return Error{ErrorCode::kCorrupt, "release.json has a name that no release can have"};
  for (const json::Value& board : TILL_TRY(value.RequireArray("boards"))->items())
    record.boards.push_back(board.AsString());
  record.rollback_index = TILL_TRY(RequireCount(value, "rollback_index"));
  for (const json::Value& component : TILL_TRY(value.RequireArray("components"))->items()) {
    record.components.push_back(TILL_TRY(ComponentFromJson(component)));
  }
  return record;
}

Status WriteReleaseRecord(const std::string& release_folder, const ReleaseRecord& record) {
  return WriteFileAtomically(release_folder + "/" + kRecordName, AsBytes(json::WritePretty(ToJson(record)) + "\n"));
}

Result<ReleaseRecord> ReadReleaseRecord(const std::string& release_folder) {
  const std::string text = TILL_TRY(ReadTextFile(release_folder + "/" + kRecordName));
  return ReleaseRecordFromJson(TILL_TRY(json::Parse(text)));
}

Result<std::vector<ReleaseRecord>> ReadReleases(const std::string& out_folder) {
  namespace fs = std::filesystem;
  std::vector<std::pair<fs::file_time_type, fs::path>> folders;
  std::error_code failed;
  for (const fs::directory_entry& entry : fs::directory_iterator(out_folder, failed)) {
    const fs::path record = entry.path() / kRecordName;
    const fs::file_time_type written = fs::last_write_time(record, failed);
    if (!failed) folders.emplace_back(written, entry.path());
    failed.clear();
  }
  std::sort(folders.begin(), folders.end());
  std::vector<ReleaseRecord> releases;
  releases.reserve(folders.size());
  for (const auto& [written, folder] : folders) releases.push_back(TILL_TRY(ReadReleaseRecord(folder.string())));
  return releases;
}

std::vector<tuf::TargetEntry> TargetEntries(const ReleaseRecord& record) {
  std::vector<tuf::TargetEntry> entries;
  for (const ComponentRecord& component : record.components) {
    entries.push_back(ImageEntry(record, component));
    for (const PayloadRecord& payload : component.payloads) entries.push_back(PayloadEntry(record, component, payload));
  }
  return entries;
}

}  // namespace till::packer
