// tillpack withdraw: a version that no terminal shall install any more.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/hub_command.h"
#include "packer/hub_metadata.h"
#include "packer/key_ring.h"
#include "packer/publisher.h"
#include "packer/release_config.h"
#include "packer/withdrawn.h"

namespace till::packer {
namespace {

struct Arguments {
  std::string config = "tillrace.toml";
  std::string version;
  HubArguments hub;
};

void Tell(const GlobalOptions& options, const Arguments& arguments, size_t entries) {
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", "withdraw.done").Set("version", arguments.version).Set("entries", uint64_t{entries});
    event.Set("sent", !arguments.hub.access.url.empty());
    std::printf("%s\n", json::Write(event).c_str());
    return;
  }
  const std::string version = Printable(arguments.version);
  if (entries == 0) {
    std::printf(" ok   %s was withdrawn already\n", version.c_str());
  } else {
    std::printf(" ok   %s: %zu signed entries withdrawn\n", version.c_str(), entries);
  }
  if (arguments.hub.access.url.empty()) std::printf("      no hub knows yet: give --server, or publish any release\n");
}

// Takes the version out of the signed metadata; answers how many entries went. The note that it was withdrawn comes
// first: after a cut in between the same command goes on.
Result<size_t> Unsign(const std::string& out_folder, const std::string& version, const tuf::RoleSet& keys) {
  tuf::Repository repository = TILL_TRY(tuf::Repository::Open(out_folder + "/tuf"));
  size_t gone = 0;
  for (const tuf::TargetEntry& entry : repository.entries()) {
    if (!IsOfVersion(entry, version)) continue;
    repository.Remove(entry.path);
    ++gone;
  }
  const std::vector<std::string> before = TILL_TRY(ReadWithdrawn(out_folder));
  if (gone == 0 && std::ranges::find(before, version) == before.end())
    return Error{ErrorCode::kNotFound, "no signed metadata names this version"};
  TILL_TRY(KeepWithdrawn(out_folder, version));
  TILL_TRY(repository.Publish(keys, tuf::Lifetimes{}, SystemClock().UnixMs() / 1000));
  TILL_TRY(WriteMetadataTar(out_folder + "/tuf", out_folder + "/release.tuf"));
  return gone;
}

int Withdraw(const GlobalOptions& options, Arguments arguments) {
  ConfigFault fault;
  const Result<ReleaseConfig> config = LoadReleaseConfig(arguments.config, fault);
  if (!config.ok()) return Fail(options, kExitUsage, kBadConfig, fault.where + " " + fault.what, &config.error());
  std::string about;
  const Result<tuf::RoleSet> keys = LoadKeys(config->keys_folder, kRolesOfReleases, about);
  if (!keys.ok()) return Fail(options, kExitSigning, kKeysUnusable, about, &keys.error());
  const bool asks_hub = !arguments.hub.access.url.empty();
  if (asks_hub) {
    const Result<std::string> token = ReadHubToken(arguments.hub.token_file);
    if (!token.ok())
      return Fail(options, kExitUsage, kBadArgument, "--token-file " + arguments.hub.token_file, &token.error());
    arguments.hub.access.token = *token;
  }
  const Result<size_t> gone = Unsign(config->out_folder, arguments.version, *keys);
  if (!gone.ok()) {
    const ErrorCode code = gone.error().code;
    if (code == ErrorCode::kNotFound) return Fail(options, kExitFailed, kNoRelease, arguments.version, &gone.error());
    const int exit_code = code == ErrorCode::kInvalid ? kExitSigning : kExitFailed;
    return Fail(options, exit_code, kWithdrawFailed, config->out_folder + "/tuf", &gone.error());
  }
  if (asks_hub) {
    Publisher publisher(arguments.hub.access, [](const PublishStep&) {});
    const Status told = publisher.Withdraw(
        config->out_folder, config->product, arguments.version, [&] { return *keys; }, SystemClock().UnixMs() / 1000);
    if (!told.ok()) {
      const HubVerdict verdict = JudgeHubError(told.error(), kWithdrawFailed);
      return Fail(options, verdict.exit_code, *verdict.fault, publisher.error_context(), &told.error());
    }
  }
  Tell(options, arguments, *gone);
  return kExitOk;
}

}  // namespace

void AddWithdrawCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand("withdraw", "Take a version out of the signed metadata, for good");
  command->add_option("version", arguments->version, "Version of the release")->required();
  command->add_option("--config", arguments->config, "Configuration")->capture_default_str();
  AddHubOptions(*command, "--server", "Hub to tell at once: its set is deleted", arguments->hub);
  command->footer(
      "Terminals refuse it from their next look at the metadata on. Its folder stays, as a base for deltas away from\n"
      "it; the version is never released again.");
  command->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return Withdraw(options, *arguments); }; });
}

}  // namespace till::packer
