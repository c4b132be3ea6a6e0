#include "server/credential_command.h"

#include <stdio.h>

#include <CLI/CLI.hpp>

#include "core/clock.h"
#include "core/crypto/password.h"
#include "core/fault.h"
#include "core/file.h"
#include "core/json/json.h"
#include "core/text.h"
#include "server/auth/credentials.h"
#include "server/faults.h"
#include "server/running_hub.h"

namespace till::server {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitConflict = 6;

int Fail(const Fault& fault, const std::string& context, const Error& error, int exit_code) {
  fprintf(stderr, "%s\n", FormatFault(fault, context, &error).c_str());
  return exit_code;
}

int Report(const Error& error, const std::string& name) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return Fail(faults::kNoSuchCredential, name, error, kExitFailed);
    case ErrorCode::kConflict:
      return Fail(faults::kCredentialExists, name, error, kExitConflict);
    case ErrorCode::kInvalid:
      return Fail(faults::kBadCredential, name, error, kExitUsage);
    default:
      return Fail(faults::kStoreFailed, name, error, kExitFailed);
  }
}

// The store of a hub that may be running.
int WithStore(const CredentialCommands& asked, const std::function<Status(kv::Store&)>& job) {
  kv::Store::Options options;
  options.map_bytes = ServeOptions{}.store_bytes;
  options.beside_owner = true;
  const auto store = kv::Store::Open(asked.data_folder + "/store", options);
  if (!store.ok()) {
    const bool damaged = store.error().code == ErrorCode::kCorrupt;
    const Fault& fault = damaged ? faults::kStoreDamaged : faults::kBadDataFolder;
    return Fail(fault, asked.data_folder, store.error(), kExitFailed);
  }
  const Status done = job(**store);
  return done.ok() ? 0 : Report(done.error(), asked.name);
}

TokenKind KindOf(const CredentialCommands& asked) { return asked.edge ? TokenKind::kEdge : TokenKind::kOperator; }

void Print(const std::vector<Credential>& list, bool json) {
  json::Value items = json::Value::Array();
  if (!json && !list.empty()) printf("%-20s  %s\n", "MADE", "NAME");
  for (const Credential& credential : list) {
    const std::string made = credential.made_at_ms > 0 ? FormatUtc(credential.made_at_ms / 1000) : "";
    json::Value item = json::Value::Object({{"name", credential.name}});
    if (!made.empty()) item.Set("made", made);
    items.Append(std::move(item));
    if (!json) printf("%-20s  %s\n", made.empty() ? "-" : made.c_str(), Printable(credential.name).c_str());
  }
  if (json) printf("%s\n", json::Write(items).c_str());
}

int List(const CredentialCommands& asked, bool users) {
  return WithStore(asked, [&](kv::Store& store) {
    return store.View([&](kv::ReadTxn& txn) -> Status {
      Print(users ? TILL_TRY(Users(txn)) : TILL_TRY(Tokens(txn, KindOf(asked))), asked.json);
      return Ok();
    });
  });
}

constexpr size_t kMaxPasswordBytes = 4096;

// Standard input up to its end or its first newline.
std::string ReadInputLine() {
  std::string line;
  for (int c = getchar(); c != EOF && c != '\n' && line.size() < kMaxPasswordBytes; c = getchar()) {
    line.push_back(static_cast<char>(c));
  }
  return line;
}

// One line, from the file or from standard input.
Result<std::string> ReadPassword(const CredentialCommands& asked) {
  const bool from_input = asked.password_file.empty() || asked.password_file == "-";
  const std::string text =
      from_input ? ReadInputLine() : TILL_TRY(ReadTextFile(asked.password_file, kMaxPasswordBytes));
  const std::string password = text.substr(0, text.find_first_of("\r\n"));
  if (password.size() < kMinPasswordBytes) return Error{ErrorCode::kInvalid, "the password is too short"};
  return password;
}

int AddUser(const CredentialCommands& asked) {
  if (!IsCredentialName(asked.name)) return Report(Error{ErrorCode::kInvalid, "not a name"}, asked.name);
  const auto password = ReadPassword(asked);
  if (!password.ok()) return Fail(faults::kBadCredential, asked.password_file, password.error(), kExitUsage);
  return WithStore(asked, [&](kv::Store& store) -> Status {
    const std::string phc = TILL_TRY(crypto::ScryptHash(*password));
    return store.Update([&](kv::WriteTxn& txn) -> Status {
      if (TILL_TRY(FindPassword(txn, asked.name))) return Error{ErrorCode::kConflict, "the operator is there"};
      return PutPassword(txn, asked.name, phc);
    });
  });
}

int AddToken(const CredentialCommands& asked) {
  const std::string token = NewToken(KindOf(asked), asked.name);
  const Credential whose{asked.name, SystemClock().UnixMs()};
  const int status = WithStore(asked, [&](kv::Store& store) {
    return store.Update([&](kv::WriteTxn& txn) { return PutToken(txn, KindOf(asked), token, whose); });
  });
  if (status == 0) printf("%s\n", token.c_str());  // now or never: the hub keeps its hash
  return status;
}

int Remove(const CredentialCommands& asked, bool user) {
  bool anybody = true;
  const int status = WithStore(asked, [&](kv::Store& store) {
    return store.Update([&](kv::WriteTxn& txn) -> Status {
      TILL_TRY(user ? RemoveUser(txn, asked.name) : RemoveToken(txn, KindOf(asked), asked.name));
      anybody = TILL_TRY(AnyOperator(txn));
      return Ok();
    });
  });
  if (status == 0 && !anybody) {
    fprintf(stderr, "nobody is left who could sign in: the hub's next start writes a new %s/admin.token\n",
            asked.data_folder.c_str());
  }
  return status;
}

CLI::App* Define(CLI::App& group, CredentialCommands& commands, const char* name, const char* about,
                 std::function<int()> run) {
  CLI::App* command = group.add_subcommand(name, about);
  command->add_option("--data", commands.data_folder, "Folder of the hub, which may run meanwhile")->required();
  command->callback([&commands, run = std::move(run)] { commands.run = run; });
  return command;
}

}  // namespace

void DefineCredentialCommands(CLI::App& app, CredentialCommands& commands) {
  CLI::App* users = app.add_subcommand("operator", "Operators with a password: list, add, remove");
  users->require_subcommand(1);
  Define(*users, commands, "ls", "List operators", [&] {
    return List(commands, true);
  })->add_flag("--json", commands.json, "One line of JSON");
  CLI::App* add = Define(*users, commands, "add", "Add an operator; the password comes from a file or standard input",
                         [&] { return AddUser(commands); });
  add->add_option("NAME", commands.name, "The operator's name")->required();
  add->add_option("--password-file", commands.password_file,
                  "File with the password in its first line; - or none: stdin");
  Define(*users, commands, "rm", "Remove an operator; the next request with that password is refused",
         [&] { return Remove(commands, true); })
      ->add_option("NAME", commands.name, "The operator's name")
      ->required();

  CLI::App* tokens = app.add_subcommand("token", "Tokens of operators and, with --edge, of edges: list, add, remove");
  tokens->require_subcommand(1);
  const auto token_command = [&](const char* name, const char* about, std::function<int()> run) {
    CLI::App* command = Define(*tokens, commands, name, about, std::move(run));
    command->add_flag("--edge", commands.edge, "Of edges, which fetch payloads with it; else of operators");
    return command;
  };
  token_command("ls", "List tokens by name", [&] {
    return List(commands, false);
  })->add_flag("--json", commands.json, "One line of JSON");
  token_command("add", "Make a token and print it, once", [&] { return AddToken(commands); })
      ->add_option("NAME", commands.name, "What it is for")
      ->required();
  token_command("rm", "Remove a token; the next request with it is refused", [&] { return Remove(commands, false); })
      ->add_option("NAME", commands.name, "Its name")
      ->required();
}

}  // namespace till::server
