#include "core/commands/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/commands/faults.h"
#include "core/file.h"

namespace till::commands {
namespace {

std::string Words(std::span<const Example> examples, const std::string& command, bool overview) {
  std::string text;
  for (const Example& example : examples) {
    const bool meant = overview ? example.in_overview : (std::string(example.line) + " ").starts_with(command + " ");
    if (meant) text += std::string("  ") + example.line + "\n";
  }
  return text.empty() ? text : "Examples:\n" + text;
}

void ShowBelow(CLI::App& app, std::span<const Example> examples, const std::string& path) {
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string name = path + " " + command->get_name();
    std::string words = Words(examples, name, false);
    if (command->get_footer().empty() && !words.empty()) words.pop_back();  // help ends the line itself
    command->footer(words + command->get_footer());
    ShowBelow(*command, examples, name);
  }
}

// "tillctl rollout create": as far as the words were understood.
std::string CommandThatWasMeant(const CLI::App& program) {
  const CLI::App* app = &program;
  std::string name = app->get_name();
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().back();
    name += " " + app->get_name();
  }
  return name;
}

// CLI11 ends at the first --help or --version, whatever stands beside it: a pipeline's typo would pass, and so would a
// command that is asked for its version instead of being run.
bool IsAnswered(const CLI::App& program, const CLI::ParseError& error) {
  if (error.get_exit_code() != 0 || !program.remaining(true).empty()) return false;
  return dynamic_cast<const CLI::CallForVersion*>(&error) == nullptr || program.get_subcommands().empty();
}

// What CLI11 says, and the words it could not place: of a command written wrong it says that one is missing.
std::string Complaint(const CLI::App& program, const CLI::ParseError& error) {
  const bool is_version = dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr;
  std::string text = is_version                   ? "--version stands alone"
                     : error.get_exit_code() == 0 ? "help is asked of a command that there is not"
                                                  : error.what();
  for (const std::string& word : program.remaining(true)) {
    if (text.find(word) == std::string::npos) text += "; not understood: " + word;
  }
  return text;
}

}  // namespace

void ShowExamples(CLI::App& program, std::span<const Example> examples, const std::string& closing) {
  ShowBelow(program, examples, program.get_name());
  program.footer(Words(examples, program.get_name(), true) + closing);
}

std::optional<int> Parse(CLI::App& program, int argc, char** argv, const Fault& usage, bool fault_as_json) {
  try {
    program.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    if (IsAnswered(program, error)) return EndAfterPrinting(program.exit(error));
    const std::string mend = "see " + CommandThatWasMeant(program) + " --help";
    const Fault fault{usage.code, usage.what, mend.c_str()};
    const std::string said = Complaint(program, error);
    const std::string text =
        fault_as_json ? FormatFaultJson(fault, said, nullptr) + "\n" : FormatFault(fault, said, nullptr);
    std::fputs(text.c_str(), stderr);
    return 2;
  }
}

int EndAfterPrinting(int status) {
  const bool flushed = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (flushed) return status;
  const Error error = SystemError("cannot write the result");
  std::fputs(FormatFault(kResultLost, "stdout", &error).c_str(), stderr);
  return status == 0 ? 1 : status;
}

}  // namespace till::commands
