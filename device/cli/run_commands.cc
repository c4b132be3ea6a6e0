#include <fcntl.h>

#include <cstdio>

#include "core/json/json.h"
#include "core/text.h"
#include "device/cli/commands.h"
#include "device/contact.h"
#include "device/faults.h"
#include "device/release_medium.h"
#include "device/simulate.h"
#include "device/stop_signal.h"

namespace till::device {
namespace {

constexpr size_t kLogTailBytes = 8 << 10;
constexpr int kRestart = 10;
constexpr int kTryAgain = 75;

// The till's application is worth more than this program when memory runs out.
void YieldToTheTill() {
  const auto file = OpenFile("/proc/self/oom_score_adj", O_WRONLY);
  if (file.ok() && !WriteAll(file->get(), AsBytes("500")).ok()) log::Debug("oom_score_adj cannot be set");
}

// What running and installing begin with.
struct Ready {
  Setting setting;
  UniqueFd lock;
  SlotId running = SlotId::kA;
};

int Prepare(const Arguments& arguments, Ready& ready) {
  if (const int status = ReadSetting(arguments, true, ready.setting)) return status;
  const Config& config = ready.setting.config;
  CatchStopSignals();
  YieldToTheTill();
  log::KeepTail(kLogTailBytes);
  const Status made = MakeFolders(config.data_dir);
  if (!made.ok()) return Fail(kDataFolder, config.data_dir, &made.error(), 1, arguments.json);
  auto lock = LockDataFolder(config);
  if (!lock.ok()) {
    const bool busy = lock.error().code == ErrorCode::kConflict;
    return Fail(kDataFolder, config.data_dir, &lock.error(), busy ? kTryAgain : 1, arguments.json);
  }
  ready.lock = std::move(*lock);
  const auto running = RunningSlot(arguments, config);
  if (!running.ok()) return Fail(kBootRecord, config.boot_state, &running.error(), 1, arguments.json);
  ready.running = *running;
  return 0;
}

int StatusOf(RunEnd end) {
  switch (end) {
    case RunEnd::kStopped:
      return 0;
    case RunEnd::kRebootWanted:
      return kRestart;
    case RunEnd::kFailed:
      return 1;
  }
  return 1;
}

int RunWith(const Arguments& arguments, const Ready& ready, Parts parts, bool once) {
  Runner runner(ready.setting.config, ready.setting.token, ready.running, std::move(parts));
  if (const auto refusal = runner.Start()) return Fail(*refusal, 1, arguments.json);
  const RunEnd end = runner.Run(once);
  const bool told = arguments.once && end == RunEnd::kStopped && runner.hindrance() != nullptr;
  if (!told) return StatusOf(end);
  return Fail(*runner.hindrance(), ExitStatusOf(*runner.hindrance()->fault), arguments.json);
}

}  // namespace

int RunCommand(const Arguments& arguments) {
  Ready ready;
  if (const int status = Prepare(arguments, ready)) return status;
  auto parts = OpenParts(ready.setting.config);
  if (!parts.ok()) return Fail(kDataFolder, ready.setting.config.data_dir, &parts.error(), 1, arguments.json);
  return RunWith(arguments, ready, std::move(*parts), arguments.once);
}

// The same engine, with the medium in the server's and the downloader's place.
int InstallCommand(const Arguments& arguments) {
  if (arguments.words.size() != 1) return Fail(kUsage, "tilld install FOLDER|FILE", nullptr, 2, arguments.json);
  Ready ready;
  if (const int status = Prepare(arguments, ready)) return status;
  const Config& config = ready.setting.config;
  auto parts = OpenParts(config);
  if (!parts.ok()) return Fail(kDataFolder, config.data_dir, &parts.error(), 1, arguments.json);
  auto medium = ReleaseMedium::Open(arguments.words[0]);
  if (!medium.ok()) return Fail(kMedium, arguments.words[0], &medium.error(), 1, arguments.json);
  auto server = MediumServer::Make(**medium);
  if (!server.ok()) return Fail(kMedium, arguments.words[0], &server.error(), 1, arguments.json);
  parts->server = std::move(*server);
  parts->fetcher = std::make_unique<MediumFetcher>(**medium);
  parts->expiry = Trust::Expiry::kBySignedTime;
  const auto before = ReadTextFile(config.run_dir + "/status.json");
  const int status = RunWith(arguments, ready, std::move(*parts), true);
  const auto after = ReadTextFile(config.run_dir + "/status.json");
  const auto value = after.ok() ? json::Parse(*after) : Result<json::Value>(after.error());
  const auto old = before.ok() ? json::Parse(*before) : Result<json::Value>(before.error());
  if (!value.ok()) return status;
  const json::Value& failure = (*value)["last_failure"];
  const bool failed =
      status == 0 && !failure.is_null() && (!old.ok() || json::Write(failure) != json::Write((*old)["last_failure"]));
  const std::string& state = (*value)["state"].AsString();
  const std::string& waiting = (*value)["waiting_for"].AsString();
  const bool waits = status == 0 && !failed && !waiting.empty() && (state == "offered" || state == "downloading");
  if (arguments.json) {
    json::Value out = json::Value::Object();
    out.Set("state", state);
    out.Set("restart", status == kRestart);
    out.Set("reason", failed ? failure["reason"].AsString() : waiting);
    printf("%s\n", json::Write(out).c_str());
  } else if (failed || waits) {
    fprintf(stderr, "%s%s\n", waits ? "waiting: " : "",
            Printable(waits ? waiting : failure["reason"].AsString()).c_str());
  } else {
    printf("%s\n", status == kRestart ? "installed: restart the terminal" : state.c_str());
  }
  return failed ? 1 : waits ? kTryAgain : status;
}

int SimulateCommand(const Arguments& arguments) {
  if (arguments.cut_percent >= 100 || !arguments.words.empty()) {
    return Fail(kUsage, "tilld simulate --cut-power-at P%", nullptr, 2, arguments.json);
  }
  Ready ready;
  if (const int status = Prepare(arguments, ready)) return status;
  const Config& config = ready.setting.config;
  const auto result = SimulatePowerCut(config, ready.setting.token, ready.running, arguments.cut_percent,
                                       [&] { return OpenParts(config); });
  if (!result.ok()) return Fail(kDataFolder, config.data_dir, &result.error(), 1, arguments.json);
  if (arguments.json) {
    json::Value out = json::Value::Object();
    out.Set("cut", result->was_cut);
    out.Set("bytes_before", result->bytes_before);
    out.Set("bytes_after", result->bytes_after);
    out.Set("restart", result->end == RunEnd::kRebootWanted);
    printf("%s\n", json::Write(out).c_str());
  } else if (result->was_cut) {
    printf("cut after %s, then %s more\n", FormatSize(result->bytes_before).c_str(),
           FormatSize(result->bytes_after).c_str());
  } else {
    printf("there was nothing to cut: no update is offered, or it needs nothing from the network\n");
  }
  return result->was_cut ? StatusOf(result->end) : 1;
}

}  // namespace till::device
