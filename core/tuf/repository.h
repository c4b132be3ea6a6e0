// The Update Framework, the writing side: keys, roles, and a repository folder that only ever grows by whole releases.
//   Files: N.root.json, N.targets.json, N.deltas.json, N.snapshot.json, timestamp.json (consistent snapshots).
//   Every Publish() raises the versions of what changed and writes timestamp.json last, atomically: a reader meets the
//   old set or the new one, and a cut leaves at most files that nothing names yet. Same input and same keys give the
//   same bytes (Ed25519 is deterministic; times are given). Errors: kInvalid (a threshold cannot be met with the keys
//   at hand), kConflict (another writer), kIo, kCorrupt.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/crypto/sign.h"
#include "core/tuf/tuf.h"

namespace till::tuf {

// TUF's key id: SHA-256 of the key object's canonical JSON, in hex.
std::string KeyId(const crypto::PrivateKey& key);

struct RoleKeys {
  std::vector<crypto::PrivateKey> keys;
  unsigned threshold = 1;
};

struct RoleSet {
  RoleKeys root, targets, deltas, snapshot, timestamp;
};

struct Lifetimes {  // seconds from `now`
  int64_t root = 365 * 86400, targets = 365 * 86400, deltas = 90 * 86400, snapshot = 7 * 86400, timestamp = 86400;
};

class Repository {
 public:
  // Makes 1.root.json and empty targets, deltas, snapshot, timestamp in a new folder. kConflict if there is one.
  static Status Create(const std::string& folder, const RoleSet& roles, const Lifetimes& lifetimes, int64_t now_unix_s);
  // Opens an existing one and verifies it against its own root.
  // (signatures, versions, hashes; not expiry, which its owner is here to mend).
  static Result<Repository> Open(const std::string& folder);

  // Adds or replaces entries; TargetEntry::role says which of "targets" and "deltas" signs it. Those of deltas are
  // named payloads/<product>/<version>/<component>/<kind>: four segments behind payloads/, else Publish() answers
  // kInvalid.
  void Put(TargetEntry entry);
  void Remove(std::string_view path);
  std::vector<TargetEntry> entries() const;
  // Signs what changed or has expired (only those roles' keys are needed, plus snapshot and timestamp) and writes it;
  // nothing at all when nothing did. What clients would refuse is not written: kInvalid. kConflict when the folder has
  // changed since Open().
  Status Publish(const RoleSet& roles, const Lifetimes& lifetimes, int64_t now_unix_s);
  // Signs a fresh snapshot and timestamp over what is there.
  Status Renew(const RoleSet& roles, const Lifetimes& lifetimes, int64_t now_unix_s);
  // Names of the files a mirror needs, timestamp.json last.
  Result<std::vector<std::string>> FileNames() const;

 private:
  // A role's newest signed file: what snapshot lists of it.
  struct File {
    uint64_t version = 0;
    std::string bytes;
  };

  explicit Repository(std::string folder) : folder_(std::move(folder)) {}
  Status LoadRoots();
  Status LoadRoles();
  Result<std::string> Read(const std::string& name) const;
  Status CheckUnchanged() const;
  Status CheckPayloadPaths() const;
  bool HasExpired(std::string_view role, int64_t now_unix_s) const;
  Status SignTargets(std::string_view role, const RoleKeys& keys, int64_t expires_unix_s, int64_t now_unix_s);
  Status SignSnapshotAndTimestamp(const RoleSet& roles, const Lifetimes& lifetimes, int64_t now_unix_s);
  Status CheckAsAClientWould(int64_t now_unix_s) const;
  Status WriteFiles() const;

  std::string folder_;
  std::map<std::string, TargetEntry, std::less<>> entries_;
  std::map<std::string, File, std::less<>> files_;  // "root" (the newest) and the others, as published
  json::Value delegations_;                         // of targets, carried from version to version
  bool targets_changed_ = false;
  bool deltas_changed_ = false;
};

}  // namespace till::tuf
