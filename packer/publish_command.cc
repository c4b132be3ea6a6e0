#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "core/clock.h"
#include "core/text.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/hub_command.h"
#include "packer/key_ring.h"
#include "packer/publisher.h"
#include "packer/release_config.h"
#include "packer/withdrawn.h"

namespace till::packer {
namespace {

struct Arguments {
  std::string config;
  std::string folder;
  HubArguments hub;
};

void Tell(const GlobalOptions& options, const PublishStep& step) {
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", "publish.step").Set("what", step.what).Set("bytes", step.bytes).Set("sent", step.sent);
    std::printf("%s\n", json::Write(event).c_str());
    return;
  }
  const std::string size = step.bytes == 0 ? "" : FormatSize(step.bytes);
  std::printf(" %-7s %-44s %s\n", step.sent ? "sent" : "present", Printable(step.what).c_str(), size.c_str());
}

int Publish(const GlobalOptions& options, Arguments arguments) {
  const Result<ReleaseRecord> release = ReadReleaseRecord(arguments.folder);
  if (!release.ok()) return Fail(options, kExitFailed, kNoRelease, arguments.folder, &release.error());
  const Result<std::string> token = ReadHubToken(arguments.hub.token_file);
  if (!token.ok())
    return Fail(options, kExitUsage, kBadArgument, "--token-file " + arguments.hub.token_file, &token.error());
  arguments.hub.access.token = *token;
  std::filesystem::path folder = std::filesystem::absolute(arguments.folder).lexically_normal();
  if (folder.filename().empty()) folder = folder.parent_path();
  const Result<std::vector<std::string>> withdrawn = ReadWithdrawn(folder.parent_path().string());
  if (!withdrawn.ok())
    return Fail(options, kExitFailed, kInputUnreadable, (folder.parent_path() / "withdrawn.json").string(),
                &withdrawn.error());
  if (std::ranges::find(*withdrawn, release->version) != withdrawn->end())
    return Fail(options, kExitConflict, kReleaseExists, release->version + " was withdrawn");
  Publisher publisher(arguments.hub.access, [&](const PublishStep& step) { Tell(options, step); });
  const std::filesystem::path out = folder.parent_path();
  std::string unusable_keys;
  const auto keys = [&]() -> Result<tuf::RoleSet> {
    ConfigFault fault;
    const std::string beside = (out.parent_path() / "tillrace.toml").string();
    const ReleaseConfig config =
        TILL_TRY(LoadReleaseConfig(arguments.config.empty() ? beside : arguments.config, fault));
    std::string about;
    Result<tuf::RoleSet> loaded = LoadKeys(config.keys_folder, kRolesOfReleases, about);
    if (!loaded.ok()) unusable_keys = about;
    return loaded;
  };
  const Status published = publisher.Publish(out.string(), *release, keys, SystemClock().UnixMs() / 1000);
  if (published.ok()) return kExitOk;
  const Error& error = published.error();
  if (!unusable_keys.empty()) return Fail(options, kExitSigning, kKeysUnusable, unusable_keys, &error);
  HubVerdict verdict = JudgeHubError(error, kPublishFailed);
  if (error.code == ErrorCode::kConflict) verdict = {&kPublishConflict, kExitConflict};
  return Fail(options, verdict.exit_code, *verdict.fault, publisher.error_context(), &error);
}

}  // namespace

void AddPublishCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* publish = program.add_subcommand("publish", "Send a release to a hub; goes on where a broken one stopped");
  publish->add_option("folder", arguments->folder, "Release folder, as in out/1.5.0")
      ->required()
      ->check(CLI::ExistingDirectory);
  publish->add_option("--config", arguments->config,
                      "Configuration that names the keys, wanted when a worker published meanwhile (default: the\n"
                      "tillrace.toml beside the folder of releases)");
  AddHubOptions(*publish, "--server", "The hub's URL", arguments->hub)->required();
  publish->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return Publish(options, *arguments); }; });
}

}  // namespace till::packer
