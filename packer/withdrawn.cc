#include "packer/withdrawn.h"

#include <algorithm>

#include "core/file.h"
#include "core/json/json.h"
#include "core/text.h"

namespace till::packer {
namespace {

std::string PathIn(const std::string& out_folder) { return out_folder + "/withdrawn.json"; }

}  // namespace

Result<std::vector<std::string>> ReadWithdrawn(const std::string& out_folder) {
  const Result<std::string> text = ReadTextFile(PathIn(out_folder));
  std::vector<std::string> versions;
  if (!text.ok() && text.error().code == ErrorCode::kNotFound) return versions;
  if (!text.ok()) return text.error();
  const json::Value file = TILL_TRY(json::Parse(*text));
  for (const json::Value& version : TILL_TRY(file.RequireArray("versions"))->items()) {
    versions.push_back(version.AsString());
  }
  return versions;
}

Status KeepWithdrawn(const std::string& out_folder, const std::string& version) {
  std::vector<std::string> versions = TILL_TRY(ReadWithdrawn(out_folder));
  if (std::ranges::find(versions, version) != versions.end()) return Ok();
  versions.push_back(version);
  json::Value list = json::Value::Array();
  for (const std::string& each : versions) list.Append(each);
  const json::Value file = json::Value::Object({{"versions", list}});
  return WriteFileAtomically(PathIn(out_folder), AsBytes(json::WritePretty(file) + "\n"));
}

// images/<product>/<version>/<component>, payloads/<product>/<version>/<component>/<kind>
bool IsOfVersion(const tuf::TargetEntry& entry, std::string_view version) {
  const std::vector<std::string_view> parts = Split(entry.path, '/');
  return parts.size() > 2 && parts[2] == version;
}

bool IsOfAnyVersion(const tuf::TargetEntry& entry, const std::vector<std::string>& versions) {
  return std::ranges::any_of(versions, [&](const std::string& version) { return IsOfVersion(entry, version); });
}

}  // namespace till::packer
