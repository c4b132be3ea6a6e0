#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "core/clock.h"
#include "core/text.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/key_ring.h"
#include "packer/publisher.h"
#include "packer/release_config.h"

namespace till::packer {
namespace {

struct Arguments {
  std::string config;
  std::string folder;
  HubAccess hub;
  std::string token_file;
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
  const Result<std::string> token = ReadHubToken(arguments.token_file);
  if (!token.ok()) return Fail(options, kExitUsage, kBadArgument, arguments.token_file, &token.error());
  arguments.hub.token = *token;
  std::filesystem::path folder = std::filesystem::absolute(arguments.folder).lexically_normal();
  if (folder.filename().empty()) folder = folder.parent_path();
  Publisher publisher(arguments.hub, [&](const PublishStep& step) { Tell(options, step); });
  const std::filesystem::path out = folder.parent_path();
  std::string unusable_keys;
  const auto keys = [&]() -> Result<tuf::RoleSet> {
    ConfigFault fault;
    const std::string beside = (out.parent_path() / "tillrace.toml").string();
    const ReleaseConfig config =
        TILL_TRY(LoadReleaseConfig(arguments.config.empty() ? beside : arguments.config, fault));
    Result<tuf::RoleSet> loaded = LoadKeys(config.keys_folder);
    if (!loaded.ok()) unusable_keys = config.keys_folder;
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
  publish->add_option("--server", arguments->hub.url, "The hub's URL")->required();
  publish->add_option("--token-file", arguments->token_file, "File with an operator's token (or TILL_TOKEN)");
  publish->add_option("--ca", arguments->hub.ca_file, "CA certificate (PEM) of the hub");
  publish->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return Publish(options, *arguments); }; });
}

}  // namespace till::packer
