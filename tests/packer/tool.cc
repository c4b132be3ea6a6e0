#include "tests/packer/tool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"

namespace till::packer {
namespace {

std::string TakeFile(const std::string& path) {
  std::string text = ReadTextFile(path, 16 << 20).value();
  unlink(path.c_str());
  return text;
}

[[noreturn]] void Become(const std::string& name, const std::vector<std::string>& arguments, const ToolSetting& setting,
                         int out, int errors) {
  dup2(out, 1);
  dup2(errors, 2);
  for (const auto& [key, value] : setting.environment) setenv(key.c_str(), value.c_str(), 1);
  umask(setting.umask);
  if (!setting.folder.empty() && chdir(setting.folder.c_str()) != 0) _exit(126);
  const std::string program = TILL_BIN_DIR "/" + name;
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(program.c_str(), argv.data());
  _exit(127);
}

}  // namespace

ToolRun RunTillpack(const std::vector<std::string>& arguments, const ToolSetting& setting) {
  return RunProgram("tillpack", arguments, setting);
}

ToolRun RunProgram(const std::string& name, const std::vector<std::string>& arguments, const ToolSetting& setting) {
  std::string out = "/tmp/tillpack-out-XXXXXX";
  std::string errors = "/tmp/tillpack-err-XXXXXX";
  const UniqueFd out_fd(mkostemp(out.data(), O_CLOEXEC));
  const UniqueFd errors_fd(mkostemp(errors.data(), O_CLOEXEC));
  const pid_t child = fork();
  if (child == 0) Become(name, arguments, setting, out_fd.get(), errors_fd.get());
  int status = 0;
  waitpid(child, &status, 0);
  ToolRun run;
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  run.out = TakeFile(out);
  run.errors = TakeFile(errors);
  return run;
}

}  // namespace till::packer
