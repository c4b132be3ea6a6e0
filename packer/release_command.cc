#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>

#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/hub_command.h"
#include "packer/hub_metadata.h"
#include "packer/key_ring.h"
#include "packer/progress.h"
#include "packer/release_builder.h"
#include "packer/withdrawn.h"

namespace till::packer {
namespace {

struct Arguments {
  std::string config = "tillrace.toml";
  std::string version;
  std::vector<std::string> images;
  unsigned jobs = 0;
  bool require_delta = false;
  HubArguments hub;
};

std::string Permille(uint64_t part, uint64_t whole) {
  const uint64_t permille = whole == 0 ? 0 : part * 1000 / whole;
  char text[32];
  std::snprintf(text, sizeof text, "%3llu.%llu %%", static_cast<unsigned long long>(permille / 10),
                static_cast<unsigned long long>(permille % 10));
  return text;
}

std::string SecondsText(uint64_t instructions) {
  if (instructions == 0) return "--";
  return std::to_string(std::llround(ApplySeconds(instructions))) + " s";
}

void PrintReports(const ReleaseRecord& release, const std::vector<PayloadReport>& reports, const FleetCensus* census) {
  for (const ComponentRecord& component : release.components) {
    std::printf(" %s %s %s  sha256:%s\n", Printable(release.product).c_str(), release.version.c_str(),
                component.component.c_str(), ToHex(component.image_sha256).c_str());
  }
  std::printf(" component  base        terminals  payload     of full   memory     time on mt7688\n");
  for (const PayloadReport& report : reports) {
    const std::string base = report.is_chunks              ? "(chunks)"
                             : report.base_version.empty() ? "(full)"
                                                           : report.base_version;
    const bool counted = census != nullptr && !report.base_version.empty();
    const std::string terminals = counted ? std::to_string(report.terminals) : "";
    if (!report.kept) {
      std::printf(" %-10s %-11s %-10s --          skipped: %s, %s\n", report.component.c_str(), base.c_str(),
                  terminals.c_str(), FormatSize(report.bytes).c_str(), report.why_not.c_str());
      continue;
    }
    std::printf(" %-10s %-11s %-10s %-11s %s   %-10s %s\n", report.component.c_str(), base.c_str(), terminals.c_str(),
                FormatSize(report.bytes).c_str(), Permille(report.bytes, report.full_bytes).c_str(),
                FormatSize(report.arena_bytes).c_str(), SecondsText(report.instructions).c_str());
  }
  if (census == nullptr) return;
  for (const auto& [component, count] : census->elsewhere) {
    std::printf(" note  %llu terminals run a %s that no release here is: they get no delta\n",
                static_cast<unsigned long long>(count), component.c_str());
  }
}

void Warn(const GlobalOptions& options, const std::vector<BuildWarning>& warnings) {
  for (const BuildWarning& warning : warnings) {
    if (options.json) {
      json::Value event = json::Value::Object();
      event.Set("event", "warning").Set("code", kIrreproducible.code).Set("file", warning.file);
      event.Set("what", warning.what).Set("mend", warning.mend);
      std::printf("%s\n", json::Write(event).c_str());
    } else {
      std::fprintf(stderr, " note  %s: %s: %s (%s)\n", Printable(warning.file).c_str(), warning.what.c_str(),
                   warning.mend.c_str(), kIrreproducible.code);
    }
  }
}

int FailBuild(const GlobalOptions& options, const ReleaseBuilder& builder, const Error& error) {
  const std::string& context = builder.error_context();
  if (context.starts_with("--image")) return Fail(options, kExitUsage, kBadArgument, context, &error);
  if (error.code == ErrorCode::kConflict) return Fail(options, kExitConflict, kReleaseExists, context, &error);
  if (error.code == ErrorCode::kRefused) return Fail(options, kExitSigning, kKeysUnusable, context, &error);
  return Fail(options, kExitFailed, kReleaseFailed, context, &error);
}

// What the fleet runs, when the configuration wants deltas from that. Answers null and a zero exit code otherwise.
std::unique_ptr<FleetCensus> AskWhatRuns(const GlobalOptions& options, const Arguments& arguments,
                                         const ReleaseConfig& config, int& exit_code) {
  exit_code = kExitOk;
  if (config.bases.kind != BaseChoice::Kind::kDeployed) return nullptr;
  HubAccess access = arguments.hub.access;
  if (access.url.empty()) access.url = config.server_url;
  if (access.url.empty()) {
    exit_code = Fail(options, kExitUsage, kBadConfig,
                     arguments.config + ": [delta] from = \"deployed\" needs a hub to ask: [server] url, or --server");
    return nullptr;
  }
  const Result<std::string> token = ReadHubToken(arguments.hub.token_file);
  if (!token.ok()) {
    exit_code = Fail(options, kExitUsage, kBadArgument, "--token-file " + arguments.hub.token_file, &token.error());
    return nullptr;
  }
  access.token = *token;
  const Result<std::vector<ReleaseRecord>> releases = ReadReleases(config.out_folder);
  if (!releases.ok()) {
    exit_code = Fail(options, kExitFailed, kReleaseFailed, config.out_folder, &releases.error());
    return nullptr;
  }
  HubConnection hub(access);
  Result<FleetCensus> census = AskFleet(hub, *releases);
  if (!census.ok()) {
    const HubVerdict verdict = JudgeHubError(census.error(), kHubFailed);
    exit_code = Fail(options, verdict.exit_code, *verdict.fault, hub.error_context(), &census.error());
    return nullptr;
  }
  return std::make_unique<FleetCensus>(std::move(*census));
}

// What a worker signed since comes first. A hub that does not answer stops no release: `publish` asks it again.
int GoOnFromHub(const GlobalOptions& options, const Arguments& arguments, const ReleaseConfig& config,
                const tuf::RoleSet& keys) {
  HubAccess access = arguments.hub.access;
  if (access.url.empty()) access.url = config.server_url;
  const std::string tuf_folder = config.out_folder + "/tuf";
  if (access.url.empty() || !FileExists(tuf_folder)) return kExitOk;
  HubConnection hub(access);
  const Result<std::vector<std::string>> withdrawn = ReadWithdrawn(config.out_folder);
  if (!withdrawn.ok())
    return Fail(options, kExitFailed, kInputUnreadable, config.out_folder + "/withdrawn.json", &withdrawn.error());
  const Result<bool> caught_up = CatchUp(hub, {.tuf_folder = tuf_folder,
                                               .keys = [&] { return keys; },
                                               .now_unix_s = SystemClock().UnixMs() / 1000,
                                               .withdrawn = *withdrawn});
  if (!caught_up.ok() && caught_up.error().code != ErrorCode::kUnavailable) {
    const HubVerdict verdict = JudgeHubError(caught_up.error(), kHubFailed);
    return Fail(options, verdict.exit_code, *verdict.fault, hub.error_context(), &caught_up.error());
  }
  if (options.json) return kExitOk;
  if (!caught_up.ok()) {
    const bool foreign = http::IsCertificateRefusal(caught_up.error());
    std::fprintf(stderr, " note  the hub %s: its metadata is looked at by `publish`\n",
                 foreign ? "shows a certificate that does not verify (--ca)" : "does not answer");
  }
  if (caught_up.ok() && *caught_up) std::fprintf(stderr, " note  the hub's newer metadata was taken over\n");
  return kExitOk;
}

int MakeRelease(const GlobalOptions& options, const Arguments& arguments) {
  ConfigFault fault;
  const Result<ReleaseConfig> config = LoadReleaseConfig(arguments.config, fault);
  if (!config.ok()) return Fail(options, kExitUsage, kBadConfig, fault.where + " " + fault.what, &config.error());
  if (!IsVersionName(arguments.version)) {
    return Fail(options, kExitUsage, kBadArgument, "--version " + arguments.version + ": must be " + kVersionRule);
  }
  std::string about;
  const Result<tuf::RoleSet> keys = LoadKeys(config->keys_folder, kRolesOfReleases, about);  // before minutes of work
  if (!keys.ok()) return Fail(options, kExitSigning, kKeysUnusable, about, &keys.error());
  int refused = kExitOk;
  const std::unique_ptr<FleetCensus> census = AskWhatRuns(options, arguments, *config, refused);
  if (refused != kExitOk) return refused;
  if (const int stopped = GoOnFromHub(options, arguments, *config, *keys); stopped != kExitOk) return stopped;
  ReleaseRequest request;
  request.census = census.get();
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
    progress->Show({step.what, step.stage, step.done_bytes, step.total_bytes, step.made, step.planned});
  });
  const Result<ReleaseRecord> release = builder.Build(request);
  progress.reset();  // the bar goes before the table comes
  if (!release.ok()) return FailBuild(options, builder, release.error());
  bool any_delta = false;
  for (const PayloadReport& report : builder.reports())
    any_delta = any_delta || (report.kept && !report.base_version.empty());
  Warn(options, builder.warnings());
  if (options.json) {
    json::Value done = ToJson(*release);
    done.Set("event", "release.done");
    std::printf("%s\n", json::Write(done).c_str());
  } else {
    PrintReports(*release, builder.reports(), census.get());
  }
  if (any_delta || !arguments.require_delta) return kExitOk;
  return Fail(options, kExitNoDelta, kNoDeltaKept, config->product + " " + arguments.version);
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
  AddHubOptions(*release, "--server", "Hub to ask what is deployed (default: [server] url)", arguments->hub);
  release->footer(
      "With [delta] from = \"deployed\" the hub is asked what terminals run, and deltas are made from those releases.");
  release->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return MakeRelease(options, *arguments); }; });
}

}  // namespace till::packer
