// The signed metadata between a release machine and a hub. A worker may have published meanwhile: what it signed is
// taken over before anything is signed on top, so that the hub refuses nothing and nobody's entries are lost.
#pragma once

#include <functional>
#include <string>

#include "core/tuf/repository.h"
#include "packer/hub_connection.h"

namespace till::packer {

// The hub's whole set into `folder`, which is made anew. kRefused when it does not begin with `trusted_root`, the text
// of a 1.root.json. Nothing else is checked: tuf::Repository::Open does that.
Status FetchMetadata(HubConnection& hub, const std::string& tenant, const std::string& trusted_root,
                     const std::string& folder);

struct CatchUpRequest {
  std::string tuf_folder;
  std::string tenant = "DEFAULT";
  // Asked for only when entries of this folder must be signed on top of the hub's.
  std::function<Result<tuf::RoleSet>()> keys;
  int64_t now_unix_s = 0;
  std::vector<std::string> withdrawn{};  // versions: what the hub still has of them is not taken over
};

// Goes on from the hub's metadata where it has entries that the folder lacks, or other bytes of the same version or a
// later one: the folder then holds the hub's set, with the folder's own entries signed on top. True when it did.
// kRefused when another root or other keys signed the hub's; kConflict when the two name different bytes alike.
Result<bool> CatchUp(HubConnection& hub, const CatchUpRequest& request);

// The set as one tar, for servers that serve no metadata and for media (release.tuf).
Status WriteMetadataTar(const std::string& tuf_folder, const std::string& path);

}  // namespace till::packer
