// tilld: the update agent of the terminal. Only arguments and wiring here.
#include <cstdio>
#include <string_view>

#include "core/log.h"
#include "device/cli/commands.h"
#include "device/faults.h"

namespace till::device {
namespace {

struct Command {
  std::string_view name;
  int (*run)(const Arguments& arguments);
};

constexpr Command kCommands[] = {
    {"run", RunCommand},           {"status", StatusCommand},
    {"why", WhyCommand},           {"doctor", DoctorCommand},
    {"lock", LockCommand},         {"consent", ConsentCommand},
    {"config", ConfigCommand},     {"install", InstallCommand},
    {"simulate", SimulateCommand}, {"provision", ProvisionCommand},
    {"adopt", AdoptCommand},
};

int Main(int argc, char** argv) {
  Arguments arguments;
  if (!ParseArguments(argc, argv, arguments)) return 2;
  if (arguments.help) return PrintHelp(arguments);
  if (arguments.version) return puts("tilld " TILL_VERSION) < 0 ? 1 : 0;
  log::Configure("tilld", arguments.verbose ? log::Level::kDebug : log::Level::kInfo,
                 arguments.log_json ? log::Format::kJson : log::Format::kText);
  for (const Command& command : kCommands) {
    if (command.name == arguments.command) return command.run(arguments);
  }
  return Fail(kUsage, arguments.command, nullptr, 2, arguments.json);
}

}  // namespace
}  // namespace till::device

int main(int argc, char** argv) { return till::device::Main(argc, argv); }
