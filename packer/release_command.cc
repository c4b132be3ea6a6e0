#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "core/clock.h"
#include "core/text.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/key_ring.h"
#include "packer/progress.h"
#include "packer/release_builder.h"

namespace till::packer {
namespace {

struct Arguments {
  std::string config = "tillrace.toml";
  std::string version;
  std::vector<std::string> images;
  unsigned jobs = 0;
  bool require_delta = false;
};

void PrintReports(const ReleaseRecord& release, const std::vector<PayloadReport>& reports) {
  for (const ComponentRecord& component : release.components) {
    std::printf(" %s %s %s  sha256:%s\n", Printable(release.product).c_str(), release.version.c_str(),
                component.component.c_str(), ToHex(component.image_sha256).c_str());
  }
  std::printf(" component  base        payload     of full   memory\n");
  for (const PayloadReport& report : reports) {
    const std::string base = report.base_version.empty() ? "(full)" : report.base_version;
    if (!report.kept) {
      std::printf(" %-10s %-11s --                    skipped: %s, %s\n", report.component.c_str(), base.c_str(),
                  FormatSize(report.bytes).c_str(), report.why_not.c_str());
      continue;
    }
    const uint64_t permille = report.full_bytes == 0 ? 0 : report.bytes * 1000 / report.full_bytes;
    std::printf(" %-10s %-11s %-11s %3llu.%llu %%   %s\n", report.component.c_str(), base.c_str(),
                FormatSize(report.bytes).c_str(), static_cast<unsigned long long>(permille / 10),
                static_cast<unsigned long long>(permille % 10), FormatSize(report.arena_bytes).c_str());
  }
}

int FailBuild(const GlobalOptions& options, const ReleaseBuilder& builder, const Error& error) {
  const std::string& context = builder.error_context();
  if (context.starts_with("--image")) return Fail(options, kExitUsage, kBadArgument, context, &error);
  if (error.code == ErrorCode::kConflict) return Fail(options, kExitConflict, kReleaseExists, context, &error);
  if (error.code == ErrorCode::kRefused) return Fail(options, kExitSigning, kKeysUnusable, context, &error);
  return Fail(options, kExitFailed, kReleaseFailed, context, &error);
}

int MakeRelease(const GlobalOptions& options, const Arguments& arguments) {
  ConfigFault fault;
  const Result<ReleaseConfig> config = LoadReleaseConfig(arguments.config, fault);
  if (!config.ok()) return Fail(options, kExitUsage, kBadConfig, fault.where + " " + fault.what, &config.error());
  const Result<tuf::RoleSet> keys = LoadKeys(config->keys_folder);  // before minutes of work, not after
  if (!keys.ok()) return Fail(options, kExitSigning, kKeysUnusable, config->keys_folder, &keys.error());
  ReleaseRequest request;
  request.version = arguments.version;
  request.jobs = arguments.jobs == 0 ? static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN)) : arguments.jobs;
  request.now_unix_s = SystemClock().UnixMs() / 1000;
  for (const std::string& image : arguments.images) {
    const size_t equals = image.find('=');
    if (equals == std::string::npos)
      return Fail(options, kExitUsage, kBadArgument, "--image " + image + ": must read COMPONENT=FILE");
    request.image_files.emplace_back(image.substr(0, equals), image.substr(equals + 1));
  }
  auto progress = std::make_unique<Progress>(options, SystemClock());
  ReleaseBuilder builder(*config, [&](const BuildProgress& step) {
    progress->Show({step.what, step.stage, step.done_bytes, step.total_bytes});
  });
  const Result<ReleaseRecord> release = builder.Build(request);
  progress.reset();  // the bar goes before the table comes
  if (!release.ok()) return FailBuild(options, builder, release.error());
  bool any_delta = false;
  for (const PayloadReport& report : builder.reports())
    any_delta = any_delta || (report.kept && !report.base_version.empty());
  if (options.json) {
    json::Value done = ToJson(*release);
    done.Set("event", "release.done");
    std::printf("%s\n", json::Write(done).c_str());
  } else {
    PrintReports(*release, builder.reports());
  }
  return arguments.require_delta && !any_delta ? kExitNoDelta : kExitOk;
}

}  // namespace

void AddReleaseCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* release =
      program.add_subcommand("release", "Make and sign a release: full payloads and deltas from earlier releases");
  release->add_option("--version", arguments->version, "Version of the release")->required();
  release->add_option("--config", arguments->config, "Configuration")->capture_default_str();
  release->add_option("--image", arguments->images, "COMPONENT=FILE: another file than the configuration names");
  release->add_option("-j,--jobs", arguments->jobs, "Payloads made at a time (default: one per processor)")
      ->check(CLI::Range(1, 256));
  release->add_flag("--require-delta", arguments->require_delta, "Exit 5 when no delta was worth keeping");
  release->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return MakeRelease(options, *arguments); }; });
}

}  // namespace till::packer
