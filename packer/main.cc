// tillpack: turns build outputs into signed releases.
#include <CLI/CLI.hpp>

#include "core/log.h"
#include "packer/commands.h"
#include "packer/faults.h"

// NOLINTNEXTLINE(bugprone-exception-escape): what CLI11 throws besides ParseError is out of memory
int main(int argc, char** argv) {
  using namespace till::packer;
  till::log::Configure("tillpack", till::log::Level::kInfo, till::log::Format::kText);
  CLI::App program{"Make, check and publish signed releases: full payloads and deltas."};
  program.set_version_flag("--version", TILL_VERSION);
  program.require_subcommand(1);
  program.fallthrough();
  program.footer(
      "Examples:\n"
      "  tillpack keys init                          once per product, beside tillrace.toml\n"
      "  tillpack release --version 1.5.0\n"
      "  tillpack verify out/1.5.0 --apply-all\n"
      "  tillpack publish out/1.5.0 --server https://ota.example --token-file admin.token\n"
      "  tillpack delta --from old.squashfs --to new.squashfs -o update.till\n"
      "  tillpack apply --from old.squashfs --payload update.till -o rebuilt.squashfs --max-memory 2MiB\n"
      "  tillpack info update.till\n"
      "Exit codes: 0 ok, 1 failed, 2 usage, 3 verification failed, 4 a ceiling is broken, 5 no delta good enough,\n"
      "6 conflict with what is published, 7 signing device, 75 try again.");
  GlobalOptions options;
  program.add_flag("--json", options.json, "One JSON object per line on stdout; talk goes to stderr");
  Run run;
  AddKeysCommand(program, options, run);
  AddReleaseCommand(program, options, run);
  AddVerifyCommand(program, options, run);
  AddPublishCommand(program, options, run);
  AddRenewCommand(program, options, run);
  AddDeltaCommand(program, options, run);
  AddExpandCommand(program, options, run);
  AddKernelCommand(program, options, run);
  AddFullCommand(program, options, run);
  AddApplyCommand(program, options, run);
  AddInfoCommand(program, options, run);
  AddChunksCommand(program, options, run);
  AddExplainCommand(program, options, run);
  AddFactoryCommand(program, options, run);
  AddWorkerCommand(program, options, run);
  AddSimulateCommand(program, options, run);
  AddDiffBudgetCommand(program, options, run);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);  // help and version
    return Fail(options, kExitUsage, kUsage, error.what());
  }
  return run ? run() : kExitUsage;
}
