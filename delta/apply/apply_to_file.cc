#include "delta/apply/apply_to_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "core/output_file.h"
#include "core/text.h"
#include "delta/apply/faults.h"
#include "delta/apply/payload_file.h"

namespace till::delta {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitVerification = 3;
constexpr int kExitCeiling = 4;

uint64_t PeakRssKib() {
  // Not ReadTextFile: files of /proc have no size.
  const Result<UniqueFd> file = OpenFile("/proc/self/status", O_RDONLY);
  if (!file.ok()) return 0;
  std::byte text[4096];
  const Result<size_t> got = ReadSomeAt(file->get(), 0, text);
  if (!got.ok()) return 0;
  for (const std::string_view line : Split(AsText(ByteView(text, *got)), '\n')) {
    if (!line.starts_with("VmHWM:")) continue;
    const std::string_view number = Trim(line.substr(6));
    const Result<uint64_t> kib = ParseUint(number.substr(0, number.find(' ')));
    return kib.ok() ? *kib : 0;
  }
  return 0;
}

ApplyOutcome Failed(const Error& error, const Fault& fault, const std::string& context, int exit_code) {
  ApplyOutcome outcome;
  outcome.status = error;
  outcome.fault = &fault;
  outcome.context = context;
  outcome.exit_code = exit_code;
  return outcome;
}

ApplyOutcome PayloadUnusable(const Error& error, const std::string& path) {
  if (error.code == ErrorCode::kUnsupported) return Failed(error, kPayloadTooNew, path, kExitVerification);
  if (error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kLimit) {
    return Failed(error, kBadPayload, path, kExitVerification);
  }
  return Failed(error, kApplyFailed, path, kExitFailed);
}

// "old.img is sha256:…, the payload wants sha256:…"; the path alone when the base cannot be read again.
std::string BothHashes(const std::string& path, Source& base, const PayloadHeader& header) {
  if (path.empty()) return "no base was given; the payload wants sha256:" + ToHex(header.base_sha256);
  const Result<crypto::Sha256Digest> is = crypto::Sha256OfSource(base);
  if (!is.ok()) return path;
  return path + " has " + std::to_string(base.size()) + " bytes, sha256:" + ToHex(*is) + "; the payload wants " +
         std::to_string(header.base_size) + " bytes, sha256:" + ToHex(header.base_sha256);
}

// "update.till has 100 bytes, its chunk list says 2000"; the path alone when the length is not what is wrong.
std::string BothLengths(const std::string& path, Source& payload) {
  std::byte start[ChunkList::kHeaderBytes];
  if (!ReadFully(payload, 0, start).ok()) return path + " has " + std::to_string(payload.size()) + " bytes";
  const Result<uint64_t> list_bytes = ChunkList::EncodedLength(start);
  ByteReader reader(start);
  if (!list_bytes.ok() || !reader.Skip(8).ok()) return path;
  const uint64_t wanted = *list_bytes + reader.U64().value();
  if (wanted == payload.size()) return path;
  return path + " has " + std::to_string(payload.size()) + " bytes, its chunk list says " + std::to_string(wanted);
}

Status WriteTarget(const ApplyPaths& paths, Source& payload, Source* base) {
  OutputFile out = TILL_TRY(OutputFile::Open(paths.out));
  return ApplyPayloadFile(
      {.payload = &payload, .base = base, .target = &out, .max_arena_bytes = paths.max_arena_bytes});
}

}  // namespace

ApplyOutcome ApplyToFile(const ApplyPaths& paths) {
  Result<FileSource> payload = FileSource::Open(paths.payload);
  if (!payload.ok()) return Failed(payload.error(), kApplyUnreadable, paths.payload, kExitFailed);
  const Result<PayloadFile> file = OpenPayload(*payload);
  if (!file.ok()) return PayloadUnusable(file.error(), BothLengths(paths.payload, *payload));
  const PayloadHeader header = file->header;
  if (header.arena_bytes > paths.max_arena_bytes) {
    const std::string both = paths.payload + " declares " + FormatSize(header.arena_bytes) + ", allowed are " +
                             FormatSize(paths.max_arena_bytes);
    return Failed({ErrorCode::kLimit, "bytes declared", header.arena_bytes}, kMemoryCeiling, both, kExitCeiling);
  }
  FileSource base(UniqueFd(), 0);
  if (!paths.base.empty()) {
    Result<FileSource> opened = FileSource::Open(paths.base);
    if (!opened.ok()) return Failed(opened.error(), kApplyUnreadable, paths.base, kExitFailed);
    base = std::move(opened).value();
  }
  ApplyOutcome outcome;
  outcome.status = WriteTarget(paths, *payload, paths.base.empty() ? nullptr : &base);
  if (!outcome.status.ok()) {
    const Error& error = outcome.status.error();
    if (error.code == ErrorCode::kRefused)
      return Failed(error, kWrongBase, BothHashes(paths.base, base, header), kExitVerification);
    if (error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kUnsupported) {
      return PayloadUnusable(error, paths.payload);
    }
    return Failed(error, kApplyFailed, paths.out, kExitFailed);
  }
  outcome.header = header;
  outcome.peak_rss_kib = PeakRssKib();
  return outcome;
}

}  // namespace till::delta
