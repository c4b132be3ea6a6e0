// The options of every command that talks to a hub, so that they are named and checked alike.
#pragma once

#include <string>

#include "packer/hub_connection.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace till::packer {

struct HubArguments {
  HubAccess access;
  std::string token_file;
};

// `url_flag` as "--server". --ca falls back on TILL_CA; the token, which is read when the command runs, on TILL_TOKEN.
// Answers the URL's option.
CLI::Option* AddHubOptions(CLI::App& command, const char* url_flag, const char* url_text, HubArguments& hub);

}  // namespace till::packer
