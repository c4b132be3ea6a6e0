#include "server/artifacts/artifact_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/store/keys.h"
#include "server/store/record.h"

namespace till::server {
namespace {

bool IsSha256Hex(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Status SyncFolder(const std::string& path) {
  UniqueFd folder = TILL_TRY(OpenFile(path, O_RDONLY | O_DIRECTORY));
  if (fsync(folder.get()) != 0) return SystemError("fsync of a folder");
  return Ok();
}

}  // namespace

Result<std::unique_ptr<ArtifactStore>> ArtifactStore::Open(const std::string& folder) {
  const std::string incoming = folder + "/incoming";
  TILL_TRY(MakeFolders(incoming));
  DIR* listing = opendir(incoming.c_str());
  if (!listing) return SystemError("open the artifact folder");
  while (const dirent* entry = readdir(listing)) {  // uploads that a stop cut short
    if (entry->d_name[0] != '.') unlinkat(dirfd(listing), entry->d_name, 0);
  }
  closedir(listing);
  return std::unique_ptr<ArtifactStore>(new ArtifactStore(folder));
}

std::string ArtifactStore::PathOf(std::string_view sha256_hex) const {
  std::string path = folder_;
  path += '/';
  path += sha256_hex.substr(0, 2);
  path += '/';
  path += sha256_hex;
  return path;
}

bool ArtifactStore::Has(std::string_view sha256_hex) const {
  return IsSha256Hex(sha256_hex) && FileExists(PathOf(sha256_hex));
}

Result<UniqueFd> ArtifactStore::OpenBlob(std::string_view sha256_hex) const {
  if (!IsSha256Hex(sha256_hex)) return Error{ErrorCode::kNotFound, "not a SHA-256"};
  return OpenFile(PathOf(sha256_hex), O_RDONLY);
}

Result<std::unique_ptr<ArtifactStore::Upload>> ArtifactStore::Begin(uint64_t max_bytes) {
  uint64_t number;
  {
    const std::lock_guard lock(mutex_);
    number = next_upload_++;
  }
  std::string path = folder_ + "/incoming/" + std::to_string(number);
  UniqueFd fd = TILL_TRY(OpenFile(path, O_WRONLY | O_CREAT | O_EXCL));
  return std::unique_ptr<Upload>(new Upload(*this, std::move(path), std::move(fd), max_bytes));
}

ArtifactStore::Upload::Upload(ArtifactStore& owner, std::string path, UniqueFd fd, uint64_t max_bytes)
    : owner_(owner),
      path_(std::move(path)),
      fd_(std::move(fd)),
      max_bytes_(max_bytes),
      sha256_(crypto::HashKind::kSha256),
      sha1_(crypto::HashKind::kSha1),
      md5_(crypto::HashKind::kMd5) {}

ArtifactStore::Upload::~Upload() {
  if (!path_.empty()) unlink(path_.c_str());
}

Status ArtifactStore::Upload::Write(ByteView bytes) {
  if (bytes.size() > max_bytes_ - blob_.size) return Error{ErrorCode::kLimit, "artifact too large", max_bytes_};
  TILL_TRY(WriteAll(fd_.get(), bytes));
  blob_.size += bytes.size();
  sha256_.Update(bytes);
  sha1_.Update(bytes);
  md5_.Update(bytes);
  return Ok();
}

Result<Blob> ArtifactStore::Upload::Finish() {
  blob_.sha256 = ToHex(sha256_.Finish());
  blob_.sha1 = ToHex(sha1_.Finish());
  blob_.md5 = ToHex(md5_.Finish());
  return blob_;
}

Status ArtifactStore::Upload::Commit() {
  assert(!blob_.sha256.empty() && !path_.empty());
  if (fsync(fd_.get()) != 0) return SystemError("fsync of an artifact");
  const std::string folder = owner_.folder_ + "/" + blob_.sha256.substr(0, 2);
  TILL_TRY(MakeFolders(folder));
  if (rename(path_.c_str(), owner_.PathOf(blob_.sha256).c_str()) != 0) return SystemError("name an artifact");
  path_.clear();
  TILL_TRY(SyncFolder(folder));
  return SyncFolder(owner_.folder_);
}

Result<std::optional<Blob>> FindBlob(kv::ReadTxn& txn, std::string_view sha256_hex) {
  const auto raw = FromHex(sha256_hex);
  if (!raw.ok() || raw->size() != 32) return std::optional<Blob>();
  const auto stored = TILL_TRY(txn.Get(Key('B', AsText(*raw))));
  if (!stored) return std::optional<Blob>();
  Blob blob = TILL_TRY(Decode<Blob>(*stored));
  blob.sha256 = sha256_hex;
  return std::optional(std::move(blob));
}

Status PutBlob(kv::WriteTxn& txn, const Blob& blob) {
  return txn.Put(Key('B', AsText(TILL_TRY(FromHex(blob.sha256)))), Encode(blob));
}

}  // namespace till::server
