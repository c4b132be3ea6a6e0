// tillpack apply: a payload applied by the terminal's own applier, under the memory it declares.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/json/json.h"
#include "core/text.h"
#include "delta/apply/apply_to_file.h"
#include "packer/bounded_apply.h"
#include "packer/bsdiff_patch.h"
#include "packer/commands.h"
#include "packer/faults.h"

namespace till::packer {
namespace {

struct Arguments {
  delta::ApplyPaths paths;
  std::string max_memory = "8MiB";
  bool check = false;
};

// The proof: nothing is written, and the kernel gives no more memory than the payload declares.
int Check(const GlobalOptions& options, const Arguments& arguments) {
  const Result<Proof> proof = ProveHere({arguments.paths.base, arguments.paths.payload}, true);
  if (!proof.ok()) {
    const ErrorCode code = proof.error().code;
    const bool broken = code == ErrorCode::kCorrupt || code == ErrorCode::kRefused || code == ErrorCode::kUnsupported;
    const int exit_code = broken ? kExitVerification : code == ErrorCode::kLimit ? kExitCeiling : kExitFailed;
    return Fail(options, exit_code, kCheckFailed, arguments.paths.payload, &proof.error());
  }
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", "check.done").Set("file", arguments.paths.payload).Set("sha256", ToHex(proof->target));
    event.Set("arena_bytes", proof->arena_bytes).Set("peak_rss_kib", proof->peak_rss_kib);
    event.Set("grown_rss_kib", proof->grown_rss_kib).Set("limit_enforced", proof->limit_enforced);
    std::printf("%s\n", json::Write(event).c_str());
    return kExitOk;
  }
  std::printf(" ok   %s gives sha256:%s, arena %s, grew by %s%s\n", Printable(arguments.paths.payload).c_str(),
              ToHex(proof->target).c_str(), FormatSize(proof->arena_bytes).c_str(),
              FormatSize(proof->grown_rss_kib << 10).c_str(), proof->limit_enforced ? ", limited by the kernel" : "");
  return kExitOk;
}

int Apply(const GlobalOptions& options, Arguments& arguments) {
  const Result<uint64_t> ceiling = ParseSize(arguments.max_memory);
  if (!ceiling.ok())
    return Fail(options, kExitUsage, kBadArgument, "--max-memory " + arguments.max_memory, &ceiling.error());
  if (!arguments.check && arguments.paths.out.empty())
    return Fail(options, kExitUsage, kBadArgument, "--out is missing (or --check, to write nothing)");
  if (IsBsdiffPatch(arguments.paths.payload)) {
    return ApplyBsdiffPatch(
        options, {arguments.paths.base, arguments.paths.payload, arguments.check ? "" : arguments.paths.out, *ceiling});
  }
  if (arguments.check) return Check(options, arguments);
  arguments.paths.max_arena_bytes = *ceiling;
  const delta::ApplyOutcome outcome = delta::ApplyToFile(arguments.paths);
  if (!outcome.status.ok()) {
    return Fail(options, outcome.exit_code, *outcome.fault, outcome.context, &outcome.status.error());
  }
  const std::string digest = ToHex(outcome.header.target_sha256);
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", "apply.done").Set("file", arguments.paths.out).Set("sha256", digest);
    event.Set("bytes", outcome.header.target_size).Set("arena_bytes", outcome.header.arena_bytes);
    event.Set("peak_rss_kib", outcome.peak_rss_kib);
    std::printf("%s\n", json::Write(event).c_str());
    return kExitOk;
  }
  std::printf(" ok   %s: %s, sha256:%s, arena %s\n", Printable(arguments.paths.out).c_str(),
              FormatSize(outcome.header.target_size).c_str(), digest.c_str(),
              FormatSize(outcome.header.arena_bytes).c_str());
  return kExitOk;
}

}  // namespace

void AddApplyCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      program.add_subcommand("apply", "Rebuild an image as a terminal does (exit 3: wrong base or payload)");
  command->add_option("--from", arguments->paths.base, "The image to start from (not for a full payload)");
  command->add_option("--payload", arguments->paths.payload, "Payload, or a patch of bsdiff 4 (BSDIFF40)")->required();
  command->add_option("-o,--out", arguments->paths.out, "Image to write");
  command->add_flag("--check", arguments->check,
                    "Write nothing: hash the result, in no more memory than the payload declares");
  command->add_option("--max-memory", arguments->max_memory, "Refuse payloads that declare more (exit 4)")
      ->capture_default_str();
  command->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return Apply(options, *arguments); }; });
}

}  // namespace till::packer
