#include <fcntl.h>

#include <cstdio>
#include <optional>

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

// What one cycle came to: the status, and for people the reason of it.
struct Cycle {
  int status = 0;
  Refusal refusal;   // without a fault: nothing kept it from its end
  std::string done;  // "runs already: 1.0.0", "confirmed: 2.0.0", ""
};

Cycle CycleOf(const Runner& runner, RunEnd end) {
  Cycle cycle{StatusOf(end), {}, runner.ending_reason()};
  if (end != RunEnd::kStopped) return cycle;
  if (runner.hindrance()) cycle.refusal = *runner.hindrance();
  if (!cycle.refusal.fault && StopAsked().load()) cycle.refusal = Refuse(kWaits, "a signal ended this run");
  if (!cycle.refusal.fault) return cycle;
  cycle.status = ExitStatusOf(*cycle.refusal.fault);
  // What ended the action for good is not tried again by itself.
  if (cycle.status == kTryAgain && runner.ending() == Ending::kFailed) cycle.status = 1;
  return cycle;
}

// Nothing when the runner could not even start; that is printed.
std::optional<Cycle> RunOneCycle(const Arguments& arguments, const Ready& ready, Parts parts) {
  Runner runner(ready.setting.config, ready.setting.token, ready.running, std::move(parts));
  if (const auto refusal = runner.Start()) return Fail(*refusal, 1, arguments.json), std::nullopt;
  return CycleOf(runner, runner.Run(/*once=*/true));
}

}  // namespace

int RunCommand(const Arguments& arguments) {
  Ready ready;
  if (const int status = Prepare(arguments, ready)) return status;
  auto parts = OpenParts(ready.setting.config);
  if (!parts.ok()) return Fail(kDataFolder, ready.setting.config.data_dir, &parts.error(), 1, arguments.json);
  if (arguments.once) {
    const auto cycle = RunOneCycle(arguments, ready, std::move(*parts));
    if (!cycle) return 1;
    if (cycle->refusal.fault) return Fail(cycle->refusal, cycle->status, arguments.json);
    if (cycle->status == 0) log::Info(cycle->done.empty() ? "there was nothing to do" : cycle->done);
    return cycle->status;
  }
  Runner runner(ready.setting.config, ready.setting.token, ready.running, std::move(*parts));
  if (const auto refusal = runner.Start()) return Fail(*refusal, 1, arguments.json);
  return StatusOf(runner.Run(/*once=*/false));
}

namespace {

// Says what is on the stick and cannot be used. The offer goes on without it.
void TellDamaged(const Arguments& arguments, const MediumServer& server) {
  for (const std::string& name : server.damaged()) {
    Fail(kMediumDamaged, arguments.words[0] + ", " + Printable(name), nullptr, 0, arguments.json);
  }
}

}  // namespace

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
  TellDamaged(arguments, **server);
  if (!(*server)->offers_anything()) return 1;
  parts->server = std::move(*server);
  parts->fetcher = std::make_unique<MediumFetcher>(**medium);
  parts->expiry = Trust::Expiry::kBySignedTime;
  auto cycle = RunOneCycle(arguments, ready, std::move(*parts));
  if (!cycle) return 1;
  // A medium does not come back by itself: only who objects may say something else the next time.
  const Fault* const fault = cycle->refusal.fault;
  if (fault && fault != &kWaits && fault != &kDataFolder) cycle->status = 1;
  if (fault) Fail(cycle->refusal, cycle->status, arguments.json);
  const bool restart = cycle->status == kRestart;
  if (arguments.json) {
    json::Value out = json::Value::Object();
    out.Set("restart", restart);
    out.Set("reason", fault ? cycle->refusal.Reason() : cycle->done);
    printf("%s\n", json::Write(out).c_str());
  } else if (cycle->status == 0 || restart) {
    printf("%s\n", restart ? "installed: restart the terminal" : cycle->done.c_str());
  }
  return cycle->status;
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
  const bool stuck = result->end == RunEnd::kStopped && result->refusal.fault;
  if (stuck) return Fail(result->refusal, 1, arguments.json);
  return result->was_cut ? StatusOf(result->end) : 1;
}

}  // namespace till::device
