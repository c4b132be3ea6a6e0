// The metadata a client trusts, and the rules by which it changes: bytes in, verdict out, no files and no clock.
//   Internal to core/tuf. Each Update… answers an Error and changes nothing, or takes the file in. Section numbers are
//   those of the specification. A file that was trusted before is taken back in with kTrustedBefore: its signatures
//   count, its age does not.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/tuf/metadata.h"

namespace till::tuf {

enum class Origin : uint8_t { kFetched, kTrustedBefore };

class TrustedSet {
 public:
  using Entries = std::map<std::string, TargetEntry, std::less<>>;

  // The root trusted without proof; it must still be signed by itself. (5.2)
  static Result<TrustedSet> FromRoot(std::string_view bytes, const SizeCaps& caps);

  // 5.3.4 to 5.3.6. Answers whether it takes a key of timestamp or snapshot back (5.3.11).
  Result<bool> UpdateRoot(std::string_view bytes);
  // Whether the keys of this root signed another one, of whatever version.
  bool HasSignedRoot(std::string_view bytes) const;
  // 5.4. Answers false, and keeps the old one, when the version is the one held already.
  Result<bool> UpdateTimestamp(std::string_view bytes, int64_t now_unix_s, Origin origin);
  // 5.5.
  Status UpdateSnapshot(std::string_view bytes, int64_t now_unix_s, Origin origin);
  // 5.6, targets and the delegated role at once: both are taken in or none; but targets
  // trusted before stand without their deltas if need be. `deltas` counts only when delegated.
  Status UpdateTargets(std::string_view targets, std::string_view deltas, int64_t now_unix_s, Origin origin);

  // What is held may have run out since it was taken in.
  Status CheckRootExpiry(int64_t now_unix_s) const;
  Status CheckSnapshotExpiry(int64_t now_unix_s) const;
  Status CheckTargetsExpiry(int64_t now_unix_s) const;

  // Forgets all but the root.
  void KeepOnlyRoot();
  // Whether the snapshot held is the one the timestamp names, and a role the one that the snapshot lists.
  bool SnapshotIsCurrent() const;
  bool TargetsAreCurrent(std::string_view role) const;
  // What the snapshot says of a role's file; null when it lists none.
  const FileMeta* ListedFile(std::string_view role) const;

  const Root& root() const { return root_; }
  const std::optional<Timestamp>& timestamp() const { return timestamp_; }
  const std::optional<Snapshot>& snapshot() const { return snapshot_; }
  const Entries& targets() const { return targets_; }
  const Entries& deltas() const { return deltas_; }
  uint64_t Version(std::string_view role) const;
  int64_t NewestSignedUnixS() const;

 private:
  // What is known of a role's file once it is trusted.
  struct Held : Common {
    crypto::Sha256Digest sha256{};
    uint64_t length = 0;
    bool IsAsListed(const FileMeta& meta) const;
  };

  TrustedSet(Root root, const SizeCaps& caps) : caps_(caps), root_(std::move(root)) {}
  Result<Targets> CheckTargets(std::string_view bytes, std::string_view role, const Delegation* delegation,
                               Origin origin) const;
  static Held Hold(const Common& common, std::string_view bytes);

  SizeCaps caps_;
  Root root_;
  std::optional<Timestamp> timestamp_;
  std::optional<Snapshot> snapshot_;
  Held snapshot_held_;
  Held targets_held_;
  Held deltas_held_;
  bool deltas_delegated_ = false;
  Entries targets_;
  Entries deltas_;
};

}  // namespace till::tuf
