// tilledge's command line, parsed (CLI11 stands in command_line.cc only).
#pragma once

#include <optional>
#include <string>

#include "cdn-edge/edge.h"

namespace till::edge {

enum class Command : uint8_t { kServe, kScrub, kList };

struct CommandLine {
  Command command = Command::kServe;
  EdgeOptions edge;  // kServe; kScrub and kList use `data`
  bool json = false;
};

// The command, or the exit status when there is nothing to do: help was printed (0) or the usage was wrong (2).
struct ParsedCommandLine {
  std::optional<CommandLine> command_line;
  int exit_status = 0;
};
ParsedCommandLine ParseCommandLine(int argc, char** argv);

// "127.0.0.1:0", "[::1]:8080" into the server's options.
Status ParseListen(std::string_view text, http::ServerOptions& server);

}  // namespace till::edge
