#include "server/publish/tuf_depot.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "core/crypto/hash.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "core/tuf/trusted_set.h"

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
  if (depot->client_ && FileExists(depot->StagedPath(std::string(kTimestamp)))) {
    const auto again = depot->Promote();  // cut short by a stop, or never right
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
  first_root_ = TILL_TRY(ReadTextFile(options.folder + "/root.json", kMaxFileBytes));
  return Ok();
}

Result<TufDepot::Staged> TufDepot::Stage(const std::string& name, std::string_view bytes) {
  if (!IsFileName(name)) return Error{ErrorCode::kInvalid, "not a file of the metadata repository"};
  const std::lock_guard turn(publish_mutex_);
  TILL_TRY(WriteFileAtomically(StagedPath(name), AsBytes(bytes)));
  if (name != kTimestamp) return Staged{};
  const bool first = !client_;
  if (first) {
    auto root = ReadTextFile(StagedPath("1.root.json"));
    if (!root.ok()) return Error{ErrorCode::kRefused, "no trusted root yet: publish 1.root.json first"};
    TILL_TRY(OpenClient(*root));
    log::Warn("trusting the first root that was published", {{"sha256", ToHex(crypto::Sha256Of(AsBytes(*root)))}});
  }
  auto promoted = Promote();
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
  return Staged{true, std::move(*promoted)};
}

// Verifies what is staged over what is served, then serves it. Answers what was dropped.
Result<std::vector<std::string>> TufDepot::Promote() {
  TILL_TRY(client_->Refresh([this](const std::string& name, uint64_t max_bytes) -> Result<std::string> {
    auto staged = ReadTextFile(StagedPath(name), max_bytes);
    if (staged.ok() || staged.error().code != ErrorCode::kNotFound) return staged;
    return ReadTextFile(Served(name), max_bytes);
  }));
  std::vector<std::string> dropped = TILL_TRY(Serve(TILL_TRY(Verified())));
  TILL_TRY(LoadServed());
  log::Info("metadata published", {{"timestamp", client_->Version("timestamp")},
                                   {"targets", client_->Version("targets")},
                                   {"deltas", client_->Version("deltas")}});
  for (const std::string& name : dropped) log::Warn("staged metadata that nothing names was dropped", {{"file", name}});
  return dropped;
}

// The files of the trusted set, under the names they are served by, as the client keeps them.
Result<TufDepot::Files> TufDepot::Verified() const {
  Files files;
  for (const char* role : {"snapshot", "targets", "deltas"}) {
    const uint64_t version = client_->Version(role);
    if (version == 0) continue;
    const std::string bytes = TILL_TRY(ReadTextFile(folder_ + "/tuf-trusted/" + role + ".json", kMaxFileBytes));
    files[std::to_string(version) + "." + role + ".json"] = bytes;
  }
  files[std::string(kTimestamp)] = TILL_TRY(ReadTextFile(folder_ + "/tuf-trusted/timestamp.json", kMaxFileBytes));
  TILL_TRY(AddRoots(files));
  return files;
}

// The chain from the newest root that is served (else the one trust began with) to the newest that is trusted. The
// client keeps only the last one, and terminals need each step, so the steps are proven once more.
Status TufDepot::AddRoots(Files& verified) const {
  const auto name_of = [](uint64_t version) { return std::to_string(version) + ".root.json"; };
  const uint64_t newest = client_->Version("root");
  uint64_t version = newest;
  while (version > 0 && !FileExists(Served(name_of(version)))) --version;
  const std::string base = version > 0 ? TILL_TRY(ReadTextFile(Served(name_of(version)), kMaxFileBytes)) : first_root_;
  auto chain = TILL_TRY(tuf::TrustedSet::FromRoot(base, tuf::SizeCaps{}));
  verified[name_of(chain.Version("root"))] = base;
  while (chain.Version("root") < newest) {
    const std::string name = name_of(chain.Version("root") + 1);
    const std::string bytes = TILL_TRY(ReadTextFile(StagedPath(name), kMaxFileBytes));
    TILL_TRY(chain.UpdateRoot(bytes));
    verified[name] = bytes;
  }
  return Ok();
}

// timestamp.json goes last: until then a reader of the folder, or a start after a stop, meets the old set.
Result<std::vector<std::string>> TufDepot::Serve(const Files& verified) {
  for (const auto& [name, bytes] : verified) {
    if (name != kTimestamp) TILL_TRY(WriteFileAtomically(Served(name), AsBytes(bytes)));
  }
  const std::string last(kTimestamp);
  TILL_TRY(WriteFileAtomically(Served(last), AsBytes(verified.find(last)->second)));
  std::vector<std::string> dropped;
  for (const std::string& name : TILL_TRY(FilesIn(folder_ + "/tuf-staging"))) {
    const auto staged = ReadTextFile(StagedPath(name), kMaxFileBytes);
    const auto served = ReadTextFile(Served(name), kMaxFileBytes);
    if (!staged.ok() || !served.ok() || *staged != *served) dropped.push_back(name);
  }
  TILL_TRY(RemoveFiles(folder_ + "/tuf-staging"));
  return dropped;
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
