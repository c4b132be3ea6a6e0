#include "device/cli/arguments.h"

#include <getopt.h>

#include <cstdio>
#include <cstring>

#include "core/text.h"
#include "device/faults.h"

namespace till::device {
namespace {

enum Option : int {
  kSet = 256,
  kRunning,
  kOnce,
  kOrigin,
  kJson,
  kLogJson,
  kVerbose,
  kVersion,
  kSlot,
  kComponent,
  kLength,
  kIndex,
  kReason,
  kFor,
  kRelease,
  kBundle,
  kToken,
  kRoot,
  kReplaceRoot,
  kOffline,
  kOwnVersion,
  kCut
};

const option kOptions[] = {{"config", required_argument, nullptr, 'c'},
                           {"set", required_argument, nullptr, kSet},
                           {"running-slot", required_argument, nullptr, kRunning},
                           {"once", no_argument, nullptr, kOnce},
                           {"origin", no_argument, nullptr, kOrigin},
                           {"json", no_argument, nullptr, kJson},
                           {"log-json", no_argument, nullptr, kLogJson},
                           {"verbose", no_argument, nullptr, kVerbose},
                           {"image-version", required_argument, nullptr, kVersion},
                           {"slot", required_argument, nullptr, kSlot},
                           {"component", required_argument, nullptr, kComponent},
                           {"length", required_argument, nullptr, kLength},
                           {"rollback-index", required_argument, nullptr, kIndex},
                           {"reason", required_argument, nullptr, kReason},
                           {"max", required_argument, nullptr, kFor},
                           {"for", required_argument, nullptr, kFor},
                           {"release", no_argument, nullptr, kRelease},
                           {"bundle", no_argument, nullptr, kBundle},
                           {"token", required_argument, nullptr, kToken},
                           {"root", required_argument, nullptr, kRoot},
                           {"replace-root", no_argument, nullptr, kReplaceRoot},
                           {"offline", no_argument, nullptr, kOffline},
                           {"cut-power-at", required_argument, nullptr, kCut},
                           {"version", no_argument, nullptr, kOwnVersion},
                           {"help", no_argument, nullptr, 'h'},
                           {nullptr, 0, nullptr, 0}};

bool TakeFlag(Arguments& arguments, int c) {
  const std::pair<int, bool Arguments::*> kFlags[] = {
      {kOnce, &Arguments::once},       {kOrigin, &Arguments::origin},
      {kJson, &Arguments::json},       {kLogJson, &Arguments::log_json},
      {kVerbose, &Arguments::verbose}, {kRelease, &Arguments::release},
      {kBundle, &Arguments::bundle},   {kReplaceRoot, &Arguments::replace_root},
      {kOffline, &Arguments::offline}, {kOwnVersion, &Arguments::version},
      {'h', &Arguments::help}};
  for (const auto& [option, member] : kFlags) {
    if (option == c) return arguments.*member = true;
  }
  return false;
}

bool TakeText(Arguments& arguments, int c) {
  switch (c) {
    case 'c':
      arguments.config_file = optarg;
      return true;
    case kVersion:
      arguments.adopt.version = optarg;
      return true;
    case kComponent:
      arguments.adopt.component = optarg;
      return true;
    case kReason:
      arguments.reason = optarg;
      return true;
    case kToken:
      arguments.token_file = optarg;
      return true;
    case kRoot:
      arguments.root_file = optarg;
      return true;
    default:
      return false;
  }
}

bool TakeNumber(Arguments& arguments, int c) {
  std::string_view text = optarg;
  if (c == kFor) {
    const auto seconds = ParseDuration(text);
    if (seconds.ok()) arguments.for_s = *seconds;
    return seconds.ok();
  }
  if (c == kCut && text.ends_with('%')) text.remove_suffix(1);
  const auto number = ParseUint(text);
  if (!number.ok()) return false;
  switch (c) {
    case kLength:
      arguments.adopt.length_bytes = *number;
      return true;
    case kIndex:
      arguments.adopt.rollback_index = static_cast<uint32_t>(*number);
      return *number <= UINT32_MAX;
    case kCut:
      arguments.cut_percent = static_cast<unsigned>(*number);
      return *number < 100;
    default:
      return false;
  }
}

// What an option's value may be.
const char* ValueOf(int c) {
  switch (c) {
    case kRunning:
    case kSlot:
      return "it is a or b";
    case kFor:
      return "it is 90s, 15m, 4h or 2d, a year at most";
    case kSet:
      return "it is KEY=VALUE";
    case kCut:
      return "it is a share below 100%";
    default:
      return "it is a number";
  }
}

// "--running-slot c: it is a or b". `word` is the argument that the option stood in: two names may mean the same.
std::string UsageOf(int c, std::string_view word) {
  if (optarg == nullptr || c == '?') return Printable(word);
  return Printable(word.substr(0, word.find('='))) + " " + Printable(optarg) + ": " + ValueOf(c);
}

// False when the option's value is unusable.
bool Take(Arguments& arguments, int c) {
  if (TakeFlag(arguments, c) || (optarg != nullptr && TakeText(arguments, c))) return true;
  if (optarg == nullptr) return false;
  if (c == kRunning) {
    arguments.running_slot = optarg;
    return ParseSlot(optarg).ok();
  }
  if (c == kSlot) {
    const auto slot = ParseSlot(optarg);
    if (slot.ok()) arguments.adopt.slot = *slot;
    return slot.ok();
  }
  if (c == kSet) {
    const char* equals = strchr(optarg, '=');
    if (equals == nullptr) return false;
    arguments.sets.emplace_back(std::string(optarg, static_cast<size_t>(equals - optarg)), equals + 1);
    return true;
  }
  return TakeNumber(arguments, c);
}

}  // namespace

Result<int64_t> ParseDuration(std::string_view text) {
  const Error bad{ErrorCode::kInvalid, "a duration is 90s, 15m, 4h or 2d"};
  if (text.empty()) return bad;
  int64_t unit = 1;
  switch (text.back()) {
    case 'd':
      unit = 86'400;
      break;
    case 'h':
      unit = 3'600;
      break;
    case 'm':
      unit = 60;
      break;
    default:
      break;
  }
  if (text.back() < '0' || text.back() > '9') {
    if (unit == 1 && text.back() != 's') return bad;
    text.remove_suffix(1);
  }
  const auto number = ParseUint(text);
  if (!number.ok() || *number == 0 || *number > 366 * 86'400) return bad;
  return static_cast<int64_t>(*number) * unit;
}

int Fail(const Fault& fault, const std::string& context, const Error* error, int status, bool json) {
  const std::string text = json ? FormatFaultJson(fault, context, error) : FormatFault(fault, context, error);
  fputs((text + "\n").c_str(), stderr);
  return status;
}

int Fail(const Refusal& refusal, int status, bool json) {
  return Fail(*refusal.fault, refusal.context, nullptr, status, json);
}

bool ParseArguments(int argc, char** argv, Arguments& arguments) {
  // "+": what stands behind the command's own words belongs to `lock`'s command; options may stand on both sides of
  // the command's name.
  for (bool named = false;;) {
    for (int at = optind, c; (c = getopt_long(argc, argv, "+c:h", kOptions, nullptr)) != -1; at = optind) {
      if (Take(arguments, c)) continue;
      Fail(kUsage, UsageOf(c, argv[at]), nullptr, 2, arguments.json);
      return false;
    }
    if (optind >= argc) break;
    const bool behind_dashes = named && strcmp(argv[optind - 1], "--") == 0;
    if (behind_dashes) {
      while (optind < argc) arguments.words.emplace_back(argv[optind++]);
      break;
    }
    (named ? arguments.words.emplace_back() : arguments.command) = argv[optind++];
    named = true;
  }
  if (!arguments.command.empty() || arguments.help || arguments.version) return true;
  Fail(kUsage, "a command is needed: run, status, why, doctor, lock, consent, install, config, provision, ...", nullptr,
       2, arguments.json);
  return false;
}

}  // namespace till::device
