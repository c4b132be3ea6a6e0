#include "device/health.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "core/file.h"
#include "core/text.h"

namespace till::device {
namespace {

constexpr size_t kMaxChecks = 64;
constexpr size_t kKeptOutputBytes = 4096;
constexpr size_t kMaxLineBytes = 160;

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

std::vector<std::string> Executables(const std::string& folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, CloseFolder> open(opendir(folder.c_str()));
  if (!open) return names;
  while (const dirent* entry = readdir(open.get())) {
    const std::string path = folder + "/" + entry->d_name;
    struct stat about;
    if (entry->d_name[0] == '.' || stat(path.c_str(), &about) != 0) continue;
    if (S_ISREG(about.st_mode) && access(path.c_str(), X_OK) == 0) names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

[[noreturn]] void BecomeCheck(const HealthInput& input, const std::string& path, int output) {
  setpgid(0, 0);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  setenv("TILL_SLOT_IMAGE", input.slot_image.c_str(), 1);
  setenv("TILL_SLOT", input.slot_name.c_str(), 1);
  setenv("TILL_VERSION", input.version.c_str(), 1);
  signal(SIGPIPE, SIG_DFL);
  char* const arguments[] = {const_cast<char*>(path.c_str()), nullptr};
  execv(path.c_str(), arguments);
  _exit(126);
}

// The last line that says something.
std::string LastLine(const std::string& output) {
  std::string_view text = Trim(output);
  const size_t newline = text.rfind('\n');
  if (newline != std::string_view::npos) text = Trim(text.substr(newline + 1));
  return Printable(text.substr(0, kMaxLineBytes));
}

// The end of what a check says.
void Keep(std::string& output, const char* bytes, size_t count) {
  output.append(bytes, count);
  if (output.size() > kKeptOutputBytes) output.erase(0, output.size() - kKeptOutputBytes);
}

struct CheckEnd {
  bool on_time = false;
  int status = 0;  // of waitpid
  std::string output;
};

// Reads what the check says until it has ended or the deadline has come.
CheckEnd Follow(pid_t child, int output, int64_t deadline_ms, Clock& clock) {
  CheckEnd end;
  const int64_t until_ms = clock.MonotonicMs() + deadline_ms;
  bool open = true;
  for (;;) {
    if (waitpid(child, &end.status, WNOHANG) == child) {
      end.on_time = true;
      break;
    }
    const int64_t left_ms = until_ms - clock.MonotonicMs();
    if (left_ms <= 0) break;
    pollfd poll_fd{open ? output : -1, POLLIN, 0};
    // A check may close its output and go on: then its end is looked for every 20 ms.
    const int ready = poll(&poll_fd, 1, static_cast<int>(std::min<int64_t>(left_ms, open ? 100 : 20)));
    if (ready <= 0) continue;
    std::array<char, 1024> buffer;
    const ssize_t got = read(output, buffer.data(), buffer.size());
    if (got <= 0) open = false;
    if (got > 0) Keep(end.output, buffer.data(), static_cast<size_t>(got));
  }
  if (!end.on_time) {
    kill(-child, SIGKILL);
    waitpid(child, &end.status, 0);
  }
  // What the ended check left in the pipe (it holds 64 KiB), without waiting for grandchildren that keep it open.
  fcntl(output, F_SETFL, O_NONBLOCK);
  std::array<char, 4096> rest;
  for (int pieces = 0; pieces < 64; pieces++) {
    const ssize_t got = read(output, rest.data(), rest.size());
    if (got <= 0) break;
    Keep(end.output, rest.data(), static_cast<size_t>(got));
  }
  kill(-child, SIGKILL);  // grandchildren
  return end;
}

std::string RunOne(const HealthInput& input, const std::string& name, Clock& clock) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return "health: " + name + " cannot be started";
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const std::string path = input.folder + "/" + name;
  const pid_t child = fork();
  if (child < 0) return "health: " + name + " cannot be started";
  if (child == 0) BecomeCheck(input, path, writer.get());
  setpgid(child, child);  // both do, so that the group exists before either goes on
  writer.Reset();
  const CheckEnd end = Follow(child, reader.get(), input.deadline_ms, clock);
  if (end.on_time && WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0) return "";
  std::string reason = "health: " + Printable(name);
  if (!end.on_time) {
    reason += " not done after " + std::to_string(input.deadline_ms / 1000) + " s";
  } else if (WIFEXITED(end.status)) {
    reason += " exit " + std::to_string(WEXITSTATUS(end.status));
  } else {
    reason += " killed by signal " + std::to_string(WTERMSIG(end.status));
  }
  const std::string line = LastLine(end.output);
  if (!line.empty()) reason += ": " + line;
  return reason;
}

}  // namespace

HealthVerdict RunHealthChecks(const HealthInput& input, Clock& clock) {
  if (input.folder.empty()) return {};
  const auto names = Executables(input.folder);
  if (names.size() > kMaxChecks) return {false, "health: more than 64 checks in " + input.folder};
  for (const std::string& name : names) {
    std::string reason = RunOne(input, name, clock);
    if (!reason.empty()) return {false, std::move(reason)};
  }
  return {};
}

}  // namespace till::device
