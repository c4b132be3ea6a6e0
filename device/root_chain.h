// Does a repository follow from a root? For `tilld provision` and `tilld doctor`, which look before an update is
// offered: nothing is kept. The agent itself goes the whole way, in trust.h.
//   Errors: as core/tuf; kCorrupt and kRefused for a root that is none.
#pragma once

#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/tuf/tuf.h"
#include "device/config.h"

namespace till::device {

// Where the agent keeps what it trusts, and the root in it, which outweighs trusted_root.
std::string TrustFolder(const Config& config);
// kNotFound when there is none; at most 64 KiB.
Result<std::string> ReadKeptRoot(const Config& config);
// Forgets all that is kept: the next root placed begins anew.
Status ForgetTrust(const Config& config);

// Whether the newer of two roots is signed by the keys of the older one. Roots in between are not at hand: an owner
// who exchanged all keys in more than one step looks like a stranger.
Result<bool> IsSameRepository(std::string_view one, std::string_view other);

struct RepositoryLook {
  uint64_t root_version = 0, timestamp_version = 0;
  int64_t expires_unix_s = 0;  // of the timestamp
};
// Walks the roots that `fetch` serves from `root` on, 32 at the most, and checks the timestamp by the last of them:
// signature, age, and that it is not older than `kept_timestamp` ("" = none is kept). Expiry: Trust::IsExpiry().
Result<RepositoryLook> LookAtRepository(std::string_view root, std::string_view kept_timestamp, const tuf::Fetch& fetch,
                                        const Clock& clock);

}  // namespace till::device
