#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "core/clock.h"
#include "core/text.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/release_verifier.h"

namespace till::packer {
namespace {

struct Arguments {
  std::string folder;
  std::string trusted_root;
  bool apply_all = false;
};

void Tell(const GlobalOptions& options, const VerifiedPayload& payload) {
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", "payload.verified").Set("file", payload.file).Set("applied", payload.applied);
    event.Set("arena_bytes", payload.arena_bytes);
    if (payload.applied) {
      event.Set("peak_rss_kib", payload.peak_rss_kib).Set("grown_rss_kib", payload.grown_rss_kib);
      event.Set("limit_enforced", payload.limit_enforced);
    }
    if (!payload.skipped_because.empty()) event.Set("skipped_because", payload.skipped_because);
    std::printf("%s\n", json::Write(event).c_str());
    return;
  }
  const std::string measured = payload.limit_enforced ? ", limited by the kernel; grew by " : "; grew by ";
  const std::string how = payload.applied ? "applied in " + FormatSize(payload.arena_bytes) + measured +
                                                FormatSize(payload.grown_rss_kib << 10)
                          : payload.skipped_because.empty() ? "bytes are the signed ones"
                                                            : "NOT applied: " + payload.skipped_because;
  std::printf(" ok   %-40s %s\n", Printable(payload.file).c_str(), Printable(how).c_str());
}

int Verify(const GlobalOptions& options, const Arguments& arguments) {
  const Result<ReleaseRecord> release = ReadReleaseRecord(arguments.folder);
  if (!release.ok()) return Fail(options, kExitFailed, kNoRelease, arguments.folder, &release.error());
  VerifyOptions verify;
  verify.out_folder = std::filesystem::absolute(arguments.folder).lexically_normal().parent_path().string();
  if (arguments.folder.back() == '/')
    verify.out_folder = std::filesystem::path(verify.out_folder).parent_path().string();
  verify.trusted_root = arguments.trusted_root;
  verify.apply_all = arguments.apply_all;
  verify.tillpack = "/proc/self/exe";
  verify.now_unix_s = SystemClock().UnixMs() / 1000;
  std::string context;
  unsigned applied = 0;
  unsigned total = 0;
  const Status verified = VerifyRelease(
      verify, *release,
      [&](const VerifiedPayload& payload) {
        Tell(options, payload);
        applied += payload.applied ? 1 : 0;
        ++total;
      },
      context);
  if (!verified.ok() && verified.error().code == ErrorCode::kNotFound)
    return Fail(options, kExitFailed, kNoRelease, context, &verified.error());
  if (!verified.ok()) return Fail(options, kExitVerification, kVerifyFailed, context, &verified.error());
  if (!options.json) {
    for (const ComponentRecord& component : release->components) {
      std::printf(" ok   %u of %u payloads %s %s sha256:%s\n", arguments.apply_all ? applied : total, total,
                  arguments.apply_all ? "give" : "stand for", component.component.c_str(),
                  ToHex(component.image_sha256).c_str());
    }
  }
  if (!arguments.apply_all || applied == total) return kExitOk;
  return Fail(options, kExitFailed, kNotAllApplied,
              arguments.folder + ": " + std::to_string(total - applied) + " of " + std::to_string(total));
}

}  // namespace

void AddVerifyCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* verify =
      program.add_subcommand("verify", "Check a release as a terminal would (exit 3 when it does not hold)");
  verify->add_option("folder", arguments->folder, "Release folder, as in out/1.5.0")
      ->required()
      ->check(CLI::ExistingDirectory);
  verify->add_option("--trusted-root", arguments->trusted_root,
                     "The root the terminals hold (default: out/tuf/1.root.json)");
  verify->add_flag("--apply-all", arguments->apply_all,
                   "Rebuild the image from every payload, in a process limited to the memory it declares");
  verify->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return Verify(options, *arguments); }; });
}

}  // namespace till::packer
