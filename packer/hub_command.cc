#include "packer/hub_command.h"

#include <CLI/CLI.hpp>

#include "core/text.h"

namespace till::packer {

CLI::Option* AddHubOptions(CLI::App& command, const char* url_flag, const char* url_text, HubArguments& hub) {
  command.add_option("--token-file", hub.token_file, "File with an operator's token (or TILL_TOKEN)");
  command.add_option("--ca", hub.access.ca_file, "CA certificate (PEM) of the hub")->envname("TILL_CA");
  return command.add_option(url_flag, hub.access.url, url_text)->check([](const std::string& url) {
    return IsServerUrl(url) ? std::string() : "must read like https://host or http://host:port, not " + url;
  });
}

}  // namespace till::packer
