#include "core/commands/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>

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

// What CLI11 says, and the words it could not place: of a command written wrong it says that one is missing.
std::string Complaint(const CLI::App& program, const CLI::ParseError& error) {
  std::string text = error.what();
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
    if (error.get_exit_code() == 0) return program.exit(error);
    const std::string mend = "see " + CommandThatWasMeant(program) + " --help";
    const Fault fault{usage.code, usage.what, mend.c_str()};
    const std::string said = Complaint(program, error);
    const std::string text =
        fault_as_json ? FormatFaultJson(fault, said, nullptr) + "\n" : FormatFault(fault, said, nullptr);
    std::fputs(text.c_str(), stderr);
    return 2;
  }
}

}  // namespace till::commands
