// The versions that were withdrawn from a folder of releases, as out/withdrawn.json remembers them: what a hub or a
// worker still signs of them is not taken over again, and none of them is released or published a second time.
#pragma once

#include <string>
#include <vector>

#include "core/tuf/tuf.h"

namespace till::packer {

// None when there is no such file; kCorrupt for a damaged one.
Result<std::vector<std::string>> ReadWithdrawn(const std::string& out_folder);
// Adds one; nothing when it is there already.
Status KeepWithdrawn(const std::string& out_folder, const std::string& version);

// Whether a signed entry is an image or a payload of this version. Deltas that lead away from it are not.
bool IsOfVersion(const tuf::TargetEntry& entry, std::string_view version);
bool IsOfAnyVersion(const tuf::TargetEntry& entry, const std::vector<std::string>& versions);

}  // namespace till::packer
