#include "packer/key_ring.h"

#include <sys/stat.h>

#include <cerrno>

#include "core/file.h"

namespace till::packer {
namespace {

struct RoleShape {
  const char* name;
  tuf::RoleKeys tuf::RoleSet::*keys;
  unsigned count;
  unsigned threshold;
};

constexpr RoleShape kRoles[] = {
    {"root", &tuf::RoleSet::root, 3, 2},           {"targets", &tuf::RoleSet::targets, 1, 1},
    {"deltas", &tuf::RoleSet::deltas, 1, 1},       {"snapshot", &tuf::RoleSet::snapshot, 1, 1},
    {"timestamp", &tuf::RoleSet::timestamp, 1, 1},
};

std::string KeyPath(const std::string& folder, const RoleShape& role, unsigned number) {
  return folder + "/" + role.name + "-" + std::to_string(number) + ".pem";
}

Result<crypto::PrivateKey> LoadKey(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) return SystemError("cannot read the key");
  if ((facts.st_mode & 077) != 0) {
    return Error{ErrorCode::kRefused, "the key can be read by others: chmod 600 it", facts.st_mode & 07777};
  }
  const std::string pem = TILL_TRY(ReadTextFile(path, 16 * 1024));
  return crypto::PrivateKey::FromPem(pem);
}

}  // namespace

Status MakeKeys(const std::string& folder) {
  TILL_TRY(MakeFolders(folder));
  if (chmod(folder.c_str(), 0700) != 0) return SystemError("cannot close the key folder to others");
  for (const RoleShape& role : kRoles) {
    for (unsigned number = 1; number <= role.count; ++number) {
      if (FileExists(KeyPath(folder, role, number)))
        return Error{ErrorCode::kConflict, "the folder holds keys already"};
    }
  }
  for (const RoleShape& role : kRoles) {
    for (unsigned number = 1; number <= role.count; ++number) {
      const std::string pem = crypto::PrivateKey::Generate().ToPem();
      TILL_TRY(WriteFileAtomically(KeyPath(folder, role, number), AsBytes(pem), 0600));
    }
  }
  return Ok();
}

Result<tuf::RoleSet> LoadKeys(const std::string& folder) {
  tuf::RoleSet roles;
  bool any = false;
  for (const RoleShape& role : kRoles) {
    tuf::RoleKeys& keys = roles.*role.keys;
    keys.threshold = role.threshold;
    for (unsigned number = 1; number <= role.count; ++number) {
      const std::string path = KeyPath(folder, role, number);
      if (!FileExists(path)) continue;
      keys.keys.push_back(TILL_TRY(LoadKey(path)));
      any = true;
    }
  }
  if (!any) return Error{ErrorCode::kNotFound, "no key in the folder"};
  return roles;
}

}  // namespace till::packer
