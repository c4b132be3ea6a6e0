// tilld's command line, read by getopt_long into one value.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/fault.h"
#include "device/adopt.h"
#include "device/config.h"
#include "device/refusal.h"

namespace till::device {

struct Arguments {
  std::string command;
  std::vector<std::string> words;  // behind it
  std::string config_file = "/etc/tilld/tilld.conf";
  std::vector<std::pair<std::string, std::string>> sets;
  std::string running_slot;
  AdoptInput adopt;
  std::string token_file, root_file;  // of provision
  std::string reason = "manual";      // of lock
  int64_t for_s = 0;                  // of lock (--max) and consent (--for)
  unsigned cut_percent = 100;         // of simulate
  bool release = false, once = false, json = false, origin = false, bundle = false;
  bool replace_root = false, offline = false;
  bool log_json = false, verbose = false, help = false, version = false;
};

// False after the fault was printed.
bool ParseArguments(int argc, char** argv, Arguments& arguments);
// help.cc: the whole page, or the one of the command; the exit status.
int PrintHelp(const Arguments& arguments);

// "90", "90s", "15m", "4h", "2d" in seconds.
Result<int64_t> ParseDuration(std::string_view text);

// Prints the fault on stderr (as JSON with `json`) and answers `status`.
int Fail(const Fault& fault, const std::string& context, const Error* error, int status, bool json = false);
int Fail(const Refusal& refusal, int status, bool json = false);

}  // namespace till::device
