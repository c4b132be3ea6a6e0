#include "server/cli/demo/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "core/clock.h"
#include "core/file.h"
#include "core/json/json.h"

extern char** environ;

namespace till::cli::demo {
namespace {

constexpr int kCannotExec = 127;

Result<UniqueFd> OpenOutput(const std::string& path, int extra) {
  return OpenFile(path.empty() ? "/dev/null" : path, O_WRONLY | O_CREAT | extra);
}

// Between fork and exec: only async-signal-safe calls.
[[noreturn]] void Become(char* const* argv, char* const* environment, int out, int err, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);  // --keep holds SIGTERM back for itself, not for its children
  if (getppid() != parent) _exit(kCannotExec);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  execve(argv[0], argv, environment);
  _exit(kCannotExec);
}

int Decode(int wait_status) { return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status); }

}  // namespace

Result<Process> Process::Start(const Command& command) {
  const UniqueFd out = TILL_TRY(OpenOutput(command.stdout_file, O_TRUNC));
  const UniqueFd err = TILL_TRY(OpenOutput(command.stderr_file, O_APPEND));
  std::vector<char*> argv;
  for (const std::string& argument : command.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) variables.emplace_back(*variable);
  for (const auto& [name, value] : command.environment) {
    variables.push_back(name);
    variables.back().append("=").append(value);
  }
  std::vector<char*> environment;
  environment.reserve(variables.size() + 1);
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return SystemError("cannot start a program");
  if (pid == 0) Become(argv.data(), environment.data(), out.get(), err.get(), parent);
  return Process(pid);
}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(exit_status_, other.exit_status_);
  return *this;
}

Process::~Process() {
  if (pid_ < 0 || Poll().has_value()) return;
  kill(pid_, SIGTERM);
  const int64_t deadline_ms = SystemClock().MonotonicMs() + 3'000;
  while (SystemClock().MonotonicMs() < deadline_ms) {
    if (Poll().has_value()) return;
    SystemClock().SleepMs(20);
  }
  kill(pid_, SIGKILL);
  Wait();
}

std::optional<int> Process::Poll() {
  if (exit_status_.has_value() || pid_ < 0) return exit_status_;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) exit_status_ = Decode(status);
  return exit_status_;
}

int Process::Wait() {
  while (!exit_status_.has_value()) {
    int status = 0;
    const pid_t ended = waitpid(pid_, &status, 0);
    if (ended == pid_) exit_status_ = Decode(status);
    if (ended < 0 && errno != EINTR) exit_status_ = kCannotExec;
  }
  return *exit_status_;
}

void Process::Signal(int signal) {
  if (pid_ > 0 && !Poll().has_value()) kill(pid_, signal);
}

Status RunToEnd(const Command& command) {
  Process process = TILL_TRY(Process::Start(command));
  const int code = process.Wait();
  if (code != 0) return Error{ErrorCode::kInvalid, "a program failed", static_cast<uint64_t>(code)};
  return Ok();
}

Result<std::string> AwaitReadyUrl(Process& process, const std::string& stdout_file, int64_t timeout_ms) {
  const int64_t deadline_ms = SystemClock().MonotonicMs() + timeout_ms;
  while (SystemClock().MonotonicMs() < deadline_ms) {
    const Result<std::string> text = ReadTextFile(stdout_file);
    if (text.ok() && text->find('\n') != std::string::npos) {
      const json::Value ready = TILL_TRY(json::Parse(text->substr(0, text->find('\n'))));
      return ready.RequireString("url");
    }
    if (const std::optional<int> ended = process.Poll()) {
      return Error{ErrorCode::kInvalid, "a server ended before it was ready", static_cast<uint64_t>(*ended)};
    }
    SystemClock().SleepMs(20);
  }
  return Error{ErrorCode::kUnavailable, "a server was not ready in time"};
}

}  // namespace till::cli::demo
