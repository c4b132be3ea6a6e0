// tillpack's commands, one per file. Each Add…Command() hangs its command under the program; when it is chosen it sets
// `run`, which main() then calls for the exit code (docs/packing.md lists them).
#pragma once

#include <functional>
#include <string>

#include "core/fault.h"

namespace CLI {
class App;
}

namespace till::packer {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailed = 1,
  kExitUsage = 2,
  kExitVerification = 3,
  kExitCeiling = 4,
  kExitNoDelta = 5,
  kExitConflict = 6,
  kExitSigning = 7,
  kExitTryAgain = 75,
};

struct GlobalOptions {
  bool json = false;  // events and results as one JSON object per line on stdout, faults too (stderr)
};

using Run = std::function<int()>;

void AddKeysCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddReleaseCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddVerifyCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddPublishCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddRenewCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddWithdrawCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddDeltaCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddExpandCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddKernelCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddFullCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddApplyCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddInfoCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddChunksCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddSimulateCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddWorkerCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddExplainCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddFactoryCommand(CLI::App& program, GlobalOptions& options, Run& run);
void AddDiffBudgetCommand(CLI::App& program, GlobalOptions& options, Run& run);

// Which fault a failed talk with a hub is, and how the program ends: 75 only for what a later try can mend.
struct HubVerdict {
  const Fault* fault;
  int exit_code;
};
// `otherwise`: what failed, when the hub itself says no more.
HubVerdict JudgeHubError(const Error& error, const Fault& otherwise);

// "--profile X is none of …": for a value of --profile that FindProfile() does not know.
std::string UnknownProfile(const std::string& given);

// Prints a fault on stderr, as text or JSON; answers `exit_code`, or 75 when the cause may pass by itself.
int Fail(const GlobalOptions& options, int exit_code, const Fault& fault, std::string_view context,
         const Error* error = nullptr);

}  // namespace till::packer
