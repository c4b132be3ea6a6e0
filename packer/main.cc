// tillpack: turns build outputs into signed releases.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "core/commands/command_line.h"
#include "core/log.h"
#include "packer/commands.h"
#include "packer/faults.h"

namespace {

constexpr till::commands::Example kExamples[] = {
    {"tillpack keys init                          once per product, beside tillrace.toml", true},
    {"tillpack release --version 1.5.0", true},
    {"tillpack release --version 1.5.0 --image rootfs=bin/new.squashfs -j4 --require-delta"},
    {"tillpack verify out/1.5.0"},
    {"tillpack verify out/1.5.0 --apply-all", true},
    {"tillpack publish out/1.5.0 --server https://ota.example --token-file admin.token", true},
    {"tillpack publish out/1.5.0 --server https://10.0.0.5:8443 --ca hub.pem --token-file admin.token"},
    {"tillpack renew"},
    {"tillpack withdraw 1.5.0 --server https://ota.example --token-file admin.token"},
    {"tillpack delta --from old.squashfs --to new.squashfs -o update.till", true},
    {"tillpack full --to new.squashfs -o full.till"},
    {"tillpack apply --from old.squashfs --payload update.till -o rebuilt.squashfs --max-memory 2MiB", true},
    {"tillpack apply --from old.squashfs --payload update.till --check"},
    {"tillpack info update.till", true},
    {"tillpack expand new.squashfs -o new.plain"},
    {"tillpack kernel openwrt-kernel.uImage -o kernel.fit"},
    {"tillpack kernel vmlinux.bin --load 0x80000000 -o kernel.fit"},
    {"tillpack chunks make --to new.squashfs -o new.chunks"},
    {"tillpack chunks apply --from old.squashfs --chunks new.chunks -o rebuilt.squashfs"},
    {"tillpack explain out/1.5.0/rootfs.from-9c1e0a7734bd2f10.till --top 5 --html cost.html"},
    {"tillpack factory out/1.5.0 --slot-size 28MiB -o slot-a.bin"},
    {"tillpack worker --hub https://ota.example --trusted-root out/tuf/1.root.json --keys worker-keys"},
    {"tillpack simulate --version 1.5.0 --fleet 1.4.2=3211,1.3.0=92 --price-per-mib 0.9"},
    {"tillpack diff-budget --max 400KiB --base 1.4.2     in a merge request's pipeline"},
};

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): what CLI11 throws besides ParseError is out of memory
int main(int argc, char** argv) {
  using namespace till::packer;
  till::log::Configure("tillpack", till::log::Level::kInfo, till::log::Format::kText);
  CLI::App program{"Make, check and publish signed releases: full payloads and deltas.", "tillpack"};
  program.set_version_flag("--version", "tillpack " TILL_VERSION);
  program.require_subcommand(1);
  program.fallthrough();
  GlobalOptions options;
  program.add_flag("--json", options.json, "One JSON object per line on stdout; talk goes to stderr");
  Run run;
  AddKeysCommand(program, options, run);
  AddReleaseCommand(program, options, run);
  AddVerifyCommand(program, options, run);
  AddPublishCommand(program, options, run);
  AddRenewCommand(program, options, run);
  AddWithdrawCommand(program, options, run);
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
  till::commands::ShowExamples(
      program, kExamples,
      "Exit codes: 0 ok, 1 failed, 2 usage, 3 verification failed, 4 a ceiling is broken, 5 no delta good enough,\n"
      "6 conflict with what is published, 7 signing device, 75 try again.");
  // Looked for by hand: of a line that cannot be parsed no flag is known.
  const bool json = std::any_of(argv, argv + argc, [](const char* word) { return std::string_view(word) == "--json"; });
  if (const auto done = till::commands::Parse(program, argc, argv, kUsage, json)) return *done;
  return till::commands::EndAfterPrinting(run ? run() : kExitUsage);
}
