// What the programs of hosts share where they read their command lines (CLI11): examples shown by the command they
// belong to, and wrong usage told as a fault. Thread rule: main's, before any other thread.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "core/fault.h"

namespace CLI {
class App;
}

namespace till::commands {

// "tillctl rollout watch may     until it ends": how a person types it, program first, and perhaps what it is for.
struct Example {
  const char* line;
  bool in_overview = false;  // shown by the program's own --help too
};

// Puts each line under the help of the command that it calls, and of the commands above that one. To be called when all
// commands stand: CLI11 hands a footer down to commands that are added after it. `closing` ends the program's own help.
void ShowExamples(CLI::App& program, std::span<const Example> examples, const std::string& closing);

// Parses. An exit status when there is nothing left to do: 0 after help or version, 2 after a fault on stderr, which is
// `usage` with the help of the command that was meant as its mend.
std::optional<int> Parse(CLI::App& program, int argc, char** argv, const Fault& usage, bool fault_as_json = false);

// To be main's last word: `status`, but 1 and a fault when what was printed did not reach stdout (a full disk, a closed
// descriptor): a result that nobody got is no success.
int EndAfterPrinting(int status);

}  // namespace till::commands
