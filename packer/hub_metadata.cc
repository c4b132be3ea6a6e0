#include "packer/hub_metadata.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "core/file.h"
#include "packer/withdrawn.h"

namespace till::packer {
namespace {

constexpr uint64_t kMaxMetadataBytes = 8 << 20;
constexpr uint64_t kMaxRoots = 256;
constexpr size_t kTarBlock = 512;

// "7.deltas.json": the version a signed file lists for another.
Result<std::string> NumberedName(const std::string& listing, const std::string& role) {
  const json::Value file = TILL_TRY(json::Parse(listing));
  const int64_t version = TILL_TRY(file["signed"]["meta"][role + ".json"].RequireInteger("version"));
  return std::to_string(version) + "." + role + ".json";
}

Result<int64_t> VersionOf(const std::string& text) {
  const json::Value file = TILL_TRY(json::Parse(text));
  return file["signed"].RequireInteger("version");
}

Result<std::string> GetFile(HubConnection& hub, const std::string& tenant, const std::string& name) {
  http::Call get;
  get.url = "/" + tenant + "/tuf/" + name;
  http::Reply reply = TILL_TRY(hub.Send(std::move(get)));
  if (reply.body.size() > kMaxMetadataBytes) return Error{ErrorCode::kLimit, "metadata too large", reply.body.size()};
  return std::move(reply.body);
}

// What only `ours` names. kConflict when both name the same path and mean different bytes.
Result<std::vector<tuf::TargetEntry>> OnlyIn(const tuf::Repository& ours, const tuf::Repository& theirs) {
  const std::vector<tuf::TargetEntry> known = theirs.entries();
  std::vector<tuf::TargetEntry> only;
  for (tuf::TargetEntry& entry : ours.entries()) {
    const auto same = std::find_if(known.begin(), known.end(),
                                   [&](const tuf::TargetEntry& other) { return other.path == entry.path; });
    if (same == known.end()) {
      only.push_back(std::move(entry));
    } else if (same->sha256 != entry.sha256) {
      return Error{ErrorCode::kConflict, "the hub's metadata names other bytes under the same name"};
    }
  }
  return only;
}

// A cut between the two renames is mended by the next CatchUp().
Status Replace(const std::string& folder, const std::string& with) {
  const std::string old = folder + ".old";
  std::error_code failed;
  std::filesystem::remove_all(old, failed);
  std::filesystem::rename(folder, old, failed);
  if (!failed) std::filesystem::rename(with, folder, failed);
  if (failed) return SystemError("cannot replace the metadata", failed.value());
  std::filesystem::remove_all(old, failed);
  return Ok();
}

}  // namespace

Status FetchMetadata(HubConnection& hub, const std::string& tenant, const std::string& trusted_root,
                     const std::string& folder) {
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  TILL_TRY(MakeFolders(folder));
  const auto fetch = [&](const std::string& name) -> Result<std::string> {
    std::string text = TILL_TRY(GetFile(hub, tenant, name));
    TILL_TRY(WriteFileAtomically(folder + "/" + name, AsBytes(text)));
    return text;
  };
  for (uint64_t version = 1; version <= kMaxRoots; ++version) {
    const Result<std::string> root = fetch(std::to_string(version) + ".root.json");
    if (version > 1 && !root.ok() && root.error().code == ErrorCode::kNotFound) break;
    if (!root.ok()) return root.error();
    if (version == 1 && *root != trusted_root)
      return Error{ErrorCode::kRefused, "the hub's metadata does not begin with the trusted root"};
  }
  const std::string timestamp = TILL_TRY(fetch("timestamp.json"));
  const std::string snapshot = TILL_TRY(fetch(TILL_TRY(NumberedName(timestamp, "snapshot"))));
  for (const char* role : {"targets", "deltas"}) TILL_TRY(fetch(TILL_TRY(NumberedName(snapshot, role))));
  return Ok();
}

Result<bool> CatchUp(HubConnection& hub, const CatchUpRequest& request) {
  const std::string& folder = request.tuf_folder;
  std::error_code ignored;
  if (!FileExists(folder)) std::filesystem::rename(folder + ".old", folder, ignored);
  const std::string ours_now = TILL_TRY(ReadTextFile(folder + "/timestamp.json"));
  const Result<std::string> theirs_now = GetFile(hub, request.tenant, "timestamp.json");
  if (!theirs_now.ok() && theirs_now.error().code == ErrorCode::kNotFound) return false;  // nothing published yet
  if (!theirs_now.ok()) return theirs_now.error();
  if (*theirs_now == ours_now) return false;
  const std::string fetched = folder + ".hub";
  TILL_TRY(FetchMetadata(hub, request.tenant, TILL_TRY(ReadTextFile(folder + "/1.root.json")), fetched));
  tuf::Repository theirs = TILL_TRY(tuf::Repository::Open(fetched));
  const tuf::Repository ours = TILL_TRY(tuf::Repository::Open(folder));
  const std::vector<tuf::TargetEntry> news = TILL_TRY(OnlyIn(theirs, ours));
  const auto is_withdrawn = [&](const auto& entry) { return IsOfAnyVersion(entry, request.withdrawn); };
  const bool hub_knows_more = !std::ranges::all_of(news, is_withdrawn);
  if (!hub_knows_more && TILL_TRY(VersionOf(*theirs_now)) < TILL_TRY(VersionOf(ours_now))) {
    std::filesystem::remove_all(fetched, ignored);
    return false;
  }
  std::vector<tuf::TargetEntry> on_top = TILL_TRY(OnlyIn(ours, theirs));
  if (!on_top.empty() || std::ranges::any_of(news, is_withdrawn)) {
    const tuf::RoleSet keys = TILL_TRY(request.keys());
    for (tuf::TargetEntry& entry : on_top) theirs.Put(std::move(entry));
    for (const tuf::TargetEntry& entry : news) {
      if (is_withdrawn(entry)) theirs.Remove(entry.path);
    }
    TILL_TRY(theirs.Publish(keys, tuf::Lifetimes{}, request.now_unix_s));
  }
  TILL_TRY(Replace(folder, fetched));
  return true;
}

Status WriteMetadataTar(const std::string& tuf_folder, const std::string& path) {
  const tuf::Repository repository = TILL_TRY(tuf::Repository::Open(tuf_folder));
  std::string tar;
  for (const std::string& name : TILL_TRY(repository.FileNames())) {
    std::string place = tuf_folder;
    place.append("/").append(name);
    const std::string text = TILL_TRY(ReadTextFile(place, kMaxMetadataBytes));
    std::array<char, kTarBlock> header{};
    std::snprintf(header.data(), 100, "%s", name.c_str());
    std::snprintf(header.data() + 100, 25, "0000644%c0000000%c0000000", 0, 0);
    std::snprintf(header.data() + 124, 12, "%011llo", static_cast<unsigned long long>(text.size()));
    std::snprintf(header.data() + 136, 12, "%011o", 0U);
    header[156] = '0';
    std::memcpy(header.data() + 257, "ustar\00000", 8);
    std::memset(header.data() + 148, ' ', 8);
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    std::snprintf(header.data() + 148, 8, "%06o", sum);
    tar.append(header.data(), header.size()).append(text);
    tar.append((kTarBlock - text.size() % kTarBlock) % kTarBlock, '\0');
  }
  tar.append(2 * kTarBlock, '\0');
  return WriteFileAtomically(path, AsBytes(tar));
}

}  // namespace till::packer
