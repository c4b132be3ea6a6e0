#include "cdn-edge/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <cerrno>

namespace till::edge {

Result<DataFolder> DataFolder::Open(const std::string& path) {
  TILL_TRY(MakeFolders(path));
  UniqueFd lock = TILL_TRY(OpenFile(path + "/lock", O_RDWR | O_CREAT, 0600));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Error{ErrorCode::kConflict, "the data folder is locked", EWOULDBLOCK};
    return SystemError("cannot lock the data folder");
  }
  DataFolder folder(path, std::move(lock));
  TILL_TRY(MakeFolders(folder.objects()));
  TILL_TRY(MakeFolders(folder.spool()));
  TILL_TRY(MakeFolders(folder.mirror()));
  return folder;
}

std::string DataFolder::ObjectPath(const crypto::Sha256Digest& name) const {
  const std::string hex = ToHex(name);
  return objects() + "/" + hex.substr(0, 2) + "/" + hex;
}

std::string DataFolder::SpoolPath(const crypto::Sha256Digest& name) const { return spool() + "/" + ToHex(name); }

}  // namespace till::edge
