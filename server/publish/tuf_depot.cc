#include "server/publish/tuf_depot.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "core/crypto/hash.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"

namespace till::server {
namespace {

constexpr std::string_view kTimestamp = "timestamp.json";
constexpr uint64_t kMaxFileBytes = 4 << 20;

Result<std::vector<std::string>> FilesIn(const std::string& folder) {
  DIR* listing = opendir(folder.c_str());
  if (!listing) return SystemError("open a folder of the TUF repository");
  std::vector<std::string> names;
  while (const dirent* entry = readdir(listing)) {
    if (TufDepot::IsFileName(entry->d_name)) names.emplace_back(entry->d_name);
  }
  closedir(listing);
  std::sort(names.begin(), names.end());
  return names;
}

Status RemoveFiles(const std::string& folder) {
  DIR* listing = opendir(folder.c_str());
  if (!listing) return SystemError("open a folder of the TUF repository");
  while (const dirent* entry = readdir(listing)) {
    if (entry->d_name[0] != '.') unlinkat(dirfd(listing), entry->d_name, 0);
  }
  closedir(listing);
  return Ok();
}

}  // namespace

bool TufDepot::IsFileName(std::string_view name) {
  if (name == kTimestamp) return true;
  const size_t dot = name.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot > 9) return false;
  if (!ParseUint(name.substr(0, dot)).ok() || name[0] == '0') return false;
  const std::string_view role = name.substr(dot + 1);
  return role == "root.json" || role == "targets.json" || role == "deltas.json" || role == "snapshot.json";
}

Result<std::unique_ptr<TufDepot>> TufDepot::Open(const std::string& data_folder, std::string_view trusted_root,
                                                 ReleaseBook& releases, Clock& clock) {
  std::unique_ptr<TufDepot> depot(new TufDepot(data_folder, releases, clock));
  for (const char* folder : {"/tuf", "/tuf-staging"}) TILL_TRY(MakeFolders(data_folder + folder));
  if (!trusted_root.empty() || FileExists(data_folder + "/tuf-trusted/root.json")) {
    TILL_TRY(depot->OpenClient(trusted_root));
  }
  TILL_TRY(depot->LoadServed());
  if (depot->client_ && FileExists(depot->Staged(std::string(kTimestamp)))) {
    const Status again = depot->Promote();  // cut short by a stop, or never right
    if (!again.ok()) log::Warn("staged metadata is not trusted", {{"error", again.error()}});
  }
  depot->Index();
  return depot;
}

Status TufDepot::OpenClient(std::string_view trusted_root) {
  tuf::Client::Options options;
  options.folder = folder_ + "/tuf-trusted";
  options.now_unix_s = [this] { return clock_.UnixMs() / 1000; };
  client_ = TILL_TRY(tuf::Client::Open(options, trusted_root));
  return Ok();
}

Result<bool> TufDepot::Stage(const std::string& name, std::string_view bytes) {
  if (!IsFileName(name)) return Error{ErrorCode::kInvalid, "not a file of the metadata repository"};
  const std::lock_guard turn(publish_mutex_);
  TILL_TRY(WriteFileAtomically(Staged(name), AsBytes(bytes)));
  if (name != kTimestamp) return false;
  const bool first = !client_;
  if (first) {
    auto root = ReadTextFile(Staged("1.root.json"));
    if (!root.ok()) return Error{ErrorCode::kRefused, "no trusted root yet: publish 1.root.json first"};
    TILL_TRY(OpenClient(*root));
    log::Warn("trusting the first root that was published", {{"sha256", ToHex(crypto::Sha256Of(AsBytes(*root)))}});
  }
  const Status promoted = Promote();
  if (!promoted.ok()) {
    // What was refused must not stand in the way of the next attempt; and a root that leads to nothing is not kept.
    TILL_TRY(RemoveFiles(folder_ + "/tuf-staging"));
    if (first) {
      client_.reset();
      TILL_TRY(RemoveFiles(folder_ + "/tuf-trusted"));
    }
    return promoted.error();
  }
  Index();
  return true;
}

// Verifies what is staged over what is served, then moves it. timestamp.json goes last: until then a reader of the
// folder, or a start after a stop, meets the old set.
Status TufDepot::Promote() {
  TILL_TRY(client_->Refresh([this](const std::string& name, uint64_t max_bytes) -> Result<std::string> {
    auto staged = ReadTextFile(Staged(name), max_bytes);
    if (staged.ok() || staged.error().code != ErrorCode::kNotFound) return staged;
    return ReadTextFile(Served(name), max_bytes);
  }));
  const std::vector<std::string> names = TILL_TRY(FilesIn(folder_ + "/tuf-staging"));
  for (const std::string& name : names) {
    if (name == kTimestamp) continue;
    const std::string bytes = TILL_TRY(ReadTextFile(Staged(name), kMaxFileBytes));
    TILL_TRY(WriteFileAtomically(Served(name), AsBytes(bytes)));
  }
  const std::string timestamp = TILL_TRY(ReadTextFile(Staged(std::string(kTimestamp))));
  TILL_TRY(WriteFileAtomically(Served(std::string(kTimestamp)), AsBytes(timestamp)));
  for (const std::string& name : names) unlink(Staged(name).c_str());
  TILL_TRY(LoadServed());
  log::Info("metadata published", {{"timestamp", client_->Version("timestamp")},
                                   {"targets", client_->Version("targets")},
                                   {"deltas", client_->Version("deltas")}});
  return Ok();
}

Status TufDepot::LoadServed() {
  std::map<std::string, std::shared_ptr<const TufFile>, std::less<>> files;
  const std::vector<std::string> names = TILL_TRY(FilesIn(folder_ + "/tuf"));
  for (const std::string& name : names) {
    std::string bytes = TILL_TRY(ReadTextFile(Served(name), kMaxFileBytes));
    std::string etag = "\"" + ToHex(crypto::Sha256Of(AsBytes(bytes))).substr(0, 32) + "\"";
    files[name] = std::make_shared<const TufFile>(TufFile{std::move(bytes), std::move(etag)});
  }
  const std::lock_guard lock(served_mutex_);
  served_ = std::move(files);
  return Ok();
}

void TufDepot::Index() {
  if (!client_) return;
  releases_.Replace(std::make_shared<const ReleaseIndex>(client_->Entries("targets"), client_->Entries("deltas")));
}

std::shared_ptr<const TufFile> TufDepot::Find(std::string_view name) const {
  const std::lock_guard lock(served_mutex_);
  const auto found = served_.find(name);
  return found == served_.end() ? nullptr : found->second;
}

}  // namespace till::server
