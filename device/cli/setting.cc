#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "core/log.h"
#include "core/text.h"
#include "device/cli/commands.h"
#include "device/faults.h"
#include "device/record_flash.h"

extern char** environ;

namespace till::device {

int LoadSetting(const Arguments& arguments, bool for_run, Setting& setting, std::vector<ConfigProblem>& problems) {
  ConfigInput input;
  input.file_name = arguments.config_file;
  auto text = ReadTextFile(arguments.config_file, 64 << 10);
  if (!text.ok()) return Fail(kConfigFile, arguments.config_file, &text.error(), 2, arguments.json);
  input.file_text = std::move(text).value();
  for (char** variable = environ; *variable != nullptr; variable++) {
    const std::string_view entry = *variable;
    const size_t equals = entry.find('=');
    const bool ours = entry.starts_with("TILLD_") || entry.starts_with("TILL_");
    if (!ours || equals == std::string_view::npos) continue;
    input.environment.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  input.flags = arguments.sets;
  setting.config = ReadConfig(input, problems);
  const Config& config = setting.config;
  for (const std::string& name : config.old_names) {
    log::Warn(kOldName.what, {{"code", kOldName.code}, {"name", name}, {"write", "TILLD_" + name.substr(5)}});
  }
  CheckZoneKnown(config, problems);
  if (for_run) RequireForRun(config, problems);
  if (!config.timezone.empty() && setenv("TZ", config.timezone.c_str(), 1) == 0) tzset();
  setting.token = config.token;
  if (for_run && TokenIsInFile(config)) {
    const auto secret = ReadTextFile(config.token_file, 4096);
    setting.token = secret.ok() ? std::string(Trim(*secret)) : "";
    const std::string trouble = !secret.ok()            ? log::Describe(secret.error())
                                : setting.token.empty() ? "it is empty"
                                                        : "";
    if (!trouble.empty()) problems.push_back({true, "token_file", config.token_file + ": " + trouble});
  }
  return 0;
}

int ReadSetting(const Arguments& arguments, bool for_run, Setting& setting) {
  std::vector<ConfigProblem> problems;
  if (const int status = LoadSetting(arguments, for_run, setting, problems)) return status;
  for (const ConfigProblem& problem : problems) {
    Fail(problem.incomplete ? kConfigIncomplete : kBadConfigLine, problem.where + ": " + problem.what, nullptr, 2,
         arguments.json);
  }
  return problems.empty() ? 0 : 2;
}

Result<SlotId> RunningSlot(const Arguments& arguments, const Config& config) {
  if (!arguments.running_slot.empty()) return ParseSlot(arguments.running_slot);
  const auto kernel = ReadTextFile("/proc/cmdline", 64 << 10);
  if (kernel.ok()) {
    for (const std::string_view word : Split(Trim(*kernel), ' ')) {
      if (word.starts_with("till.slot=")) return ParseSlot(word.substr(10));
    }
  }
  auto file = TILL_TRY(OpenRecords(config.boot_state, TILL_BOOT_COPY_STRIDE_BYTES, RecordKind::kInPlace, false));
  const till_boot_copies read = TILL_TRY(BootControl(std::move(file)).Read());
  if (!read.found) return Error{ErrorCode::kNotFound, "nobody says which slot runs: give --running-slot"};
  log::Warn("the running slot is taken from the boot record", {{"slot", read.record.stable == 0 ? "a" : "b"}});
  return static_cast<SlotId>(read.record.stable);
}

Result<UniqueFd> LockDataFolder(const Config& config) {
  UniqueFd lock = TILL_TRY(OpenFile(config.data_dir + "/lock", O_RDWR | O_CREAT, 0600));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::kConflict, "another tilld uses this data folder", static_cast<uint64_t>(errno)};
  }
  return lock;
}

}  // namespace till::device
