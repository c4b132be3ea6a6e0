// tillctl: the operator's console tool.
#include <CLI/CLI.hpp>

#include "core/commands/command_line.h"
#include "core/log.h"
#include "server/cli/commands.h"
#include "server/cli/faults.h"

namespace {

constexpr till::commands::Example kExamples[] = {
    {"tillctl demo                                    a whole update on this machine, in two minutes", true},
    {"tillctl context add prod --url https://ota.example --token-file admin.token", true},
    {"tillctl context add shop --url https://10.0.0.5:8443 --ca hub.pem --token-file admin.token"},
    {"tillctl context use prod"},
    {"tillctl context ls"},
    {"tillctl context rm shop"},
    {"tillctl device ls --filter 'updatestatus==error'"},
    {"tillctl device get pos-0017"},
    {"tillctl device add pos-0017"},
    {"tillctl device assign pos-0017 --release 1.5.0"},
    {"tillctl release ls"},
    {"tillctl release get 1.5.0"},
    {"tillctl rollout create may --release 1.5.0 --waves 5,25,100 --start", true},
    {"tillctl rollout create pilot --release 1.5.0 --target 'name==pos-00*' --waves 100"},
    {"tillctl rollout ls"},
    {"tillctl rollout watch may", true},
    {"tillctl rollout start may"},
    {"tillctl rollout pause may"},
    {"tillctl rollout resume may"},
    {"tillctl rollout stop may"},
    {"tillctl edge ls"},
    {"tillctl edge set https://edge-1.example https://edge-2.example:8081"},
    {"tillctl doctor"},
};

}  // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): what CLI11 throws besides ParseError is out of memory
int main(int argc, char** argv) {
  using namespace till::cli;
  till::log::Configure("tillctl", till::log::Level::kInfo, till::log::Format::kText);
  CLI::App program{"Operate a Tillrace fleet: devices, releases, rollouts, edges.", "tillctl"};
  program.set_version_flag("--version", "tillctl " TILL_VERSION);
  program.require_subcommand(1);
  GlobalOptions options;
  program.add_option("-c,--context", options.context, "Context to use instead of the current one");
  program.add_option("-o,--output", options.output, "table, json or name")
      ->check(CLI::IsMember({"table", "json", "name"}));
  program.add_flag("--json", options.json, "Same as -o json");
  program.fallthrough();
  Run run;
  AddContextCommands(program, options, run);
  AddDeviceCommands(program, options, run);
  AddReleaseCommands(program, options, run);
  AddRolloutCommands(program, options, run);
  AddEdgeCommands(program, options, run);
  AddDoctorCommand(program, options, run);
  AddDemoCommand(program, options, run);
  till::commands::ShowExamples(program, kExamples,
                               "TILL_URL, TILL_TOKEN and TILL_CA in the environment stand for a context (in CI).\n"
                               "Exit codes: 0 done, or done already (it says so), 1 failed, 2 usage, 75 try again.");
  if (const auto done = till::commands::Parse(program, argc, argv, kUsage)) return *done;
  return till::commands::EndAfterPrinting(run ? run() : 2);
}
