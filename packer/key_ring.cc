#include "packer/key_ring.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

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

Result<crypto::PrivateKey> LoadKey(const std::string& path, std::string& about) {
  about = path;
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) return SystemError("cannot read the key");
  if ((facts.st_mode & 077) != 0) {
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", facts.st_mode & 07777U);
    about = path + " has mode " + mode + ": chmod 600 " + path;
    return Error{ErrorCode::kRefused, "the key can be read by others"};
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

Result<tuf::RoleSet> LoadKeys(const std::string& folder, std::span<const std::string_view> wanted, std::string& about) {
  tuf::RoleSet roles;
  for (const RoleShape& role : kRoles) {
    tuf::RoleKeys& keys = roles.*role.keys;
    keys.threshold = role.threshold;
    for (unsigned number = 1; number <= role.count; ++number) {
      const std::string path = KeyPath(folder, role, number);
      if (!FileExists(path)) continue;
      keys.keys.push_back(TILL_TRY(LoadKey(path, about)));
    }
    const bool is_wanted = std::find(wanted.begin(), wanted.end(), role.name) != wanted.end();
    if (!is_wanted || keys.keys.size() >= role.threshold) continue;
    about = KeyPath(folder, role, 1) + ", looked for in the folder that [sign] keys, TILL_KEYS or --keys names";
    return Error{ErrorCode::kNotFound, "a key that is needed is not there"};
  }
  return roles;
}

}  // namespace till::packer
