#include "core/tuf/repository.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>

#include "core/clock.h"
#include "core/file.h"
#include "core/tuf/trusted_set.h"

namespace till::tuf {
namespace {

// One segment each for product, version, component and kind: in TUF a `*` does not cross a '/'.
constexpr char kPayloadPattern[] = "payloads/*/*/*/*";
// An own repository is read back with room to spare; clients have caps of their own.
constexpr uint64_t kMaxFileBytes = 64 << 20;

SizeCaps OwnCaps() {
  SizeCaps caps;
  caps.root = caps.timestamp = caps.snapshot = caps.targets = kMaxFileBytes;
  return caps;
}

json::Value KeyRecord(const crypto::PrivateKey& key) {
  return json::Value::Object({{"keytype", "ed25519"},
                              {"keyval", json::Value::Object({{"public", ToHex(key.public_raw())}})},
                              {"scheme", "ed25519"}});
}

json::Value RuleRecord(const RoleKeys& role) {
  json::Value keyids = json::Value::Array();
  for (const crypto::PrivateKey& key : role.keys) keyids.Append(KeyId(key));
  return json::Value::Object({{"keyids", std::move(keyids)}, {"threshold", role.threshold}});
}

void AddKeys(json::Value& keys, const RoleKeys& role) {
  for (const crypto::PrivateKey& key : role.keys) keys.Set(KeyId(key), KeyRecord(key));
}

json::Value SignedPart(const char* type, uint64_t version, int64_t expires_unix_s, int64_t now_unix_s) {
  return json::Value::Object({{"_type", type},
                              {"expires", FormatUtc(expires_unix_s)},
                              {"spec_version", "1.0.31"},
                              {"version", version},
                              {kTimeMember, FormatUtc(now_unix_s)}});
}

Result<std::string> Sign(json::Value part, const RoleKeys& role) {
  const std::string canonical = TILL_TRY(json::WriteCanonical(part));
  std::map<std::string, Bytes> signatures;  // by key id: the same keys in any order give the same bytes
  for (const crypto::PrivateKey& key : role.keys) signatures[KeyId(key)] = key.Sign(AsBytes(canonical));
  json::Value list = json::Value::Array();
  for (const auto& [keyid, signature] : signatures) {
    list.Append(json::Value::Object({{"keyid", keyid}, {"sig", ToHex(signature)}}));
  }
  return json::Write(json::Value::Object({{"signatures", std::move(list)}, {"signed", std::move(part)}}));
}

json::Value HashRecord(const crypto::Sha256Digest& sha256) { return json::Value::Object({{"sha256", ToHex(sha256)}}); }

json::Value FileRecord(uint64_t version, std::string_view bytes) {
  return json::Value::Object({{"hashes", HashRecord(crypto::Sha256Of(AsBytes(bytes)))},
                              {"length", static_cast<uint64_t>(bytes.size())},
                              {"version", version}});
}

json::Value EntryRecord(const TargetEntry& entry) {
  json::Value record = json::Value::Object({{"hashes", HashRecord(entry.sha256)}, {"length", entry.length}});
  if (!entry.custom.is_null()) record.Set("custom", entry.custom);
  return record;
}

bool SameEntry(const TargetEntry& a, const TargetEntry& b) {
  return a.role == b.role && a.length == b.length && a.sha256 == b.sha256 && a.custom == b.custom;
}

Result<std::string> MakeRoot(const RoleSet& roles, int64_t expires_unix_s, int64_t now_unix_s) {
  json::Value root = SignedPart("root", 1, expires_unix_s, now_unix_s);
  root.Set("consistent_snapshot", true);
  json::Value keys = json::Value::Object();
  for (const RoleKeys* role : {&roles.root, &roles.targets, &roles.snapshot, &roles.timestamp}) AddKeys(keys, *role);
  root.Set("keys", std::move(keys));
  root.Set("roles", json::Value::Object({{"root", RuleRecord(roles.root)},
                                         {"snapshot", RuleRecord(roles.snapshot)},
                                         {"targets", RuleRecord(roles.targets)},
                                         {"timestamp", RuleRecord(roles.timestamp)}}));
  return Sign(std::move(root), roles.root);
}

json::Value MakeDelegations(const RoleKeys& deltas) {
  json::Value keys = json::Value::Object();
  AddKeys(keys, deltas);
  json::Value role = RuleRecord(deltas);
  role.Set("name", kDeltasRole);
  role.Set("paths", json::Value::Array({kPayloadPattern}));
  role.Set("terminating", true);
  return json::Value::Object({{"keys", std::move(keys)}, {"roles", json::Value::Array({std::move(role)})}});
}

Status CheckThresholds(const RoleSet& roles) {
  for (const RoleKeys* role : {&roles.root, &roles.targets, &roles.deltas, &roles.snapshot, &roles.timestamp}) {
    std::map<std::string, bool> different;
    for (const crypto::PrivateKey& key : role->keys) different[KeyId(key)] = true;
    if (role->threshold < 1 || different.size() < role->threshold) {
      return Error{ErrorCode::kInvalid, "a threshold that the keys at hand cannot meet", role->threshold};
    }
  }
  return Ok();
}

// One writer at a time: a lock on the folder itself leaves no file for mirrors to trip over.
Result<UniqueFd> LockFolder(const std::string& folder) {
  UniqueFd fd = TILL_TRY(OpenFile(folder, O_RDONLY | O_DIRECTORY));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::kConflict, "another process writes this repository"};
  }
  return fd;
}

}  // namespace

std::string KeyId(const crypto::PrivateKey& key) {
  const Result<std::string> canonical = json::WriteCanonical(KeyRecord(key));
  assert(canonical.ok());
  return ToHex(crypto::Sha256Of(AsBytes(*canonical)));
}

Result<std::string> Repository::Read(const std::string& name) const {
  return ReadTextFile(folder_ + "/" + name, kMaxFileBytes);
}

Status Repository::Create(const std::string& folder, const RoleSet& roles, const Lifetimes& lifetimes,
                          int64_t now_unix_s) {
  TILL_TRY(CheckThresholds(roles));
  TILL_TRY(MakeFolders(folder));
  const UniqueFd lock = TILL_TRY(LockFolder(folder));
  if (FileExists(folder + "/1.root.json") || FileExists(folder + "/timestamp.json")) {
    return Error{ErrorCode::kConflict, "there is a repository in the folder already"};
  }
  Repository repository(folder);
  repository.files_["root"] = {1, TILL_TRY(MakeRoot(roles, now_unix_s + lifetimes.root, now_unix_s))};
  repository.delegations_ = MakeDelegations(roles.deltas);
  TILL_TRY(repository.SignTargets("targets", roles.targets, now_unix_s + lifetimes.targets, now_unix_s));
  TILL_TRY(repository.SignTargets(kDeltasRole, roles.deltas, now_unix_s + lifetimes.deltas, now_unix_s));
  TILL_TRY(repository.SignSnapshotAndTimestamp(roles, lifetimes, now_unix_s));
  TILL_TRY(repository.CheckAsAClientWould(now_unix_s));
  return repository.WriteFiles();
}

Status Repository::LoadRoots() {
  File& root = files_["root"];
  for (uint64_t version = 1;; ++version) {
    Result<std::string> bytes = Read(std::to_string(version) + ".root.json");
    if (!bytes.ok() && bytes.error().code == ErrorCode::kNotFound && version > 1) return Ok();
    if (!bytes.ok()) return bytes.error();
    root = {version, std::move(*bytes)};
  }
}

Status Repository::LoadRoles() {
  TrustedSet trusted = TILL_TRY(TrustedSet::FromRoot(TILL_TRY(Read("1.root.json")), OwnCaps()));
  for (uint64_t version = 2; version <= files_["root"].version; ++version) {
    TILL_TRY(trusted.UpdateRoot(TILL_TRY(Read(std::to_string(version) + ".root.json"))));
  }
  constexpr int64_t kAnyTime = INT64_MIN;  // nothing has expired then
  files_["timestamp"].bytes = TILL_TRY(Read("timestamp.json"));
  TILL_TRY(trusted.UpdateTimestamp(files_["timestamp"].bytes, kAnyTime, Origin::kFetched));
  const std::string snapshot = std::to_string(trusted.timestamp()->snapshot.version) + ".snapshot.json";
  files_["snapshot"].bytes = TILL_TRY(Read(snapshot));
  TILL_TRY(trusted.UpdateSnapshot(files_["snapshot"].bytes, kAnyTime, Origin::kFetched));
  for (const char* role : {"targets", kDeltasRole}) {
    const FileMeta* listed = trusted.ListedFile(role);
    if (listed == nullptr) return Error{ErrorCode::kCorrupt, "the snapshot does not list every role"};
    files_[role].bytes = TILL_TRY(Read(std::to_string(listed->version) + "." + role + ".json"));
  }
  TILL_TRY(trusted.UpdateTargets(files_["targets"].bytes, files_[kDeltasRole].bytes, kAnyTime, Origin::kFetched));
  for (auto& [role, file] : files_) file.version = trusted.Version(role);
  entries_ = trusted.targets();
  entries_.insert(trusted.deltas().begin(), trusted.deltas().end());
  const Document document = TILL_TRY(ParseDocument(files_["targets"].bytes, kMaxFileBytes));
  delegations_ = document.signed_part["delegations"];
  return Ok();
}

Result<Repository> Repository::Open(const std::string& folder) {
  Repository repository(folder);
  TILL_TRY(repository.LoadRoots());
  TILL_TRY(repository.LoadRoles());
  return repository;
}

void Repository::Put(TargetEntry entry) {
  assert(entry.role == "targets" || entry.role == kDeltasRole);
  const auto found = entries_.find(entry.path);
  if (found != entries_.end()) {
    if (SameEntry(found->second, entry)) return;
    Remove(entry.path);
  }
  (entry.role == kDeltasRole ? deltas_changed_ : targets_changed_) = true;
  entries_.emplace(entry.path, std::move(entry));
}

void Repository::Remove(std::string_view path) {
  const auto found = entries_.find(path);
  if (found == entries_.end()) return;
  (found->second.role == kDeltasRole ? deltas_changed_ : targets_changed_) = true;
  entries_.erase(found);
}

std::vector<TargetEntry> Repository::entries() const {
  std::vector<TargetEntry> list;
  for (const auto& [path, entry] : entries_) list.push_back(entry);
  return list;
}

Status Repository::SignTargets(std::string_view role, const RoleKeys& keys, int64_t expires, int64_t now_unix_s) {
  File& file = files_[std::string(role)];
  json::Value part = SignedPart("targets", file.version + 1, expires, now_unix_s);
  std::vector<json::Member> list;
  for (const auto& [path, entry] : entries_) {
    if (entry.role == role) list.emplace_back(path, EntryRecord(entry));
  }
  part.Set("targets", json::Value::Object(std::move(list)));
  if (role == "targets") part.Set("delegations", delegations_);
  file.bytes = TILL_TRY(Sign(std::move(part), keys));
  ++file.version;
  return Ok();
}

Status Repository::SignSnapshotAndTimestamp(const RoleSet& roles, const Lifetimes& lifetimes, int64_t now_unix_s) {
  File& snapshot = files_["snapshot"];
  json::Value part = SignedPart("snapshot", ++snapshot.version, now_unix_s + lifetimes.snapshot, now_unix_s);
  const File& targets = files_["targets"];
  const File& deltas = files_[kDeltasRole];
  part.Set("meta", json::Value::Object({{"deltas.json", FileRecord(deltas.version, deltas.bytes)},
                                        {"targets.json", FileRecord(targets.version, targets.bytes)}}));
  snapshot.bytes = TILL_TRY(Sign(std::move(part), roles.snapshot));
  File& timestamp = files_["timestamp"];
  part = SignedPart("timestamp", ++timestamp.version, now_unix_s + lifetimes.timestamp, now_unix_s);
  part.Set("meta", json::Value::Object({{"snapshot.json", FileRecord(snapshot.version, snapshot.bytes)}}));
  timestamp.bytes = TILL_TRY(Sign(std::move(part), roles.timestamp));
  return Ok();
}

// Before a byte of it is written: wrong keys show here, not in the field.
Status Repository::CheckAsAClientWould(int64_t now_unix_s) const {
  const auto check = [&]() -> Status {
    TrustedSet trusted = TILL_TRY(TrustedSet::FromRoot(files_.find("root")->second.bytes, OwnCaps()));
    TILL_TRY(trusted.UpdateTimestamp(files_.find("timestamp")->second.bytes, now_unix_s, Origin::kFetched));
    TILL_TRY(trusted.UpdateSnapshot(files_.find("snapshot")->second.bytes, now_unix_s, Origin::kFetched));
    return trusted.UpdateTargets(files_.find("targets")->second.bytes, files_.find(kDeltasRole)->second.bytes,
                                 now_unix_s, Origin::kFetched);
  };
  const Status good = check();
  if (!good.ok()) return Error{ErrorCode::kInvalid, good.error().what, good.error().detail};
  return Ok();
}

Status Repository::WriteFiles() const {
  for (const char* role : {"root", "targets", kDeltasRole, "snapshot"}) {
    const File& file = files_.find(role)->second;
    const std::string name = std::to_string(file.version) + "." + role + ".json";
    const Result<std::string> there = Read(name);
    if (there.ok() && *there == file.bytes) continue;  // published before, and never to be touched
    TILL_TRY(WriteFileAtomically(folder_ + "/" + name, AsBytes(file.bytes)));
  }
  return WriteFileAtomically(folder_ + "/timestamp.json", AsBytes(files_.find("timestamp")->second.bytes));
}

Status Repository::CheckUnchanged() const {
  const std::string timestamp = TILL_TRY(Read("timestamp.json"));
  if (timestamp != files_.find("timestamp")->second.bytes) {
    return Error{ErrorCode::kConflict, "another process has published meanwhile"};
  }
  return Ok();
}

Status Repository::CheckPayloadPaths() const {
  for (const auto& [path, entry] : entries_) {
    if (entry.role == kDeltasRole && !PathMatches(kPayloadPattern, path)) {
      return Error{ErrorCode::kInvalid, "a payload entry outside payloads/<product>/<version>/<component>/<kind>"};
    }
  }
  return Ok();
}

bool Repository::HasExpired(std::string_view role, int64_t now_unix_s) const {
  const Result<Document> document = ParseDocument(files_.find(role)->second.bytes, kMaxFileBytes);
  return document.ok() && ParseUtc(document->signed_part["expires"].AsString()) <= now_unix_s;
}

Status Repository::Publish(const RoleSet& roles, const Lifetimes& lifetimes, int64_t now_unix_s) {
  const UniqueFd lock = TILL_TRY(LockFolder(folder_));
  TILL_TRY(CheckUnchanged());
  TILL_TRY(CheckPayloadPaths());
  const bool sign_targets = targets_changed_ || HasExpired("targets", now_unix_s);
  const bool sign_deltas = deltas_changed_ || HasExpired(kDeltasRole, now_unix_s);
  if (!sign_targets && !sign_deltas) return Ok();
  Repository next = *this;  // so that a failure leaves this one as it was
  if (sign_targets) {
    TILL_TRY(next.SignTargets("targets", roles.targets, now_unix_s + lifetimes.targets, now_unix_s));
  }
  if (sign_deltas) TILL_TRY(next.SignTargets(kDeltasRole, roles.deltas, now_unix_s + lifetimes.deltas, now_unix_s));
  TILL_TRY(next.SignSnapshotAndTimestamp(roles, lifetimes, now_unix_s));
  TILL_TRY(next.CheckAsAClientWould(now_unix_s));
  TILL_TRY(next.WriteFiles());
  next.targets_changed_ = next.deltas_changed_ = false;
  *this = std::move(next);
  return Ok();
}

Status Repository::Renew(const RoleSet& roles, const Lifetimes& lifetimes, int64_t now_unix_s) {
  const UniqueFd lock = TILL_TRY(LockFolder(folder_));
  TILL_TRY(CheckUnchanged());
  Repository next = *this;
  TILL_TRY(next.SignSnapshotAndTimestamp(roles, lifetimes, now_unix_s));
  TILL_TRY(next.CheckAsAClientWould(now_unix_s));
  TILL_TRY(next.WriteFiles());
  *this = std::move(next);
  return Ok();
}

Result<std::vector<std::string>> Repository::FileNames() const {
  std::vector<std::string> names;
  for (uint64_t version = 1; version <= files_.find("root")->second.version; ++version) {
    names.push_back(std::to_string(version) + ".root.json");
  }
  for (const char* role : {"targets", kDeltasRole, "snapshot"}) {
    names.push_back(std::to_string(files_.find(role)->second.version) + "." + role + ".json");
  }
  names.push_back("timestamp.json");
  return names;
}

}  // namespace till::tuf
