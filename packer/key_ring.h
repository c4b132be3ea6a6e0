// The keys of a product's releases: a folder of Ed25519 keys as PKCS#8 PEM files, mode 0600, named <role>-<n>.pem.
//   root-1..3 (2 of 3 must sign; keep two of them elsewhere), targets-1, deltas-1, snapshot-1, timestamp-1.
//   A role whose key is not in the folder simply cannot sign: a build machine holds no root key.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/tuf/repository.h"

namespace till::packer {

// Makes a new set in `folder` (made when missing, 0700). kConflict when any key is there already: keys are never
// written over.
Status MakeKeys(const std::string& folder);

// The roles that each command signs with.
inline constexpr std::string_view kRolesOfReleases[] = {"targets", "deltas", "snapshot", "timestamp"};
inline constexpr std::string_view kRolesOfDeltas[] = {"deltas", "snapshot", "timestamp"};
inline constexpr std::string_view kRolesOfRenewal[] = {"snapshot", "timestamp"};

// What the folder holds, which is at least what `wanted` needs. kNotFound when one of those is missing; kRefused when a
// key file can be read by group or others; kCorrupt for a file that is no Ed25519 key. `about` is then what is wrong
// with which file, for a person.
Result<tuf::RoleSet> LoadKeys(const std::string& folder, std::span<const std::string_view> wanted, std::string& about);

}  // namespace till::packer
