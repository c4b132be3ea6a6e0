#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/file.h"
#include "core/tuf/trusted_set.h"
#include "core/tuf/tuf.h"

namespace till::tuf {
namespace {

using DigestIndex = std::map<crypto::Sha256Digest, const TargetEntry*>;

DigestIndex IndexOf(const TrustedSet::Entries& entries) {
  DigestIndex index;
  for (const auto& [path, entry] : entries) index.emplace(entry.sha256, &entry);  // the first by path stays
  return index;
}

class FolderClient : public Client {
 public:
  FolderClient(Options options, TrustedSet trusted) : options_(std::move(options)), trusted_(std::move(trusted)) {
    LoadRoles();
  }

  Status Refresh(const Fetch& fetch) override {
    TILL_TRY(RefreshRoot(fetch));
    TILL_TRY(RefreshTimestamp(fetch));
    TILL_TRY(RefreshSnapshot(fetch));
    return RefreshTargets(fetch);
  }

  const TargetEntry* FindByPath(std::string_view path) const override {
    for (const TrustedSet::Entries* entries : {&trusted_.targets(), &trusted_.deltas()}) {
      if (const auto found = entries->find(path); found != entries->end()) return &found->second;
    }
    return nullptr;
  }

  const TargetEntry* FindBySha256(const crypto::Sha256Digest& digest, std::string_view role) const override {
    const DigestIndex& index = role == kDeltasRole ? deltas_index_ : targets_index_;
    const auto found = index.find(digest);
    return found == index.end() ? nullptr : found->second;
  }

  std::vector<const TargetEntry*> Entries(std::string_view role) const override {
    std::vector<const TargetEntry*> list;
    for (const auto& [path, entry] : role == kDeltasRole ? trusted_.deltas() : trusted_.targets())
      list.push_back(&entry);
    return list;
  }

  uint64_t Version(std::string_view role) const override { return trusted_.Version(role); }
  int64_t NewestSignedUnixS() const override { return trusted_.NewestSignedUnixS(); }

 private:
  std::string PathOf(std::string_view role) const { return options_.folder + "/" + std::string(role) + ".json"; }

  Status Keep(std::string_view role, std::string_view bytes) const {
    return WriteFileAtomically(PathOf(role), AsBytes(bytes));
  }

  Status Drop(std::string_view role) const {
    if (unlink(PathOf(role).c_str()) != 0 && errno != ENOENT) return SystemError("cannot drop metadata");
    return Ok();
  }

  std::string ReadKept(std::string_view role, uint64_t cap) const {
    Result<std::string> bytes = ReadTextFile(PathOf(role), cap);
    return bytes.ok() ? std::move(*bytes) : std::string();
  }

  // Takes back in what the folder holds. A file that does not pass (a key was taken back, the flash decayed) counts
  // as missing, and so does what hangs on it: the next refresh fetches it.
  void LoadRoles() {
    trusted_.KeepOnlyRoot();
    constexpr Origin kOrigin = Origin::kTrustedBefore;
    const bool stamped = trusted_.UpdateTimestamp(ReadKept("timestamp", options_.caps.timestamp), 0, kOrigin).ok();
    if (stamped) (void)trusted_.UpdateSnapshot(ReadKept("snapshot", options_.caps.snapshot), 0, kOrigin);
    (void)trusted_.UpdateTargets(ReadKept("targets", options_.caps.targets), ReadKept("deltas", options_.caps.targets),
                                 0, kOrigin);
    IndexEntries();
  }

  void IndexEntries() {
    targets_index_ = IndexOf(trusted_.targets());
    deltas_index_ = IndexOf(trusted_.deltas());
  }

  // Never longer than asked for, whatever `fetch` does.
  static Result<std::string> FetchAtMost(const Fetch& fetch, const std::string& name, uint64_t max_bytes) {
    std::string bytes = TILL_TRY(fetch(name, max_bytes));
    if (bytes.size() > max_bytes) return Error{ErrorCode::kLimit, "metadata longer than allowed", max_bytes};
    return bytes;
  }

  // A file that must be there: that it is missing is a trouble of the repository, to be tried again.
  static Result<std::string> FetchNeeded(const Fetch& fetch, const std::string& name, uint64_t max_bytes) {
    Result<std::string> bytes = FetchAtMost(fetch, name, max_bytes);
    if (!bytes.ok() && bytes.error().code == ErrorCode::kNotFound) {
      return Error{ErrorCode::kUnavailable, "metadata that must be there is missing", bytes.error().detail};
    }
    return bytes;
  }

  // 5.3. Each root is kept as soon as it is proven, so that a long chain goes on where it was cut.
  Status RefreshRoot(const Fetch& fetch) {
    const uint64_t before = trusted_.Version("root");
    const Status walked = WalkRoots(fetch);
    if (trusted_.Version("root") != before) LoadRoles();
    TILL_TRY(Status(walked));
    if (options_.tolerate_expired_root) return Ok();
    return trusted_.CheckRootExpiry(options_.now_unix_s());
  }

  Status WalkRoots(const Fetch& fetch) {
    for (uint32_t step = 0;; ++step) {
      const std::string name = std::to_string(trusted_.Version("root") + 1) + ".root.json";
      const Result<std::string> bytes = FetchAtMost(fetch, name, options_.caps.root);
      if (!bytes.ok() && bytes.error().code == ErrorCode::kNotFound) return Ok();
      if (!bytes.ok()) return bytes.error();
      if (step >= options_.caps.root_chain) {
        return Error{ErrorCode::kLimit, "more new roots than allowed in one refresh", options_.caps.root_chain};
      }
      if (TILL_TRY(trusted_.UpdateRoot(*bytes))) {
        // Before the root: after a crash between, the root comes again and finds nothing left to drop. (5.3.11)
        TILL_TRY(Drop("snapshot"));
        TILL_TRY(Drop("timestamp"));
      }
      TILL_TRY(Keep("root", *bytes));
    }
  }

  Status RefreshTimestamp(const Fetch& fetch) {
    const std::string bytes = TILL_TRY(FetchNeeded(fetch, "timestamp.json", options_.caps.timestamp));
    const bool newer = TILL_TRY(trusted_.UpdateTimestamp(bytes, options_.now_unix_s(), Origin::kFetched));
    return newer ? Keep("timestamp", bytes) : Ok();
  }

  Status RefreshSnapshot(const Fetch& fetch) {
    if (trusted_.SnapshotIsCurrent()) return trusted_.CheckSnapshotExpiry(options_.now_unix_s());
    const FileMeta listed = trusted_.timestamp()->snapshot;
    const std::string name = std::to_string(listed.version) + ".snapshot.json";
    const std::string bytes = TILL_TRY(FetchNeeded(fetch, name, Cap(listed, options_.caps.snapshot)));
    TILL_TRY(trusted_.UpdateSnapshot(bytes, options_.now_unix_s(), Origin::kFetched));
    return Keep("snapshot", bytes);
  }

  Status RefreshTargets(const Fetch& fetch) {
    const bool deltas_listed = trusted_.ListedFile(kDeltasRole) != nullptr;
    if (trusted_.TargetsAreCurrent("targets") && (!deltas_listed || trusted_.TargetsAreCurrent(kDeltasRole))) {
      return trusted_.CheckTargetsExpiry(options_.now_unix_s());
    }
    const std::string targets = TILL_TRY(KeptOrFetched("targets", fetch));
    const std::string deltas = deltas_listed ? TILL_TRY(KeptOrFetched(kDeltasRole, fetch)) : std::string();
    TILL_TRY(trusted_.UpdateTargets(targets, deltas, options_.now_unix_s(), Origin::kFetched));
    IndexEntries();
    // A cut between the two leaves older deltas beside newer targets: entries that were trusted once, no mixture that
    // could make an image, and the next refresh mends it.
    TILL_TRY(Keep("targets", targets));
    return deltas_listed ? Keep(kDeltasRole, deltas) : Drop(kDeltasRole);
  }

  Result<std::string> KeptOrFetched(std::string_view role, const Fetch& fetch) const {
    const FileMeta* listed = trusted_.ListedFile(role);
    if (trusted_.TargetsAreCurrent(role)) {
      std::string kept = ReadKept(role, options_.caps.targets);
      if (!kept.empty() && CheckFile(kept, *listed).ok()) return kept;
    }
    const std::string name = std::to_string(listed->version) + "." + std::string(role) + ".json";
    return FetchNeeded(fetch, name, Cap(*listed, options_.caps.targets));
  }

  static uint64_t Cap(const FileMeta& listed, uint64_t cap) { return std::min(listed.length.value_or(cap), cap); }

  Options options_;
  TrustedSet trusted_;
  DigestIndex targets_index_;
  DigestIndex deltas_index_;
};

// The root kept in the folder, or else the one handed in, which is then kept.
Result<TrustedSet> StartingRoot(const Client::Options& options, std::string_view trusted_root) {
  const std::string path = options.folder + "/root.json";
  if (Result<std::string> kept = ReadTextFile(path, options.caps.root); kept.ok()) {
    Result<TrustedSet> trusted = TrustedSet::FromRoot(*kept, options.caps);
    // A decayed file must not lock the terminal out for good while it holds a root that it was built with.
    if (trusted.ok() || trusted_root.empty()) return trusted;
  }
  if (trusted_root.empty()) return Error{ErrorCode::kNotFound, "no trusted root"};
  TrustedSet trusted = TILL_TRY(TrustedSet::FromRoot(trusted_root, options.caps));
  TILL_TRY(WriteFileAtomically(path, AsBytes(trusted_root)));
  return trusted;
}

}  // namespace

Result<std::unique_ptr<Client>> Client::Open(Options options, std::string_view trusted_root) {
  TILL_TRY(MakeFolders(options.folder));
  TrustedSet trusted = TILL_TRY(StartingRoot(options, trusted_root));
  return std::unique_ptr<Client>(std::make_unique<FolderClient>(std::move(options), std::move(trusted)));
}

}  // namespace till::tuf
