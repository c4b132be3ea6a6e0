// tillpack info: what a payload says about itself.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/file.h"
#include "core/json/json.h"
#include "core/text.h"
#include "delta/apply/payload_file.h"
#include "packer/commands.h"
#include "packer/faults.h"

namespace till::packer {
namespace {

void PrintJson(const delta::PayloadFile& file, uint64_t bytes) {
  const delta::PayloadHeader& h = file.header;
  json::Value info = json::Value::Object();
  info.Set("kind", delta::PayloadKindName(h.kind)).Set("bytes", bytes);
  info.Set("format", uint64_t{delta::kFormatVersion}).Set("minor", uint64_t{h.minor_version});
  info.Set("target_bytes", h.target_size).Set("target_sha256", ToHex(h.target_sha256));
  if (h.kind == delta::PayloadKind::kDelta) {
    info.Set("base_bytes", h.base_size).Set("base_sha256", ToHex(h.base_sha256));
  }
  info.Set("chunks_bytes", file.chunks.encoded_length()).Set("chunks_sha256", ToHex(file.chunks_sha256));
  info.Set("arena_bytes", uint64_t{h.arena_bytes}).Set("frames", uint64_t{h.frame_count}).Set("ops", h.op_count);
  std::printf("%s\n", json::Write(info).c_str());
}

void PrintText(const delta::PayloadFile& file, uint64_t bytes) {
  const delta::PayloadHeader& h = file.header;
  std::printf("kind     %s, format %u.%u\n", delta::PayloadKindName(h.kind), delta::kFormatVersion, h.minor_version);
  std::printf("payload  %s in %u frames, %llu ops\n", FormatSize(bytes).c_str(), h.frame_count,
              static_cast<unsigned long long>(h.op_count));
  if (h.kind == delta::PayloadKind::kDelta) {
    std::printf("base     sha256:%s, %llu bytes\n", ToHex(h.base_sha256).c_str(),
                static_cast<unsigned long long>(h.base_size));
  }
  std::printf("target   sha256:%s, %llu bytes\n", ToHex(h.target_sha256).c_str(),
              static_cast<unsigned long long>(h.target_size));
  std::printf("chunks   sha256:%s, %zu of 32 KiB\n", ToHex(file.chunks_sha256).c_str(), file.chunks.chunk_count());
  std::printf("memory   %s to apply\n", FormatSize(h.arena_bytes).c_str());
}

int Info(const GlobalOptions& options, const std::string& path) {
  Result<FileSource> source = FileSource::Open(path);
  if (!source.ok()) return Fail(options, kExitFailed, kInputUnreadable, path, &source.error());
  const Result<delta::PayloadFile> file = delta::OpenPayload(*source);
  if (!file.ok()) return Fail(options, kExitVerification, kNotAPayload, path, &file.error());
  options.json ? PrintJson(*file, source->size()) : PrintText(*file, source->size());
  return kExitOk;
}

}  // namespace

void AddInfoCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto path = std::make_shared<std::string>();
  CLI::App* command = program.add_subcommand("info", "Show what a payload is, what it starts from and what it needs");
  command->add_option("payload", *path, "Payload")->required();
  command->callback([&options, &run, path] { run = [&options, path] { return Info(options, *path); }; });
}

}  // namespace till::packer
