#include "packer/release_verifier.h"

#include <stdlib.h>

#include <filesystem>

#include "core/file.h"
#include "delta/chunks/chunk_file.h"
#include "packer/bounded_apply.h"
#include "packer/chunk_tier.h"

namespace till::packer {
namespace {

// A folder for the metadata that is trusted during one check.
class ScratchFolder {
 public:
  static Result<ScratchFolder> Make() {
    std::string path = std::filesystem::temp_directory_path().string() + "/tillpack-verify-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) return SystemError("cannot make a temporary folder");
    return ScratchFolder(path);
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Result<std::unique_ptr<tuf::Client>> TrustedMetadata(const VerifyOptions& options, const std::string& scratch) {
  const std::string tuf_folder = options.out_folder + "/tuf";
  const std::string root_path = options.trusted_root.empty() ? tuf_folder + "/1.root.json" : options.trusted_root;
  const std::string root = TILL_TRY(ReadTextFile(root_path));
  tuf::Client::Options client_options;
  client_options.folder = scratch;
  client_options.now_unix_s = [now = options.now_unix_s] { return now; };
  std::unique_ptr<tuf::Client> client = TILL_TRY(tuf::Client::Open(std::move(client_options), root));
  TILL_TRY(client->Refresh(
      [&](const std::string& name, uint64_t max_bytes) { return ReadTextFile(tuf_folder + "/" + name, max_bytes); }));
  return client;
}

Status CheckEntry(const tuf::Client& trusted, const tuf::TargetEntry& wanted, Source& file) {
  const tuf::TargetEntry* entry = trusted.FindByPath(wanted.path);
  if (entry == nullptr || entry->role != wanted.role) return Error{ErrorCode::kRefused, "no signed entry names it"};
  if (!(entry->custom == wanted.custom))
    return Error{ErrorCode::kRefused, "its signed entry says something else than release.json"};
  const crypto::Sha256Digest digest = TILL_TRY(crypto::Sha256OfSource(file));
  if (entry->length != file.size() || entry->sha256 != digest)
    return Error{ErrorCode::kRefused, "its bytes are not the signed ones"};
  return Ok();
}

// The assembler hashes what it writes, and compares.
class NullSink : public Sink {
 public:
  Status Write(ByteView) override { return Ok(); }
  Status Finish() override { return Ok(); }
};

Status Apply(const VerifyOptions& options, const ProofPaths& paths, const crypto::Sha256Digest& image,
             VerifiedPayload& verified) {
  const Proof proof =
      TILL_TRY(options.tillpack.empty() ? ProveHere(paths, false) : ProveInChild(options.tillpack, paths));
  if (proof.target != image) return Error{ErrorCode::kRefused, "it makes another image than the signed one"};
  verified.applied = true;
  verified.peak_rss_kib = proof.peak_rss_kib;
  verified.grown_rss_kib = proof.grown_rss_kib;
  verified.limit_enforced = proof.limit_enforced;
  return Ok();
}

// Chunks, fetched one and all by a terminal that holds nothing.
Status AssembleAll(const std::string& path, const crypto::Sha256Digest& image, VerifiedPayload& verified) {
  FileSource file = TILL_TRY(FileSource::Open(path));
  if (TILL_TRY(delta::OpenChunkFile(file)).index.target_sha256 != image)
    return Error{ErrorCode::kRefused, "its index names another image than the signed one"};
  NullSink target;
  TILL_TRY(PlayChunks("", path, {&target, nullptr}));
  verified.applied = true;
  return Ok();
}

}  // namespace

Status VerifyRelease(const VerifyOptions& options, const ReleaseRecord& release,
                     const std::function<void(const VerifiedPayload&)>& on_payload, std::string& error_context) {
  error_context = options.out_folder + "/tuf";
  if (!FileExists(error_context)) return Error{ErrorCode::kNotFound, "the signed metadata is not beside the release"};
  const ScratchFolder scratch = TILL_TRY(ScratchFolder::Make());
  const std::unique_ptr<tuf::Client> trusted = TILL_TRY(TrustedMetadata(options, scratch.path()));
  const std::string folder = options.out_folder + "/" + release.version + "/";
  const std::vector<tuf::TargetEntry> wanted = TargetEntries(release);
  size_t next = 0;
  for (const ComponentRecord& component : release.components) {
    error_context = folder + component.image_file;
    FileSource image = TILL_TRY(FileSource::Open(error_context));
    TILL_TRY(CheckEntry(*trusted, wanted[next++], image));
    for (const PayloadRecord& payload : component.payloads) {
      error_context = folder + payload.file;
      FileSource file = TILL_TRY(FileSource::Open(error_context));
      TILL_TRY(CheckEntry(*trusted, wanted[next++], file));
      VerifiedPayload verified;
      verified.file = payload.file;
      verified.arena_bytes = payload.arena_bytes;
      const std::string base_path = options.out_folder + "/" + payload.base_version + "/" + component.image_file;
      if (options.apply_all && payload.is_delta() && !FileExists(base_path)) {
        verified.skipped_because = "the base image " + base_path + " is not here";
      } else if (options.apply_all) {
        TILL_TRY(payload.kind == PayloadRecord::Kind::kChunks
                     ? AssembleAll(error_context, component.image_sha256, verified)
                     : Apply(options, ProofPaths{payload.is_delta() ? base_path : "", error_context},
                             component.image_sha256, verified));
      }
      on_payload(verified);
    }
  }
  return Ok();
}

}  // namespace till::packer
