// Runs a real program of the product and waits for it.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace till::packer {

struct ToolRun {
  int exit_code = -1;  // -signal when it was killed
  std::string out;
  std::string errors;
};

struct ToolSetting {
  std::vector<std::pair<std::string, std::string>> environment;
  unsigned umask = 022;
  std::string folder;  // to start in; "" = here
};

ToolRun RunProgram(const std::string& name, const std::vector<std::string>& arguments, const ToolSetting& setting = {});
ToolRun RunTillpack(const std::vector<std::string>& arguments, const ToolSetting& setting = {});

}  // namespace till::packer
