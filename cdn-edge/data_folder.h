// The edge's folder on disk, and the lock that makes it ours alone.
//   lock       flock(2) held while the process lives        index/   LMDB: what is stored (object_index.h)
//   objects/   xx/<sha256>: one sparse file per object      spool/   objects whose hash is not known to be right yet
//   tuf/       the trusted set as core/tuf keeps it         mirror/  the verified files as clients ask for them
//   Errors of Open: kConflict when another process holds the lock, else kIo (errno).
#pragma once

#include <string>

#include "core/crypto/hash.h"
#include "core/file.h"

namespace till::edge {

class DataFolder {
 public:
  static Result<DataFolder> Open(const std::string& path);

  std::string index() const { return path_ + "/index"; }
  std::string objects() const { return path_ + "/objects"; }
  std::string spool() const { return path_ + "/spool"; }
  std::string tuf() const { return path_ + "/tuf"; }
  std::string mirror() const { return path_ + "/mirror"; }
  std::string ObjectPath(const crypto::Sha256Digest& name) const;
  std::string SpoolPath(const crypto::Sha256Digest& name) const;

 private:
  DataFolder(std::string path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  UniqueFd lock_;
};

}  // namespace till::edge
