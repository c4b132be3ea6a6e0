#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/json/json.h"
#include "core/log.h"
#include "core/text.h"
#include "device/app_lock.h"
#include "device/cli/commands.h"
#include "device/faults.h"
#include "device/gates.h"

namespace till::device {
namespace {

constexpr int64_t kDefaultLockS = 15 * 60;
constexpr int kTryAgain = 75;
constexpr int kNotFoundStatus = 127;  // as a shell says it

// Runs it and answers its exit status.
int RunWords(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execvp(pointers[0], pointers.data());
    const Error error = SystemError("it cannot be started");
    _exit(Fail(kCommandMissing, words[0], &error, kNotFoundStatus));
  }
  if (child < 0) {
    const Error error = SystemError("no process can be made");
    return Fail(kCommandMissing, words[0], &error, kNotFoundStatus);
  }
  // The terminal's signals go to the command; whether it heeds them is its affair, the lock goes with its end.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// What is asked for within what policy allows; a cut is said, on stderr.
int64_t Within(const char* what, int64_t wanted_s, int64_t most_s) {
  if (wanted_s <= most_s) return wanted_s;
  log::Warn("the time is cut to the longest that is allowed",
            {{"what", what}, {"wanted_s", wanted_s}, {"allowed_s", most_s}});
  return most_s;
}

// `wanted_s` of the lock `reason` when it was cut, else 0.
int ShowLocks(const Config& config, bool json, const std::string& reason = "", int64_t wanted_s = 0) {
  const json::Value held = HeldLocks(config);
  for (json::Value lock : held.items()) {
    const std::string& name = lock["reason"].AsString();
    if (!json) printf("%-20s %lld s left\n", name.c_str(), static_cast<long long>(lock["left_s"].AsInteger()));
    if (wanted_s > 0 && name == reason) lock.Set("cut_from_s", wanted_s);
    if (json) printf("%s\n", json::Write(lock).c_str());
  }
  return 0;
}

}  // namespace

json::Value HeldLocks(const Config& config) {
  json::Value list = json::Value::Array();
  for (const AppLocks::Held& held : AppLocks(config.run_dir, SystemClock()).List()) {
    json::Value entry = json::Value::Object();
    entry.Set("reason", held.reason);
    entry.Set("left_s", held.left_ms / 1000);
    list.Append(std::move(entry));
  }
  return list;
}

int LockCommand(const Arguments& arguments) {
  Setting setting;
  if (const int status = ReadSetting(arguments, false, setting)) return status;
  AppLocks locks(setting.config.run_dir, SystemClock());
  if (arguments.release) {
    const Status released = locks.Release(arguments.reason);
    if (!released.ok()) {
      const bool none = released.error().code == ErrorCode::kNotFound;
      return Fail(none ? kNoSuchLock : kLockRefused, arguments.reason, &released.error(), 1, arguments.json);
    }
    return ShowLocks(setting.config, arguments.json);
  }
  const int64_t wanted_s = arguments.for_s > 0 ? arguments.for_s : kDefaultLockS;
  const int64_t for_s = Within("lock_max_s", wanted_s, static_cast<int64_t>(setting.config.lock_max_s));
  const Status taken = locks.Take(arguments.reason, for_s * 1000);
  if (!taken.ok()) {
    // The restart has begun, or too many hold one: that passes. Who may not take one never may.
    const bool passes = taken.error().code == ErrorCode::kConflict || taken.error().code == ErrorCode::kLimit;
    const std::string who = arguments.reason + " in " + setting.config.run_dir + "/locks";
    return Fail(passes ? kLockRefused : kLocksShut, who, &taken.error(), passes ? kTryAgain : 1, arguments.json);
  }
  if (arguments.words.empty()) {
    return ShowLocks(setting.config, arguments.json, Printable(arguments.reason), for_s < wanted_s ? wanted_s : 0);
  }
  const int status = RunWords(arguments.words);
  if (!locks.Release(arguments.reason).ok()) fprintf(stderr, "tilld lock: it ends by itself in %d s\n", int(for_s));
  return status;
}

int ConsentCommand(const Arguments& arguments) {
  const bool yes = arguments.words == std::vector<std::string>{"yes"};
  if (!yes && arguments.words != std::vector<std::string>{"later"}) {
    return Fail(kUsage, "tilld consent yes|later [--for 4h]", nullptr, 2, arguments.json);
  }
  Setting setting;
  json::Value value;
  if (const int status = ReadStatus(arguments, setting, value)) return status;
  const Config& config = setting.config;
  Consent consent;
  consent.action = value["action"].AsString();
  if (consent.action.empty() || config.consent != "ask") {
    const bool off = config.consent != "ask";
    return Fail(kNobodyAsks, off ? "consent = " + config.consent : "the terminal is idle", nullptr, 1, arguments.json);
  }
  if (value["state"].AsString() == PhaseName(Phase::kTrying)) {
    return Fail(kAnswerTooLate, value["version"].AsString(), nullptr, 1, arguments.json);
  }
  consent.yes = yes;
  const int64_t wanted_s = arguments.for_s > 0 ? arguments.for_s : static_cast<int64_t>(config.defer_s);
  const int64_t for_s = yes ? 0 : Within("later", wanted_s, kLongestLaterS);
  if (!yes) consent.later_until_unix_s = SystemClock().UnixMs() / 1000 + for_s;
  const std::string kept = EncodeConsent(consent);
  const Status saved = WriteFileAtomically(config.data_dir + "/consent", AsBytes(kept), 0600);
  if (!saved.ok()) return Fail(kDataFolder, config.data_dir, &saved.error(), 1, arguments.json);
  if (arguments.json) {
    printf("%s\n", std::string(Trim(kept)).c_str());
  } else if (yes) {
    printf("the restart is agreed to\n");
  } else {
    printf("asked again at %s\n", FormatUtc(consent.later_until_unix_s).c_str());
  }
  return 0;
}

}  // namespace till::device
