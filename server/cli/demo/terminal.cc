#include "server/cli/demo/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"

namespace till::cli::demo {
namespace {

constexpr int kRebootWanted = 10;  // docs/wires.md: tilld's exit code with `reboot = exit`
constexpr unsigned kMostCrashes = 3;

Status MakeSlot(const std::string& path, uint64_t bytes, const std::string& image) {
  FileSink slot = TILL_TRY(FileSink::Create(path));
  if (!image.empty()) {
    FileSource source = TILL_TRY(FileSource::Open(image));
    TILL_TRY(Copy(source, slot));
  }
  if (truncate(path.c_str(), static_cast<off_t>(bytes)) != 0) return SystemError("cannot size the slot");
  return Ok();
}

}  // namespace

Status Terminal::WriteConfiguration() const {
  std::string text;
  const auto line = [&](const char* key, const std::string& value) { text += std::string(key) + " = " + value + "\n"; };
  line("server", spec_.hub_url);
  line("tenant", "DEFAULT");
  line("controller_id", spec_.id);
  line("token", spec_.token);
  line("data_dir", spec_.folder + "/data");
  line("board", spec_.board);
  line("product", spec_.product);
  line("component", "rootfs");
  line("slot_a", SlotPath('a'));
  line("slot_b", SlotPath('b'));
  line("boot_state", spec_.folder + "/boot-state");
  line("health_dir", spec_.health_folder);
  line("trusted_root", spec_.trusted_root);
  line("rate_limit", std::to_string(spec_.rate_bytes_per_s));
  line("reboot", "exit");
  line("poll_min_s", "1");
  return WriteFileAtomically(spec_.folder + "/tilld.conf", AsBytes(text), 0600);
}

Status Terminal::Provision() {
  TILL_TRY(MakeFolders(spec_.folder + "/data"));
  TILL_TRY(MakeSlot(SlotPath('a'), spec_.slot_bytes, spec_.factory_image));
  TILL_TRY(MakeSlot(SlotPath('b'), spec_.slot_bytes, ""));
  TILL_TRY(WriteConfiguration());
  Command boot_state;
  boot_state.argv = {spec_.bin_folder + "/till-bootctl",
                     "init",
                     "--state",
                     spec_.folder + "/boot-state",
                     "--slot",
                     "a",
                     "--image-version",
                     spec_.factory_version};
  boot_state.stderr_file = spec_.folder + "/tilld.log";
  TILL_TRY(RunToEnd(boot_state));
  Command adopt;
  FileSource image = TILL_TRY(FileSource::Open(spec_.factory_image));
  adopt.argv = {spec_.bin_folder + "/tilld",
                "adopt",
                "--config",
                spec_.folder + "/tilld.conf",
                "--slot",
                "a",
                "--image-version",
                spec_.factory_version,
                "--length",
                std::to_string(image.size())};
  adopt.stderr_file = spec_.folder + "/tilld.log";
  return RunToEnd(adopt);
}

void Terminal::Start() {
  supervisor_ = std::thread([this] { Supervise(); });
}

void Terminal::Stop() {
  stop_ = true;
  if (supervisor_.joinable()) supervisor_.join();
}

void Terminal::CutPower(int64_t off_ms) { cut_power_ms_ = off_ms; }

Result<char> Terminal::SelectSlot() const {
  const std::string answer_file = spec_.folder + "/selected-slot";
  Command select;
  select.argv = {spec_.bin_folder + "/till-boot", "select", "--state", spec_.folder + "/boot-state"};
  select.stdout_file = answer_file;
  select.stderr_file = spec_.folder + "/tilld.log";
  TILL_TRY(RunToEnd(select));
  const std::string answer = TILL_TRY(ReadTextFile(answer_file));
  const std::string_view slot = Trim(answer);
  if (slot != "a" && slot != "b") return Error{ErrorCode::kCorrupt, "the boot selector named no slot"};
  return slot[0];
}

Terminal::Ended Terminal::RunAgent(char slot) {
  Command run;
  run.argv = {spec_.bin_folder + "/tilld", "run", "--config", spec_.folder + "/tilld.conf", "--running-slot",
              std::string(1, slot)};
  run.stderr_file = spec_.folder + "/tilld.log";
  Result<Process> agent = Process::Start(run);
  if (!agent.ok()) return Ended::kCrashed;
  for (;;) {
    if (const std::optional<int> code = agent->Poll()) {
      if (*code == kRebootWanted) return Ended::kReboot;
      crash_code_ = *code;
      return Ended::kCrashed;
    }
    if (stop_) return Ended::kStopped;  // the destructor asks it to end
    if (cut_power_ms_ >= 0) {
      agent->Signal(SIGKILL);
      agent->Wait();
      SystemClock().SleepMs(cut_power_ms_.exchange(-1));
      return Ended::kPowerCut;
    }
    SystemClock().SleepMs(10);
  }
}

void Terminal::Supervise() {
  for (unsigned crashes = 0; crashes < kMostCrashes && !stop_;) {
    const Result<char> slot = SelectSlot();
    if (!slot.ok()) {
      crash_code_ = -1;
      return;
    }
    running_slot_ = *slot;
    ++boots_;
    const Ended ended = RunAgent(*slot);
    if (ended == Ended::kStopped) return;
    if (ended == Ended::kCrashed) ++crashes;
  }
}

json::Value Terminal::ReadStatus() const {
  const Result<std::string> text = ReadTextFile(spec_.folder + "/data/status.json");
  if (!text.ok()) return {};
  Result<json::Value> value = json::Parse(*text);
  return value.ok() ? *std::move(value) : json::Value();
}

unsigned Terminal::ProgressPermille() const {
  const json::Value status = ReadStatus();
  const int64_t whole = status["payload_bytes"].AsInteger();
  return whole <= 0 ? 0 : static_cast<unsigned>(status["received_bytes"].AsInteger() * 1000 / whole);
}

std::string Terminal::trouble() const {
  const int code = crash_code_.load();
  if (code == 0) return "";
  return spec_.id + (code < 0 ? ": the boot selector failed" : ": tilld ended with " + std::to_string(code)) +
         ", see " + spec_.folder + "/tilld.log";
}

}  // namespace till::cli::demo
