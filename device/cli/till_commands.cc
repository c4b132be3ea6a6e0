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

// Runs it and answers its exit status.
int RunWords(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    execvp(pointers[0], pointers.data());
    fprintf(stderr, "tilld lock: cannot run %s\n", pointers[0]);
    _exit(127);
  }
  if (child < 0) return 1;
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
  json::Value list = json::Value::Array();
  const json::Value held = HeldLocks(config);
  for (json::Value lock : held.items()) {
    const std::string& name = lock["reason"].AsString();
    if (!json) printf("%-20s %lld s left\n", name.c_str(), static_cast<long long>(lock["left_s"].AsInteger()));
    if (wanted_s > 0 && name == reason) lock.Set("cut_from_s", wanted_s);
    list.Append(std::move(lock));
  }
  if (json) printf("%s\n", json::Write(list).c_str());
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
    if (!released.ok()) return Fail(kLockRefused, arguments.reason, &released.error(), 1, arguments.json);
    return ShowLocks(setting.config, arguments.json);
  }
  const int64_t wanted_s = arguments.for_s > 0 ? arguments.for_s : kDefaultLockS;
  const int64_t for_s = Within("lock_max_s", wanted_s, static_cast<int64_t>(setting.config.lock_max_s));
  const Status taken = locks.Take(arguments.reason, for_s * 1000);
  if (!taken.ok()) return Fail(kLockRefused, arguments.reason, &taken.error(), kTryAgain, arguments.json);
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
  if (const int status = ReadSetting(arguments, false, setting)) return status;
  const Config& config = setting.config;
  const auto text = ReadTextFile(config.run_dir + "/status.json");
  const auto value = text.ok() ? json::Parse(*text) : Result<json::Value>(text.error());
  if (!value.ok()) return Fail(kNeverRan, config.run_dir, &value.error(), 1, arguments.json);
  Consent consent;
  consent.action = (*value)["action"].AsString();
  if (consent.action.empty()) return Fail(kUsage, "no update asks for an answer", nullptr, 1, arguments.json);
  consent.yes = yes;
  const int64_t wanted_s = arguments.for_s > 0 ? arguments.for_s : static_cast<int64_t>(config.defer_s);
  const int64_t for_s = yes ? 0 : Within("later", wanted_s, kLongestLaterS);
  if (!yes) consent.later_until_unix_s = SystemClock().UnixMs() / 1000 + for_s;
  const std::string kept = EncodeConsent(consent);
  const Status saved = WriteFileAtomically(config.data_dir + "/consent", AsBytes(kept), 0600);
  if (!saved.ok()) return Fail(kDataFolder, config.data_dir, &saved.error(), 1, arguments.json);
  if (arguments.json) printf("%s\n", std::string(Trim(kept)).c_str());
  return 0;
}

}  // namespace till::device
