// tilld's commands, one function each: an exit status out, data on stdout, talk on stderr.
#pragma once

#include "core/file.h"
#include "core/json/json.h"
#include "device/cli/arguments.h"
#include "device/runner.h"

namespace till::device {

// What most commands begin with.
struct Setting {
  Config config;
  std::string token;
};
// Reads them; `problems` holds what is wrong with them. An exit status above 0 when there is no file to read.
int LoadSetting(const Arguments& arguments, bool for_run, Setting& setting, std::vector<ConfigProblem>& problems);
// An exit status above 0 when the settings cannot be used; the reasons are printed.
int ReadSetting(const Arguments& arguments, bool for_run, Setting& setting);
// --running-slot, else till.slot= of the kernel's command line, else the record's confirmed slot.
Result<SlotId> RunningSlot(const Arguments& arguments, const Config& config);
// run_dir/status.json; an exit status above 0 when it is not there.
int ReadStatus(const Arguments& arguments, Setting& setting, json::Value& value);
// One tilld to a data folder: held until the value dies.
Result<UniqueFd> LockDataFolder(const Config& config);
// The locks that hold now: [{"reason","left_s"}].
json::Value HeldLocks(const Config& config);

// run_commands.cc
int RunCommand(const Arguments& arguments);
int InstallCommand(const Arguments& arguments);
int SimulateCommand(const Arguments& arguments);
// look_commands.cc
int StatusCommand(const Arguments& arguments);
int WhyCommand(const Arguments& arguments);
int ConfigCommand(const Arguments& arguments);
int DoctorCommand(const Arguments& arguments);
// till_commands.cc: what the till's application and its merchant say
int LockCommand(const Arguments& arguments);
int ConsentCommand(const Arguments& arguments);
// setup_commands.cc
int AdoptCommand(const Arguments& arguments);
int ProvisionCommand(const Arguments& arguments);

}  // namespace till::device
