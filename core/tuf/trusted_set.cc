#include "core/tuf/trusted_set.h"

#include <algorithm>

namespace till::tuf {
namespace {

Status CheckExpiry(const Common& common, int64_t now_unix_s, const char* what) {
  if (common.expires_unix_s <= now_unix_s) return Error{ErrorCode::kRefused, what};
  return Ok();
}

bool TakesKeyBack(const RoleRule& before, const RoleRule& after) {
  return std::any_of(before.keyids.begin(), before.keyids.end(), [&](const std::string& keyid) {
    return std::find(after.keyids.begin(), after.keyids.end(), keyid) == after.keyids.end();
  });
}

// 5.5.5: nothing that was listed may vanish or go back.
Status CheckListing(const Snapshot& before, const Snapshot& after) {
  for (const auto& [name, meta] : before.files) {
    const auto found = after.files.find(name);
    if (found == after.files.end()) return Error{ErrorCode::kRefused, "a snapshot that forgets a role"};
    if (found->second.version < meta.version) return Error{ErrorCode::kRefused, "a snapshot that takes a role back"};
  }
  return Ok();
}

bool IsDelegated(const Delegation& delegation, const std::string& path) {
  return path.starts_with(kPayloadPrefix) &&
         std::any_of(delegation.paths.begin(), delegation.paths.end(),
                     [&](const std::string& pattern) { return PathMatches(pattern, path); });
}

}  // namespace

bool TrustedSet::Held::IsAsListed(const FileMeta& meta) const {
  return version == meta.version && (!meta.length || *meta.length == length) &&
         (!meta.sha256 || *meta.sha256 == sha256);
}

TrustedSet::Held TrustedSet::Hold(const Common& common, std::string_view bytes) {
  Held held;
  static_cast<Common&>(held) = common;
  held.sha256 = crypto::Sha256Of(AsBytes(bytes));
  held.length = bytes.size();
  return held;
}

Result<TrustedSet> TrustedSet::FromRoot(std::string_view bytes, const SizeCaps& caps) {
  const Document document = TILL_TRY(ParseDocument(bytes, caps.root));
  Root root = TILL_TRY(ParseRoot(document));
  TILL_TRY(VerifySignatures(document, root.keys, root.rule("root")));
  return TrustedSet(std::move(root), caps);
}

Result<bool> TrustedSet::UpdateRoot(std::string_view bytes) {
  const Document document = TILL_TRY(ParseDocument(bytes, caps_.root));
  TILL_TRY(VerifySignatures(document, root_.keys, root_.rule("root")));
  Root root = TILL_TRY(ParseRoot(document));
  TILL_TRY(VerifySignatures(document, root.keys, root.rule("root")));
  if (root.version != root_.version + 1) return Error{ErrorCode::kRefused, "a root that is not the next", root.version};
  const bool takes_back = TakesKeyBack(root_.rule("timestamp"), root.rule("timestamp")) ||
                          TakesKeyBack(root_.rule("snapshot"), root.rule("snapshot"));
  root_ = std::move(root);
  return takes_back;
}

bool TrustedSet::HasSignedRoot(std::string_view bytes) const {
  const Result<Document> document = ParseDocument(bytes, caps_.root);
  return document.ok() && VerifySignatures(*document, root_.keys, root_.rule("root")).ok();
}

Status TrustedSet::CheckRootExpiry(int64_t now_unix_s) const {
  return CheckExpiry(root_, now_unix_s, "the root metadata has expired");
}

Status TrustedSet::CheckSnapshotExpiry(int64_t now_unix_s) const {
  return CheckExpiry(snapshot_held_, now_unix_s, "the snapshot metadata has expired");
}

Status TrustedSet::CheckTargetsExpiry(int64_t now_unix_s) const {
  TILL_TRY(CheckExpiry(targets_held_, now_unix_s, "the targets metadata has expired"));
  if (!deltas_delegated_) return Ok();
  return CheckExpiry(deltas_held_, now_unix_s, "the deltas metadata has expired");
}

Result<bool> TrustedSet::UpdateTimestamp(std::string_view bytes, int64_t now_unix_s, Origin origin) {
  const Document document = TILL_TRY(ParseDocument(bytes, caps_.timestamp));
  TILL_TRY(VerifySignatures(document, root_.keys, root_.rule("timestamp")));
  Timestamp timestamp = TILL_TRY(ParseTimestamp(document));
  if (timestamp_) {
    if (timestamp.version < timestamp_->version) {
      return Error{ErrorCode::kRefused, "a timestamp older than the one trusted", timestamp.version};
    }
    if (timestamp.version == timestamp_->version) {
      // It may be the very timestamp that has run out: that is how a freeze shows.
      TILL_TRY(CheckExpiry(*timestamp_, now_unix_s, "the timestamp metadata has expired"));
      return false;
    }
    if (timestamp.snapshot.version < timestamp_->snapshot.version) {
      return Error{ErrorCode::kRefused, "a timestamp that takes the snapshot back", timestamp.snapshot.version};
    }
  }
  if (origin == Origin::kFetched) TILL_TRY(CheckExpiry(timestamp, now_unix_s, "the timestamp metadata has expired"));
  timestamp_ = timestamp;
  return true;
}

Status TrustedSet::UpdateSnapshot(std::string_view bytes, int64_t now_unix_s, Origin origin) {
  if (!timestamp_) return Error{ErrorCode::kRefused, "a snapshot without a timestamp"};
  const FileMeta& listed = timestamp_->snapshot;
  if (origin == Origin::kFetched) TILL_TRY(CheckFile(bytes, listed));
  const Document document = TILL_TRY(ParseDocument(bytes, caps_.snapshot));
  TILL_TRY(VerifySignatures(document, root_.keys, root_.rule("snapshot")));
  Snapshot snapshot = TILL_TRY(ParseSnapshot(document));
  // A snapshot held from before may be older than the timestamp (the last refresh got no further), never newer.
  const bool fits =
      origin == Origin::kFetched ? snapshot.version == listed.version : snapshot.version <= listed.version;
  if (!fits) return Error{ErrorCode::kRefused, "not the snapshot that the timestamp names", snapshot.version};
  if (snapshot_) TILL_TRY(CheckListing(*snapshot_, snapshot));
  if (origin == Origin::kFetched) TILL_TRY(CheckExpiry(snapshot, now_unix_s, "the snapshot metadata has expired"));
  snapshot_held_ = Hold(snapshot, bytes);
  snapshot_ = std::move(snapshot);
  return Ok();
}

Result<Targets> TrustedSet::CheckTargets(std::string_view bytes, std::string_view role, const Delegation* delegation,
                                         Origin origin) const {
  const FileMeta* listed = ListedFile(role);
  if (origin == Origin::kFetched) {
    if (listed == nullptr) return Error{ErrorCode::kRefused, "a role that the snapshot does not list"};
    TILL_TRY(CheckFile(bytes, *listed));
  }
  const Document document = TILL_TRY(ParseDocument(bytes, caps_.targets));
  const KeyRing& keys = delegation == nullptr ? root_.keys : delegation->keys;
  TILL_TRY(VerifySignatures(document, keys, delegation == nullptr ? root_.rule("targets") : delegation->rule));
  Targets targets = TILL_TRY(ParseTargets(document));
  // Held from before: it may be older than the snapshot, and outlives one that a root took back.
  const bool fits = origin == Origin::kFetched ? targets.version == listed->version
                                               : listed == nullptr || targets.version <= listed->version;
  if (!fits) return Error{ErrorCode::kRefused, "not the version that the snapshot lists", targets.version};
  return targets;
}

Status TrustedSet::UpdateTargets(std::string_view targets, std::string_view deltas, int64_t now_unix_s, Origin origin) {
  Targets own = TILL_TRY(CheckTargets(targets, "targets", nullptr, origin));
  if (origin == Origin::kFetched) TILL_TRY(CheckExpiry(own, now_unix_s, "the targets metadata has expired"));
  Targets delegated;
  if (own.deltas) {
    Result<Targets> checked = CheckTargets(deltas, kDeltasRole, &*own.deltas, origin);
    if (checked.ok()) {
      delegated = std::move(*checked);
    } else if (origin == Origin::kFetched) {
      return checked.error();
    }
    if (origin == Origin::kFetched) TILL_TRY(CheckExpiry(delegated, now_unix_s, "the deltas metadata has expired"));
  }
  targets_.clear();
  deltas_.clear();
  for (TargetEntry& entry : own.entries) {
    entry.role = "targets";
    targets_.emplace(entry.path, std::move(entry));
  }
  for (TargetEntry& entry : delegated.entries) {
    if (!IsDelegated(*own.deltas, entry.path) || targets_.contains(entry.path)) continue;
    entry.role = kDeltasRole;
    deltas_.emplace(entry.path, std::move(entry));
  }
  targets_held_ = Hold(own, targets);
  deltas_delegated_ = own.deltas.has_value();
  deltas_held_ = delegated.version != 0 ? Hold(delegated, deltas) : Held{};
  return Ok();
}

void TrustedSet::KeepOnlyRoot() {
  Root root = std::move(root_);
  *this = TrustedSet(std::move(root), caps_);
}

bool TrustedSet::SnapshotIsCurrent() const {
  return timestamp_ && snapshot_ && snapshot_held_.IsAsListed(timestamp_->snapshot);
}

bool TrustedSet::TargetsAreCurrent(std::string_view role) const {
  const FileMeta* listed = ListedFile(role);
  const Held& held = role == kDeltasRole ? deltas_held_ : targets_held_;
  return listed != nullptr && held.IsAsListed(*listed);
}

const FileMeta* TrustedSet::ListedFile(std::string_view role) const {
  if (!snapshot_) return nullptr;
  const auto found = snapshot_->files.find(std::string(role) + ".json");
  return found == snapshot_->files.end() ? nullptr : &found->second;
}

uint64_t TrustedSet::Version(std::string_view role) const {
  if (role == "root") return root_.version;
  if (role == "timestamp") return timestamp_ ? timestamp_->version : 0;
  if (role == "snapshot") return snapshot_ ? snapshot_->version : 0;
  if (role == "targets") return targets_held_.version;
  return role == kDeltasRole ? deltas_held_.version : 0;
}

int64_t TrustedSet::NewestSignedUnixS() const {
  int64_t newest = root_.signed_unix_s;
  if (timestamp_) newest = std::max(newest, timestamp_->signed_unix_s);
  return std::max({newest, snapshot_held_.signed_unix_s, targets_held_.signed_unix_s, deltas_held_.signed_unix_s});
}

}  // namespace till::tuf
