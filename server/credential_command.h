// tillhub operator|token ls|add|rm: who may come in, changed on the data folder, whether the hub runs or not.
#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace till::server {

struct CredentialCommands {
  std::string data_folder, name, password_file;
  bool edge = false, json = false;
  std::function<int()> run;  // set by parsing when one of them was asked for; answers the exit status
};
// `commands` outlives the parsing of `app`.
void DefineCredentialCommands(CLI::App& app, CredentialCommands& commands);

}  // namespace till::server
