// tillpack delta and tillpack full: one payload from files, without a release around it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <thread>

#include "core/json/json.h"
#include "core/output_file.h"
#include "core/text.h"
#include "delta/apply/payload_file.h"
#include "delta/bsdiff/bsdiff40.h"
#include "delta/diff/diff.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/progress.h"

namespace till::packer {
namespace {

constexpr uint64_t kMaxInputBytes = uint64_t{2} << 30;

struct Arguments {
  std::string from;  // "" for a full payload
  std::string to;
  std::string out;
  std::string profile = "mt7688-64m";
  std::string format = "till";  // or "bsdiff40"
  unsigned jobs = 0;            // 0: as many as there are cores
};

void AddCounts(const delta::DiffCounts& counts, const delta::PayloadHeader& header, json::Value& event) {
  event.Set("blocks", uint64_t{counts.blocks}).Set("copied_blocks", uint64_t{counts.copied_blocks});
  event.Set("remade_blocks", uint64_t{counts.remade_blocks}).Set("raw_blocks", uint64_t{counts.raw_blocks});
  event.Set("remade_plain_bytes", counts.remade_plain_bytes).Set("base_decodes", counts.base_decodes);
  event.Set("mega_instructions", uint64_t{header.instruction_estimate});
}

int Report(const GlobalOptions& options, const Arguments& arguments, ByteView payload,
           const delta::DiffCounts& counts) {
  MemorySource source(payload);
  const Result<delta::PayloadFile> file = delta::OpenPayload(source);
  if (!file.ok()) return Fail(options, kExitFailed, kPayloadNotMade, arguments.out, &file.error());
  const delta::PayloadHeader& header = file->header;
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", std::string(delta::PayloadKindName(header.kind)) + ".done").Set("file", arguments.out);
    event.Set("bytes", uint64_t{payload.size()}).Set("target_bytes", header.target_size);
    event.Set("target_sha256", ToHex(header.target_sha256)).Set("arena_bytes", header.arena_bytes);
    if (header.kind == delta::PayloadKind::kDelta) AddCounts(counts, header, event);
    std::printf("%s\n", json::Write(event).c_str());
    return kExitOk;
  }
  if (counts.blocks > 0) {
    std::printf("      of %u blocks %u are copied, %u made again, %u sent; %llu openings of old blocks\n",
                counts.blocks, counts.copied_blocks, counts.remade_blocks, counts.raw_blocks,
                static_cast<unsigned long long>(counts.base_decodes));
  }
  std::printf(" ok   %s: %s for an image of %s, applied in %s\n", Printable(arguments.out).c_str(),
              FormatSize(payload.size()).c_str(), FormatSize(header.target_size).c_str(),
              FormatSize(header.arena_bytes).c_str());
  return kExitOk;
}

Result<Bytes> MakeInFormat(const Arguments& arguments, ByteView base, ByteView target,
                           const delta::DiffOptions& options, delta::DiffCounts& counts) {
  if (arguments.format == "bsdiff40") return delta::MakeBsdiff40(base, target, options);
  delta::DeltaResult made = TILL_TRY(delta::MakeDeltaWithCounts(base, target, options));
  counts = made.counts;
  return std::move(made.payload);
}

int ReportPatch(const GlobalOptions& options, const Arguments& arguments, uint64_t patch_bytes, uint64_t target_bytes) {
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", "delta.done").Set("format", arguments.format).Set("file", arguments.out);
    event.Set("bytes", patch_bytes).Set("target_bytes", target_bytes);
    std::printf("%s\n", json::Write(event).c_str());
    return kExitOk;
  }
  std::printf(" ok   %s: %s for an image of %s, a patch for bspatch\n", Printable(arguments.out).c_str(),
              FormatSize(patch_bytes).c_str(), FormatSize(target_bytes).c_str());
  return kExitOk;
}

int Make(const GlobalOptions& options, const Arguments& arguments) {
  const Result<Bytes> target = ReadBinaryFile(arguments.to, kMaxInputBytes);
  if (!target.ok()) return Fail(options, kExitFailed, kInputUnreadable, arguments.to, &target.error());
  const delta::Profile* profile = delta::FindProfile(arguments.profile);
  if (profile == nullptr) return Fail(options, kExitUsage, kBadArgument, UnknownProfile(arguments.profile));
  Result<OutputFile> out = OutputFile::Open(arguments.out);  // before minutes of work, not after
  if (!out.ok()) return Fail(options, kExitFailed, kOutputUnwritable, arguments.out, &out.error());
  Result<Bytes> payload = Error{ErrorCode::kInvalid, "not made"};
  delta::DiffCounts counts;
  {
    Progress progress(options, SystemClock());
    delta::DiffOptions diff_options;
    diff_options.profile = profile;
    diff_options.threads = arguments.jobs > 0 ? arguments.jobs : std::max(1u, std::thread::hardware_concurrency());
    diff_options.progress = [&](const delta::DiffProgress& at) {
      progress.Show({arguments.to, at.stage, at.done_bytes, at.total_bytes});
      return true;
    };
    if (arguments.from.empty()) {
      payload = delta::MakeFull(*target, diff_options);
    } else {
      const Result<Bytes> base = ReadBinaryFile(arguments.from, kMaxInputBytes);
      if (!base.ok()) return Fail(options, kExitFailed, kInputUnreadable, arguments.from, &base.error());
      payload = MakeInFormat(arguments, *base, *target, diff_options, counts);
    }
  }
  if (!payload.ok()) return Fail(options, kExitFailed, kPayloadNotMade, arguments.to, &payload.error());
  Status written = out->Write(*payload);
  if (written.ok()) written = out->Finish();
  if (!written.ok()) return Fail(options, kExitFailed, kOutputUnwritable, arguments.out, &written.error());
  if (arguments.format == "bsdiff40") return ReportPatch(options, arguments, payload->size(), target->size());
  return Report(options, arguments, *payload, counts);
}

}  // namespace

void AddDeltaCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand("delta", "Make the payload that turns one image into another");
  command->add_option("--from", arguments->from, "The image the terminals run")->required();
  command->add_option("--to", arguments->to, "The image they shall run")->required();
  command->add_option("-o,--out", arguments->out, "Payload to write")->required();
  command
      ->add_option("--profile", arguments->profile, "What the terminals can do: " + std::string(delta::ProfileNames()))
      ->capture_default_str();
  command
      ->add_option("--format", arguments->format,
                   "till, or bsdiff40: what Debian's bspatch applies (bytes against bytes, no profile)")
      ->check(CLI::IsMember({"till", "bsdiff40"}))
      ->capture_default_str();
  command->add_option("-j,--jobs", arguments->jobs, "Threads; the payload does not depend on them");
  command->callback([&options, &run, arguments] { run = [&options, arguments] { return Make(options, *arguments); }; });
}

void AddFullCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand("full", "Make the payload that gives an image without any base");
  command->add_option("--to", arguments->to, "The image")->required();
  command->add_option("-o,--out", arguments->out, "Payload to write")->required();
  command->callback([&options, &run, arguments] { run = [&options, arguments] { return Make(options, *arguments); }; });
}

}  // namespace till::packer
