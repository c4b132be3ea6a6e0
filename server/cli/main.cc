// tillctl: the operator's console tool.
#include <CLI/CLI.hpp>

#include "core/log.h"
#include "server/cli/commands.h"

// NOLINTNEXTLINE(bugprone-exception-escape): what CLI11 throws besides ParseError is out of memory
int main(int argc, char** argv) {
  using namespace till::cli;
  till::log::Configure("tillctl", till::log::Level::kInfo, till::log::Format::kText);
  CLI::App program{"Operate a Tillrace fleet: devices, releases, rollouts, edges."};
  program.set_version_flag("--version", TILL_VERSION);
  program.require_subcommand(1);
  program.footer(
      "Examples:\n"
      "  tillctl demo                                    a whole update on this machine, in two minutes\n"
      "  tillctl context add prod --url https://ota.example --token-file admin.token\n"
      "  tillctl rollout create may --release 1.5.0 --waves 5,25,100 --start\n"
      "  tillctl rollout watch may\n"
      "Exit codes: 0 ok, 1 failed, 2 usage, 75 try again.");
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
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 2;
  }
  return run ? run() : 2;
}
