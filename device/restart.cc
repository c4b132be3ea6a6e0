#include "device/restart.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "core/text.h"
#include "device/child_process.h"

namespace till::device {
namespace {

constexpr int64_t kLookDeadlineMs = 5'000;

bool IsPlainName(std::string_view word) {
  for (const char c : word) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && std::string_view("_./+-").find(c) == std::string_view::npos) return false;
  }
  return !word.empty() && word[0] != '-';
}

bool IsProgram(const std::string& path) {
  struct stat about;
  return stat(path.c_str(), &about) == 0 && S_ISREG(about.st_mode) && access(path.c_str(), X_OK) == 0;
}

}  // namespace

Status LookForRestart(const std::string& command) {
  const std::string_view line = Trim(command);
  const std::string word(line.substr(0, line.find_first_of(" \t")));
  if (word == "exit" || !IsPlainName(word)) return Ok();
  const Error missing{ErrorCode::kNotFound, "there is no such program"};
  if (word.find('/') != std::string::npos) return IsProgram(word) ? Ok() : Status(missing);
  ChildCall look{.path = "/bin/sh", .arguments = {"-c", "command -v " + word}, .deadline_ms = kLookDeadlineMs};
  const ChildEnd looked = RunChild(look, SystemClock());
  return looked.exit_code() > 0 ? Status(missing) : Ok();
}

int RunRestart(const std::string& command) {
  const pid_t child = fork();
  if (child == 0) {
    CleanEnvironment({});
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  if (child < 0) return 127;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace till::device
