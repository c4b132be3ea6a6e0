#include "delta/apply/apply_to_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "core/file.h"
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

Status WriteTarget(const ApplyPaths& paths, Source& payload, Source* base, const std::string& unfinished) {
  FileSink out = TILL_TRY(FileSink::Create(unfinished));
  TILL_TRY(
      ApplyPayloadFile({.payload = &payload, .base = base, .target = &out, .max_arena_bytes = paths.max_arena_bytes}));
  if (rename(unfinished.c_str(), paths.out.c_str()) != 0) return SystemError("cannot rename the result");
  return Ok();
}

}  // namespace

ApplyOutcome ApplyToFile(const ApplyPaths& paths) {
  Result<FileSource> payload = FileSource::Open(paths.payload);
  if (!payload.ok()) return Failed(payload.error(), kApplyFailed, paths.payload, kExitFailed);
  const Result<PayloadFile> file = OpenPayload(*payload);
  if (!file.ok()) return PayloadUnusable(file.error(), paths.payload);
  const PayloadHeader header = file->header;
  if (header.arena_bytes > paths.max_arena_bytes) {
    return Failed({ErrorCode::kLimit, "bytes declared", header.arena_bytes}, kMemoryCeiling, paths.payload,
                  kExitCeiling);
  }
  FileSource base(UniqueFd(), 0);
  if (!paths.base.empty()) {
    Result<FileSource> opened = FileSource::Open(paths.base);
    if (!opened.ok()) return Failed(opened.error(), kApplyFailed, paths.base, kExitFailed);
    base = std::move(opened).value();
  }
  const std::string unfinished = paths.out + ".unfinished";
  ApplyOutcome outcome;
  outcome.status = WriteTarget(paths, *payload, paths.base.empty() ? nullptr : &base, unfinished);
  if (!outcome.status.ok()) {
    unlink(unfinished.c_str());
    const Error& error = outcome.status.error();
    if (error.code == ErrorCode::kRefused) return Failed(error, kWrongBase, paths.base, kExitVerification);
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
