#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/clock.h"
#include "core/json/json.h"
#include "core/text.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/key_ring.h"
#include "packer/release_config.h"

namespace till::packer {
namespace {

int InitKeys(const GlobalOptions& options, const std::string& config_path) {
  ConfigFault fault;
  const Result<ReleaseConfig> config = LoadReleaseConfig(config_path, fault);
  if (!config.ok()) return Fail(options, kExitUsage, kBadConfig, fault.where + " " + fault.what, &config.error());
  if (const Status made = MakeKeys(config->keys_folder); !made.ok()) {
    const bool conflict = made.error().code == ErrorCode::kConflict;
    return Fail(options, conflict ? kExitConflict : kExitSigning, kKeysUnusable, config->keys_folder, &made.error());
  }
  std::string about;
  const Result<tuf::RoleSet> keys = LoadKeys(config->keys_folder, kRolesOfReleases, about);
  if (!keys.ok()) return Fail(options, kExitSigning, kKeysUnusable, about, &keys.error());
  const std::string repository = config->out_folder + "/tuf";
  const Status created = tuf::Repository::Create(repository, *keys, tuf::Lifetimes{}, SystemClock().UnixMs() / 1000);
  if (!created.ok()) return Fail(options, kExitFailed, kReleaseFailed, repository, &created.error());
  if (options.json) {
    json::Value done = json::Value::Object();
    done.Set("event", "keys.done").Set("keys", config->keys_folder).Set("trusted_root", repository + "/1.root.json");
    std::printf("%s\n", json::Write(done).c_str());
    return kExitOk;
  }
  std::printf(
      " keys          %s (root: 2 of 3 sign; keep root-2 and root-3 elsewhere)\n trusted root  %s/1.root.json (goes on "
      "every terminal)\n",
      Printable(config->keys_folder).c_str(), Printable(repository).c_str());
  return kExitOk;
}

}  // namespace

void AddKeysCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  CLI::App* keys = program.add_subcommand("keys", "The keys that sign releases");
  keys->require_subcommand(1);
  auto config = std::make_shared<std::string>("tillrace.toml");
  CLI::App* init = keys->add_subcommand("init", "Make keys and an empty repository of signed metadata");
  init->add_option("--config", *config, "Configuration")->capture_default_str();
  init->callback([&options, &run, config] { run = [&options, config] { return InitKeys(options, *config); }; });
}

}  // namespace till::packer
