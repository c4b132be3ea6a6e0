// The artifact directory: immutable files named by their SHA-256, DATA/artifacts/ab/ab12….
//   An upload is written beside, hashed as it comes (SHA-256, SHA-1, MD5), fsynced and renamed: a name never shows
//   other bytes. What was not committed is removed by the destructor, and at the next start. Sizes and the old hashes
//   are kept in the store (they cannot be had from the name). Any thread; an Upload: one.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/crypto/hash.h"
#include "core/file.h"
#include "core/kv/kv.h"

namespace till::server {

struct Blob {
  std::string sha256, sha1, md5;  // lower-case hex
  uint64_t size = 0;
};

class ArtifactStore {
 public:
  // Makes the folder when missing and empties its `incoming`.
  static Result<std::unique_ptr<ArtifactStore>> Open(const std::string& folder);

  class Upload {
   public:
    ~Upload();
    Status Write(ByteView bytes);  // kLimit: disk full or above max_bytes
    // The hashes of what came; nothing is named yet.
    Result<Blob> Finish();
    // After Finish(): makes it durable under its SHA-256 (a file that is there already is kept).
    Status Commit();

   private:
    friend class ArtifactStore;
    Upload(ArtifactStore& owner, std::string path, UniqueFd fd, uint64_t max_bytes);
    ArtifactStore& owner_;
    std::string path_;
    UniqueFd fd_;
    uint64_t max_bytes_;
    crypto::Hasher sha256_, sha1_, md5_;
    Blob blob_;
  };
  Result<std::unique_ptr<Upload>> Begin(uint64_t max_bytes);

  bool Has(std::string_view sha256_hex) const;
  // Opened for reading; kNotFound.
  Result<UniqueFd> OpenBlob(std::string_view sha256_hex) const;
  std::string PathOf(std::string_view sha256_hex) const;

 private:
  explicit ArtifactStore(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
  std::mutex mutex_;
  uint64_t next_upload_ = 0;
};

// What the store knows of a blob. Put after Commit(), in the transaction that refers to it.
Result<std::optional<Blob>> FindBlob(kv::ReadTxn& txn, std::string_view sha256_hex);
Status PutBlob(kv::WriteTxn& txn, const Blob& blob);

}  // namespace till::server
