#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/clock.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/hub_metadata.h"
#include "packer/key_ring.h"
#include "packer/release_config.h"

namespace till::packer {
namespace {

int Renew(const GlobalOptions& options, const std::string& config_path) {
  ConfigFault fault;
  const Result<ReleaseConfig> config = LoadReleaseConfig(config_path, fault);
  if (!config.ok()) return Fail(options, kExitUsage, kBadConfig, fault.where + " " + fault.what, &config.error());
  std::string about;
  const Result<tuf::RoleSet> keys = LoadKeys(config->keys_folder, kRolesOfRenewal, about);
  if (!keys.ok()) return Fail(options, kExitSigning, kKeysUnusable, about, &keys.error());
  const std::string folder = config->out_folder + "/tuf";
  Result<tuf::Repository> repository = tuf::Repository::Open(folder);
  if (!repository.ok()) return Fail(options, kExitFailed, kNoRelease, folder, &repository.error());
  const Status renewed = repository->Renew(*keys, tuf::Lifetimes{}, SystemClock().UnixMs() / 1000);
  if (!renewed.ok()) return Fail(options, kExitSigning, kKeysUnusable, folder, &renewed.error());
  const Status written = WriteMetadataTar(folder, config->out_folder + "/release.tuf");
  if (!written.ok())
    return Fail(options, kExitFailed, kOutputUnwritable, config->out_folder + "/release.tuf", &written.error());
  std::printf(options.json ? "{\"event\":\"renew.done\"}\n"
                           : " snapshot and timestamp are signed afresh: publish any release to send them\n");
  return kExitOk;
}

}  // namespace

void AddRenewCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto config = std::make_shared<std::string>("tillrace.toml");
  CLI::App* renew =
      program.add_subcommand("renew", "Sign snapshot and timestamp again before they expire (once a day)");
  renew->add_option("--config", *config, "Configuration")->capture_default_str();
  renew->callback([&options, &run, config] { run = [&options, config] { return Renew(options, *config); }; });
}

}  // namespace till::packer
