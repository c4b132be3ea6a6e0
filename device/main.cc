// tilld: the update agent of the terminal. Only arguments and wiring here.
#include <cstdio>
#include <string_view>

#include "core/log.h"
#include "core/text.h"
#include "device/cli/commands.h"
#include "device/faults.h"

namespace till::device {
namespace {

struct Command {
  std::string_view name;
  int (*run)(const Arguments& arguments);
  bool takes_words = false;
};

constexpr Command kCommands[] = {
    {"run", RunCommand},
    {"status", StatusCommand},
    {"why", WhyCommand},
    {"doctor", DoctorCommand},
    {"lock", LockCommand, true},
    {"consent", ConsentCommand, true},
    {"config", ConfigCommand, true},
    {"install", InstallCommand, true},
    {"simulate", SimulateCommand},
    {"provision", ProvisionCommand},
    {"adopt", AdoptCommand},
};

int Main(int argc, char** argv) {
  Arguments arguments;
  if (!ParseArguments(argc, argv, arguments)) return 2;
  if (arguments.help) return PrintHelp(arguments);
  const Command* command = nullptr;
  for (const Command& each : kCommands) {
    if (each.name == arguments.command) command = &each;
  }
  // A mistyped command is one with --version too.
  if (command == nullptr && !arguments.command.empty()) {
    return Fail(kUsage, "there is no command " + Printable(arguments.command), nullptr, 2, arguments.json);
  }
  if (arguments.version) return puts("tilld " TILL_VERSION) < 0 ? 1 : 0;
  if (!command->takes_words && !arguments.words.empty()) {
    return Fail(kUsage, arguments.command + " takes no " + Printable(arguments.words[0]), nullptr, 2, arguments.json);
  }
  log::Configure("tilld", arguments.verbose ? log::Level::kDebug : log::Level::kInfo,
                 arguments.log_json ? log::Format::kJson : log::Format::kText);
  return command->run(arguments);
}

}  // namespace
}  // namespace till::device

int main(int argc, char** argv) { return till::device::Main(argc, argv); }
