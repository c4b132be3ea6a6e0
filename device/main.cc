// tilld: the update agent of the terminal. Only arguments and wiring here.
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json/json.h"
#include "core/log.h"
#include "core/text.h"
#include "device/adopt.h"
#include "device/doctor.h"
#include "device/faults.h"
#include "device/record_flash.h"
#include "device/runner.h"
#include "device/stop_signal.h"

extern char** environ;

namespace till::device {
namespace {

constexpr char kHelp[] =
    "tilld " TILL_VERSION
    ": the update agent of the terminal\n"
    "\n"
    "  tilld run    [--running-slot a|b] [--once]    poll, download, install, switch, confirm or roll back\n"
    "  tilld status [--json]                         what it is doing (data_dir/status.json)\n"
    "  tilld why    [--json]                         what went wrong last\n"
    "  tilld doctor [--json] [--running-slot a|b]    look at everything an update will need\n"
    "  tilld config show [--origin] [--json]         the settings, and where each came from\n"
    "  tilld adopt  --image-version V [--slot a|b] [--length BYTES] [--rollback-index N] [--json]\n"
    "               once, in the factory: what the slot holds (length: from its squashfs superblock, else all of it)\n"
    "\n"
    "  --config FILE      settings as 'key = value' lines (default /etc/tilld/tilld.conf)\n"
    "  --set KEY=VALUE    one setting, stronger than TILL_<KEY> in the environment and than the file\n"
    "  --log-json         log lines as JSON on stderr;  --verbose  more of them\n"
    "\n"
    "  settings: server tenant controller_id token token_file ca_file data_dir board product component slot_a slot_b\n"
    "            boot_state journal trusted_root health_dir health_deadline_s reboot rate_limit arena poll_s "
    "poll_min_s tries\n"
    "\n"
    "  exit codes of run: 0 stopped, 1 failed, 2 bad configuration, 10 restart the terminal (reboot = exit)\n"
    "  exit codes else:   0 all is well, 1 not, 2 usage or bad configuration\n"
    "\n"
    "  example:  slot=$(till-boot select --state boot.state); tilld run --config tilld.conf --running-slot $slot\n";

struct Arguments {
  std::string command;
  std::string config_file = "/etc/tilld/tilld.conf";
  std::vector<std::pair<std::string, std::string>> sets;
  std::string running_slot;
  AdoptInput adopt;
  bool once = false, json = false, origin = false, log_json = false, verbose = false;
};

int Fail(const Fault& fault, const std::string& context, const Error* error, int status, bool json = false) {
  const std::string text = json ? FormatFaultJson(fault, context, error) : FormatFault(fault, context, error);
  fputs((text + "\n").c_str(), stderr);
  return status;
}

// Fills `config` and the token; an exit status above 0 when it cannot be used.
int Configure(const Arguments& arguments, bool for_run, Config& config, std::string& token) {
  ConfigInput input;
  input.file_name = arguments.config_file;
  auto text = ReadTextFile(arguments.config_file, 64 << 10);
  if (!text.ok()) return Fail(kConfigIncomplete, arguments.config_file, &text.error(), 2, arguments.json);
  input.file_text = std::move(text).value();
  for (char** variable = environ; *variable != nullptr; variable++) {
    const std::string_view entry = *variable;
    const size_t equals = entry.find('=');
    if (!entry.starts_with("TILL_") || equals == std::string_view::npos) continue;
    input.environment.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  input.flags = arguments.sets;
  std::vector<ConfigProblem> problems;
  config = ReadConfig(input, problems);
  if (for_run) RequireForRun(config, problems);
  for (const ConfigProblem& problem : problems) {
    Fail(problem.incomplete ? kConfigIncomplete : kBadConfigLine, problem.where + ": " + problem.what, nullptr, 2,
         arguments.json);
  }
  if (!problems.empty()) return 2;
  token = config.token;
  if (!config.token_file.empty()) {
    const auto secret = ReadTextFile(config.token_file, 4096);
    if (!secret.ok()) return Fail(kConfigIncomplete, "token_file " + config.token_file, &secret.error(), 2);
    token = std::string(Trim(*secret));
  }
  return 0;
}

// --running-slot, else till.slot= of the kernel's command line, else the record's confirmed slot.
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

// The till's application is worth more than this program when memory runs out.
void YieldToTheTill() {
  const auto file = OpenFile("/proc/self/oom_score_adj", O_WRONLY);
  if (file.ok() && !WriteAll(file->get(), AsBytes("500")).ok()) log::Debug("oom_score_adj cannot be set");
}

// One tilld to a data folder: held until the process ends.
Result<UniqueFd> LockDataFolder(const Config& config) {
  UniqueFd lock = TILL_TRY(OpenFile(config.data_dir + "/lock", O_RDWR | O_CREAT, 0600));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error{ErrorCode::kConflict, "another tilld uses this data folder", static_cast<uint64_t>(errno)};
  }
  return lock;
}

int Run(const Arguments& arguments) {
  Config config;
  std::string token;
  if (const int status = Configure(arguments, true, config, token)) return status;
  CatchStopSignals();
  YieldToTheTill();
  auto parts = OpenParts(config);
  if (!parts.ok()) return Fail(kDataFolder, config.data_dir, &parts.error(), 1);
  const auto lock = LockDataFolder(config);
  if (!lock.ok()) return Fail(kDataFolder, config.data_dir, &lock.error(), 1);
  const auto running = RunningSlot(arguments, config);
  if (!running.ok()) return Fail(kBootRecord, config.boot_state, &running.error(), 1);
  Runner runner(config, token, *running, std::move(parts).value());
  if (const auto refusal = runner.Start()) return Fail(*refusal->fault, refusal->context, nullptr, 1);
  switch (runner.Run(arguments.once)) {
    case RunEnd::kStopped:
      return 0;
    case RunEnd::kRebootWanted:
      return 10;
    case RunEnd::kFailed:
      return 1;
  }
  return 1;
}

int ShowStatus(const Arguments& arguments) {
  Config config;
  std::string token;
  if (const int status = Configure(arguments, false, config, token)) return status;
  const std::string path = config.data_dir + "/status.json";
  const auto text = ReadTextFile(path);
  if (!text.ok()) return Fail(kDataFolder, path, &text.error(), 1, arguments.json);
  const auto value = json::Parse(*text);
  if (!value.ok()) return Fail(kDataFolder, path, &value.error(), 1, arguments.json);
  const std::string& error = (*value)["last_error"].AsString();
  if (arguments.command == "why") {
    json::Value why = json::Value::Object();
    why.Set("last_error", error);
    why.Set("last_action", (*value)["last_action"]);
    why.Set("time", (*value)["time"]);
    if (arguments.json) {
      printf("%s\n", json::Write(why).c_str());
    } else {
      printf("%s\n", error.empty() ? "nothing went wrong" : Printable(error).c_str());
    }
    return 0;
  }
  if (arguments.json) {
    printf("%s\n", json::Write(*value).c_str());
    return 0;
  }
  for (const auto& [key, item] : value->members()) {
    printf("%-22s %s\n", key.c_str(),
           item.is_string() ? Printable(item.AsString()).c_str() : json::Write(item).c_str());
  }
  return 0;
}

int ShowConfig(const Arguments& arguments) {
  Config config;
  std::string token;
  if (const int status = Configure(arguments, false, config, token)) return status;
  json::Value all = json::Value::Object();
  for (size_t i = 0; i < ConfigKeys().size(); i++) {
    const std::string value = ConfigValue(config, i);
    const char* origin = OriginName(config.origins[i]);
    if (arguments.json) {
      json::Value entry = json::Value::Object();
      entry.Set("value", value);
      entry.Set("origin", origin);
      all.Set(ConfigKeys()[i], std::move(entry));
    } else if (arguments.origin) {
      printf("%-18s %-12s %s\n", ConfigKeys()[i], origin, value.c_str());
    } else {
      printf("%s = %s\n", ConfigKeys()[i], value.c_str());
    }
  }
  if (arguments.json) printf("%s\n", json::Write(all).c_str());
  return 0;
}

int ShowDoctor(const Arguments& arguments) {
  Config config;
  std::string token;
  if (const int status = Configure(arguments, true, config, token)) return status;
  auto parts = OpenParts(config);
  if (!parts.ok()) return Fail(kDataFolder, config.data_dir, &parts.error(), 1, arguments.json);
  const auto running = RunningSlot(arguments, config);
  if (!running.ok()) return Fail(kBootRecord, config.boot_state, &running.error(), 1, arguments.json);
  bool well = true;
  json::Value list = json::Value::Array();
  for (const Finding& finding : Examine(config, token, *running, std::move(parts).value())) {
    well = well && finding.ok;
    if (!arguments.json) {
      printf(" %s %s\n", finding.ok ? "ok  " : "FAIL", Printable(finding.text).c_str());
      if (finding.fault) printf("      do: %s\n", finding.fault->mend);
      continue;
    }
    json::Value entry = json::Value::Object();
    entry.Set("ok", finding.ok);
    entry.Set("text", finding.text);
    if (finding.fault) entry.Set("code", finding.fault->code);
    list.Append(std::move(entry));
  }
  if (arguments.json) printf("%s\n", json::Write(list).c_str());
  return well ? 0 : 1;
}

int RunAdopt(const Arguments& arguments) {
  Config config;
  std::string token;
  if (const int status = Configure(arguments, false, config, token)) return status;
  auto parts = OpenParts(config);
  if (!parts.ok()) return Fail(kDataFolder, config.data_dir, &parts.error(), 1, arguments.json);
  const auto lock = LockDataFolder(config);
  if (!lock.ok()) return Fail(kDataFolder, config.data_dir, &lock.error(), 1, arguments.json);
  Adopted adopted;
  const auto refusal = Adopt(config, arguments.adopt, std::move(parts).value(), adopted);
  if (refusal) return Fail(*refusal->fault, refusal->context, nullptr, 1, arguments.json);
  const SlotImage& image = adopted.image;
  if (arguments.json) {
    json::Value out = json::Value::Object();
    out.Set("slot", SlotName(arguments.adopt.slot));
    out.Set("version", image.version);
    out.Set("image", ToHex(image.sha256));
    out.Set("length", image.length_bytes);
    out.Set("rollback_index", image.rollback_index);
    out.Set("signed", adopted.signed_image);
    printf("%s\n", json::Write(out).c_str());
  } else {
    printf("slot %s holds %s, %s, %s%s\n", SlotName(arguments.adopt.slot), image.version.c_str(),
           FormatSize(image.length_bytes).c_str(), ToHex(image.sha256).c_str(),
           adopted.signed_image ? ", named by signed metadata" : "");
  }
  return 0;
}

int Usage(const char* context) { return Fail(kUsage, context, nullptr, 2); }

enum Option : int { kSet = 256, kRunning, kOnce, kOrigin, kJson, kLogJson, kVerbose, kVersion, kSlot, kLength, kIndex };

// False when the option's value is unusable.
bool Take(Arguments& arguments, int c) {
  switch (c) {
    case 'c':
      arguments.config_file = optarg;
      return true;
    case kRunning:
      arguments.running_slot = optarg;
      return ParseSlot(optarg).ok();
    case kOnce:
      return arguments.once = true;
    case kOrigin:
      return arguments.origin = true;
    case kJson:
      return arguments.json = true;
    case kLogJson:
      return arguments.log_json = true;
    case kVerbose:
      return arguments.verbose = true;
    case kVersion:
      arguments.adopt.version = optarg;
      return true;
    case kSet: {
      const char* equals = strchr(optarg, '=');
      if (equals == nullptr) return false;
      arguments.sets.emplace_back(std::string(optarg, static_cast<size_t>(equals - optarg)), equals + 1);
      return true;
    }
    case kSlot: {
      const auto slot = ParseSlot(optarg);
      if (slot.ok()) arguments.adopt.slot = *slot;
      return slot.ok();
    }
    case kLength: {
      const auto length = ParseUint(optarg);
      if (length.ok()) arguments.adopt.length_bytes = *length;
      return length.ok();
    }
    case kIndex: {
      const auto index = ParseUint(optarg);
      if (!index.ok() || *index > UINT32_MAX) return false;
      arguments.adopt.rollback_index = static_cast<uint32_t>(*index);
      return true;
    }
    default:
      return false;
  }
}

int Main(int argc, char** argv) {
  Arguments arguments;
  static const option kOptions[] = {{"config", required_argument, nullptr, 'c'},
                                    {"set", required_argument, nullptr, kSet},
                                    {"running-slot", required_argument, nullptr, kRunning},
                                    {"once", no_argument, nullptr, kOnce},
                                    {"origin", no_argument, nullptr, kOrigin},
                                    {"json", no_argument, nullptr, kJson},
                                    {"log-json", no_argument, nullptr, kLogJson},
                                    {"verbose", no_argument, nullptr, kVerbose},
                                    {"image-version", required_argument, nullptr, kVersion},
                                    {"slot", required_argument, nullptr, kSlot},
                                    {"length", required_argument, nullptr, kLength},
                                    {"rollback-index", required_argument, nullptr, kIndex},
                                    {"help", no_argument, nullptr, 'h'},
                                    {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "c:h", kOptions, nullptr)) != -1;) {
    if (c == 'h') return fputs(kHelp, stdout), 0;
    if (!Take(arguments, c)) return Usage(argv[optind - 1]);
  }
  if (optind >= argc) return Usage("a command is needed: run, status, why, doctor, config show, adopt");
  arguments.command = argv[optind++];
  if (arguments.command == "config") {
    if (optind >= argc || strcmp(argv[optind], "show") != 0) return Usage("config show");
    optind++;
  }
  if (optind != argc) return Usage(argv[optind]);
  log::Configure("tilld", arguments.verbose ? log::Level::kDebug : log::Level::kInfo,
                 arguments.log_json ? log::Format::kJson : log::Format::kText);
  if (arguments.command == "run") return Run(arguments);
  if (arguments.command == "status" || arguments.command == "why") return ShowStatus(arguments);
  if (arguments.command == "config") return ShowConfig(arguments);
  if (arguments.command == "doctor") return ShowDoctor(arguments);
  if (arguments.command == "adopt") return RunAdopt(arguments);
  return Usage(arguments.command.c_str());
}

}  // namespace
}  // namespace till::device

int main(int argc, char** argv) { return till::device::Main(argc, argv); }
