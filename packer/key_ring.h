// The keys of a product's releases: a folder of Ed25519 keys as PKCS#8 PEM files, mode 0600, named <role>-<n>.pem.
//   root-1..3 (2 of 3 must sign; keep two of them elsewhere), targets-1, deltas-1, snapshot-1, timestamp-1.
//   A role whose key is not in the folder simply cannot sign: a build machine holds no root key.
#pragma once

#include <string>

#include "core/tuf/repository.h"

namespace till::packer {

// Makes a new set in `folder` (made when missing, 0700). kConflict when any key is there already: keys are never
// written over.
Status MakeKeys(const std::string& folder);

// What the folder holds. kNotFound when it holds no key at all; kRefused (detail: mode) when a key file can be read by
// group or others; kCorrupt for a file that is no Ed25519 key.
Result<tuf::RoleSet> LoadKeys(const std::string& folder);

}  // namespace till::packer
