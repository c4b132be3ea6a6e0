#include "device/root_chain.h"

#include <unistd.h>

#include <cerrno>

#include "core/file.h"
#include "core/tuf/trusted_set.h"
#include "device/trust.h"

namespace till::device {
namespace {

constexpr uint32_t kMostRoots = 32;

}  // namespace

std::string TrustFolder(const Config& config) { return config.data_dir + "/tuf"; }

Result<std::string> ReadKeptRoot(const Config& config) {
  return ReadTextFile(TrustFolder(config) + "/root.json", tuf::SizeCaps{}.root);
}

// The root goes last: a cut before that leaves the old repository, without what it proved.
Status ForgetTrust(const Config& config) {
  for (const char* role : {"timestamp", "snapshot", "targets", "deltas", "root"}) {
    const std::string file = TrustFolder(config) + "/" + role + ".json";
    if (unlink(file.c_str()) != 0 && errno != ENOENT) return SystemError("cannot forget the kept metadata");
  }
  return SyncFolder(TrustFolder(config));
}

Result<bool> IsSameRepository(std::string_view one, std::string_view other) {
  const tuf::TrustedSet first = TILL_TRY(tuf::TrustedSet::FromRoot(one, {}));
  const tuf::TrustedSet second = TILL_TRY(tuf::TrustedSet::FromRoot(other, {}));
  const bool ordered = first.Version("root") <= second.Version("root");
  return ordered ? first.HasSignedRoot(other) : second.HasSignedRoot(one);
}

Result<RepositoryLook> LookAtRepository(std::string_view root, std::string_view kept_timestamp, const tuf::Fetch& fetch,
                                        const Clock& clock) {
  const tuf::SizeCaps caps;
  tuf::TrustedSet trusted = TILL_TRY(tuf::TrustedSet::FromRoot(root, caps));
  for (uint32_t step = 0;; step++) {
    const auto next = fetch(std::to_string(trusted.Version("root") + 1) + ".root.json", caps.root);
    if (!next.ok() && next.error().code == ErrorCode::kNotFound) break;
    if (!next.ok()) return next.error();
    if (step >= kMostRoots) return Error{ErrorCode::kLimit, "more new roots than are looked at", kMostRoots};
    TILL_TRY(trusted.UpdateRoot(*next));
  }
  // One whose key was taken back meanwhile says nothing.
  (void)trusted.UpdateTimestamp(kept_timestamp, 0, tuf::Origin::kTrustedBefore);
  const std::string timestamp = TILL_TRY(fetch("timestamp.json", caps.timestamp));
  const int64_t now_unix_s = Trust::TimeOf(clock.UnixMs() / 1000, trusted.NewestSignedUnixS());
  TILL_TRY(trusted.UpdateTimestamp(timestamp, now_unix_s, tuf::Origin::kFetched));
  return RepositoryLook{trusted.Version("root"), trusted.Version("timestamp"), trusted.timestamp()->expires_unix_s};
}

}  // namespace till::device
