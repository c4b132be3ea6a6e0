// tillctl's nouns. Each Add…Commands() hangs its verbs under the program; a verb sets `run`, which main() then calls.
#pragma once

#include <functional>

#include "server/cli/session.h"

namespace CLI {
class App;
}

namespace till::cli {

using Run = std::function<int()>;

void AddContextCommands(CLI::App& program, GlobalOptions& options, Run& run);
void AddDeviceCommands(CLI::App& program, GlobalOptions& options, Run& run);
void AddReleaseCommands(CLI::App& program, GlobalOptions& options, Run& run);
void AddRolloutCommands(CLI::App& program, GlobalOptions& options, Run& run);
void AddEdgeCommands(CLI::App& program, GlobalOptions& options, Run& run);
void AddDoctorCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddDemoCommand(CLI::App& program, GlobalOptions& options, Run& run);

// The distribution set of a release by its version, newest first when several products share it; kNotFound.
Result<json::Value> FindRelease(HubClient& hub, const std::string& version);

}  // namespace till::cli
