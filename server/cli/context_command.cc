#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "core/file.h"
#include "core/text.h"
#include "server/cli/commands.h"
#include "server/cli/edges.h"
#include "server/cli/faults.h"

namespace till::cli {
namespace {

std::string WhatIsUsed(const ContextFile& file) {
  return file.current().empty() ? "none is used" : Printable(file.current()) + " is used";
}

struct AddArguments {
  Context context;
  std::string token_file;
};

int AddContext(const AddArguments& arguments) {
  Context context = arguments.context;
  if (!NameFitsUrl(context.name)) return FailUsage(kBadName, context.name);
  if (!IsServerUrl(context.url)) return FailUsage(kBadUrl, "--url " + context.url);
  if (!arguments.token_file.empty()) {
    const Result<std::string> token = ReadTextFile(arguments.token_file, 4096);
    if (!token.ok()) return FailUsage(kTokenUnreadable, "--token-file " + arguments.token_file, &token.error());
    context.token = Trim(*token);
    if (context.token.empty()) return FailUsage(kTokenUnreadable, "--token-file " + arguments.token_file + " is empty");
  }
  if (!context.ca_file.empty()) {
    const Result<std::string> ca = ReadTextFile(context.ca_file);
    if (!ca.ok()) return FailUsage(kCaUnreadable, "--ca " + context.ca_file, &ca.error());
    std::error_code failed;  // kept as it is found from every folder
    const std::filesystem::path whole = std::filesystem::absolute(context.ca_file, failed);
    if (!failed) context.ca_file = whole.string();
  }
  Result<ContextFile> file = ContextFile::Load();
  if (!file.ok()) return Fail(kBadContextFile, "", &file.error());
  const std::string name = context.name;
  file->Put(std::move(context));
  if (const Status saved = file->Save(); !saved.ok()) return Fail(kBadContextFile, file->path(), &saved.error());
  const bool used = file->current() == name;
  std::fprintf(stderr, "context %s is kept%s\n", Printable(name).c_str(),
               used ? " and used" : (", " + WhatIsUsed(*file) + ": tillctl context use " + Printable(name)).c_str());
  return 0;
}

// A change of the file by `edit`, which names a context.
int EditContexts(const std::string& name, Status (ContextFile::*edit)(const std::string&), const char* done) {
  Result<ContextFile> file = ContextFile::Load();
  if (!file.ok()) return Fail(kBadContextFile, "", &file.error());
  if (const Status edited = (*file.*edit)(name); !edited.ok()) return Fail(kNoSuchContext, name, &edited.error());
  if (const Status saved = file->Save(); !saved.ok()) return Fail(kBadContextFile, file->path(), &saved.error());
  std::fprintf(stderr, "context %s is %s, %s\n", Printable(name).c_str(), done, WhatIsUsed(*file).c_str());
  return 0;
}

int ListContexts(const GlobalOptions& options) {
  const Result<ContextFile> file = ContextFile::Load();
  if (!file.ok()) return Fail(kBadContextFile, "", &file.error());
  Listing listing{Table({"CURRENT", "NAME", "URL"}), {}, json::Value::Array()};
  for (const Context& context : file->contexts()) {
    const bool current = context.name == file->current();
    listing.table.Add({current ? "*" : "", context.name, context.url});
    listing.names.push_back(context.name);
    json::Value entry = json::Value::Object();
    entry.Set("name", context.name).Set("url", context.url).Set("current", current);  // the token stays in the file
    listing.entries.Append(entry);
  }
  Print(listing, FormOf(options));
  return 0;
}

}  // namespace

void AddContextCommands(CLI::App& program, GlobalOptions& options, Run& run) {
  CLI::App* context = program.add_subcommand("context", "Which hub to work with");
  context->require_subcommand(1);

  auto arguments = std::make_shared<AddArguments>();
  CLI::App* add = context->add_subcommand("add", "Remember a hub under a name");
  add->add_option("name", arguments->context.name, "Name of the context")->required();
  add->add_option("--url", arguments->context.url, "https://…")->required();
  add->add_option("--token-file", arguments->token_file, "File that holds the operator's token")->required();
  add->add_option("--ca", arguments->context.ca_file, "CA certificate (PEM) of the hub");
  add->callback([arguments, &run] { run = [arguments] { return AddContext(*arguments); }; });

  auto name = std::make_shared<std::string>();
  CLI::App* use = context->add_subcommand("use", "Make a context the current one");
  use->add_option("name", *name)->required();
  use->callback([name, &run] { run = [name] { return EditContexts(*name, &ContextFile::Use, "chosen"); }; });
  CLI::App* remove = context->add_subcommand("rm", "Forget a context, its token too");
  remove->add_option("name", *name)->required();
  remove->callback([name, &run] { run = [name] { return EditContexts(*name, &ContextFile::Remove, "forgotten"); }; });

  context->add_subcommand("ls", "List the contexts")->callback([&options, &run] {
    run = [&options] { return ListContexts(options); };
  });
}

}  // namespace till::cli
