#include "packer/bsdiff_patch.h"

#include <cstdio>
#include <optional>

#include "core/crypto/hash.h"
#include "core/file.h"
#include "core/json/json.h"
#include "core/output_file.h"
#include "core/text.h"
#include "delta/bsdiff/bsdiff40.h"
#include "packer/faults.h"
#include "packer/payload_maker.h"

namespace till::packer {
namespace {

// To a file or to nowhere, hashed: a patch names no image that could be compared.
class HashedOutput : public Sink {
 public:
  explicit HashedOutput(Sink* file) : file_(file) {}
  Status Write(ByteView bytes) override {
    hash_.Update(bytes);
    length_ += bytes.size();
    return file_ == nullptr ? Ok() : file_->Write(bytes);
  }
  Status Finish() override { return file_ == nullptr ? Ok() : file_->Finish(); }
  crypto::Sha256Digest digest() { return hash_.Finish(); }
  uint64_t length() const { return length_; }

 private:
  Sink* file_;
  crypto::Sha256 hash_;
  uint64_t length_ = 0;
};

int TellFailure(const GlobalOptions& options, const PatchPaths& paths, const Error& error) {
  if (error.code == ErrorCode::kLimit) return Fail(options, kExitCeiling, kPatchCeiling, paths.patch, &error);
  if (error.code == ErrorCode::kIo) return Fail(options, kExitFailed, kOutputUnwritable, paths.out, &error);
  return Fail(options, kExitVerification, kBadPatch, paths.patch, &error);
}

int TellDone(const GlobalOptions& options, const PatchPaths& paths, HashedOutput& made) {
  const std::string digest = ToHex(made.digest());
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", paths.out.empty() ? "check.done" : "apply.done").Set("format", "bsdiff40");
    event.Set("file", paths.out.empty() ? paths.patch : paths.out).Set("sha256", digest);
    event.Set("bytes", made.length()).Set("arena_bytes", delta::kBsdiff40ApplyBytes);
    std::printf("%s\n", json::Write(event).c_str());
    return kExitOk;
  }
  std::printf(" ok   %s: %s, sha256:%s (a bsdiff patch names no image: compare the hash yourself)\n",
              Printable(paths.out.empty() ? paths.patch : paths.out).c_str(), FormatSize(made.length()).c_str(),
              digest.c_str());
  return kExitOk;
}

}  // namespace

bool IsBsdiffPatch(const std::string& path) {
  Result<FileSource> patch = FileSource::Open(path);
  if (!patch.ok()) return false;
  const auto header = delta::ReadBsdiff40Header(*patch);
  return header.ok() || header.error().code == ErrorCode::kCorrupt;
}

int ApplyBsdiffPatch(const GlobalOptions& options, const PatchPaths& paths) {
  if (paths.base.empty())
    return Fail(options, kExitUsage, kBadArgument, "--from is missing: a bsdiff patch has a base");
  if (paths.max_memory_bytes < delta::kBsdiff40ApplyBytes) {
    return Fail(options, kExitCeiling, kPatchCeiling,
                paths.patch + ": a bsdiff patch takes " + FormatSize(delta::kBsdiff40ApplyBytes) + ", allowed are " +
                    FormatSize(paths.max_memory_bytes));
  }
  Result<FileSource> base = FileSource::Open(paths.base);
  if (!base.ok()) return Fail(options, kExitFailed, kInputUnreadable, paths.base, &base.error());
  Result<FileSource> patch = FileSource::Open(paths.patch);
  if (!patch.ok()) return Fail(options, kExitFailed, kInputUnreadable, paths.patch, &patch.error());
  std::optional<OutputFile> out;
  if (!paths.out.empty()) {
    Result<OutputFile> opened = OutputFile::Open(paths.out);
    if (!opened.ok()) return Fail(options, kExitFailed, kOutputUnwritable, paths.out, &opened.error());
    out.emplace(std::move(opened).value());
  }
  HashedOutput made(out ? &*out : nullptr);
  const Status done = delta::ApplyBsdiff40(*base, *patch, kMaxImageFileBytes, made);
  return done.ok() ? TellDone(options, paths, made) : TellFailure(options, paths, done.error());
}

int TellAboutBsdiffPatch(const GlobalOptions& options, const std::string& path) {
  Result<FileSource> patch = FileSource::Open(path);
  if (!patch.ok()) return Fail(options, kExitFailed, kInputUnreadable, path, &patch.error());
  const auto header = delta::ReadBsdiff40Header(*patch);
  if (!header.ok()) return Fail(options, kExitVerification, kBadPatch, path, &header.error());
  if (options.json) {
    json::Value info = json::Value::Object();
    info.Set("kind", "bsdiff40").Set("bytes", patch->size()).Set("target_bytes", header->target_bytes);
    info.Set("arena_bytes", delta::kBsdiff40ApplyBytes);
    std::printf("%s\n", json::Write(info).c_str());
    return kExitOk;
  }
  std::printf("kind     bsdiff40 patch, for bspatch or `tillpack apply`; no terminal takes it\n");
  std::printf("patch    %s: control %s, diff %s, the rest new bytes\n", FormatSize(patch->size()).c_str(),
              FormatSize(header->control_coded_bytes).c_str(), FormatSize(header->diff_coded_bytes).c_str());
  std::printf("base     not named: any file is taken, and a wrong one gives a wrong image\n");
  std::printf("target   %llu bytes, no hash\n", static_cast<unsigned long long>(header->target_bytes));
  std::printf("memory   %s to apply\n", FormatSize(delta::kBsdiff40ApplyBytes).c_str());
  return kExitOk;
}

}  // namespace till::packer
