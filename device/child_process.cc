#include "device/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/file.h"
#include "core/text.h"

namespace till::device {
namespace {

constexpr size_t kKeptOutputBytes = 4096;
constexpr size_t kMaxLineBytes = 160;

[[noreturn]] void BecomeIt(const ChildCall& call, int output) {
  setpgid(0, 0);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) dup2(nothing, STDIN_FILENO);
  CleanEnvironment(call.environment);
  signal(SIGPIPE, SIG_DFL);
  std::vector<char*> arguments = {const_cast<char*>(call.path.c_str())};
  for (const std::string& argument : call.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  execv(call.path.c_str(), arguments.data());
  _exit(126);
}

// The end of what it says.
void Keep(std::string& output, const char* bytes, size_t count) {
  output.append(bytes, count);
  if (output.size() > kKeptOutputBytes) output.erase(0, output.size() - kKeptOutputBytes);
}

// Reads what it says until it has ended or the deadline has come.
ChildEnd Follow(pid_t child, int output, int64_t deadline_ms, Clock& clock) {
  ChildEnd end;
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
    // A program may close its output and go on: then its end is looked for every 20 ms.
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
  // What it left in the pipe (it holds 64 KiB), without waiting for grandchildren that keep it open.
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

}  // namespace

void CleanEnvironment(const Variables& variables) {
  Variables kept = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}};
  for (const char* name : {"PATH", "TZ"}) {
    if (const char* value = getenv(name)) kept.emplace_back(name, value);
  }
  clearenv();
  kept.insert(kept.end(), variables.begin(), variables.end());
  for (const auto& [name, value] : kept) setenv(name.c_str(), value.c_str(), 1);
}

int ChildEnd::exit_code() const { return started && on_time && WIFEXITED(status) ? WEXITSTATUS(status) : -1; }

std::string ChildEnd::last_line() const {
  std::string_view text = Trim(output);
  const size_t newline = text.rfind('\n');
  if (newline != std::string_view::npos) text = Trim(text.substr(newline + 1));
  return Printable(text.substr(0, kMaxLineBytes));
}

std::string ChildEnd::Describe(int64_t deadline_ms) const {
  std::string text;
  if (!started) {
    text = "cannot be started";
  } else if (!on_time) {
    text = "not done after " + std::to_string(deadline_ms / 1000) + " s";
  } else if (WIFEXITED(status)) {
    text = "exit " + std::to_string(WEXITSTATUS(status));
  } else {
    text = "killed by signal " + std::to_string(WTERMSIG(status));
  }
  const std::string line = last_line();
  return line.empty() ? text : text + ": " + line;
}

ChildEnd RunChild(const ChildCall& call, Clock& clock) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t child = fork();
  if (child < 0) return {};
  if (child == 0) BecomeIt(call, writer.get());
  setpgid(child, child);  // both do, so that the group exists before either goes on
  writer.Reset();
  ChildEnd end = Follow(child, reader.get(), call.deadline_ms, clock);
  end.started = true;
  return end;
}

}  // namespace till::device
