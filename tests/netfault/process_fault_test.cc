// tilld as a process whose system calls and allocations fail: killed at the n-th call that writes, given EIO, ENOSPC,
// EINTR or a short count there, or no memory at the n-th allocation. Then it is started again until it rests: every
// time the terminal runs one of the two signed images whole, and the update is done or honestly reported as failed.
//   TILL_LONG=1: every call, a thousand allocations. Otherwise a sample.
// covers F04 F05 F12
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/text.h"
#include "tests/device/terminal_for_tests.h"

namespace till::device {
namespace {

constexpr char kWrites[] = "write,pwrite64,fdatasync,fsync,rename,ftruncate,unlink";

bool Every() { return getenv("TILL_LONG") != nullptr; }

int RunAndWait(const std::vector<std::string>& words, const std::vector<std::string>& more_environment,
               const std::string& output) {
  std::vector<std::string> environment = more_environment;
  for (char** entry = environ; *entry != nullptr; entry++) environment.emplace_back(*entry);
  std::vector<char*> arguments, variables;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  for (const std::string& entry : environment) variables.push_back(const_cast<char*>(entry.c_str()));
  arguments.push_back(nullptr);
  variables.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_addopen(&actions, 2, output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  pid_t child = 0;
  EXPECT_EQ(posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), variables.data()), 0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class FailingProcess : public AgentTest {
 protected:
  void SetUp() override {
    AgentTest::SetUp();
    hub_->PublishPayload("2.0.0", "", new_image_);
    hub_->Sign();
  }

  std::vector<std::string> Tilld(TerminalForTests& terminal) const {
    return {TILL_BIN_DIR "/tilld",
            "run",
            "--config",
            terminal.config_file(),
            "--running-slot",
            std::string(1, terminal.running()),
            "--once"};
  }

  // A fresh terminal with an update on offer; its first run of tilld is `wrap` + tilld.
  void UpdateWith(const std::vector<std::string>& wrap, const std::vector<std::string>& environment,
                  bool must_succeed) {
    const std::string name = folder_ + "/" + std::to_string(++updates_);
    TerminalForTests terminal(name, *hub_, old_image_, "1.0.0");
    const std::string action = std::to_string(updates_);
    hub_->Offer({.action = action, .payload_path = "payloads/pos/2.0.0/rootfs/full"});
    terminal.BootOnly();
    std::vector<std::string> words = wrap;
    for (std::string& word : Tilld(terminal)) words.push_back(std::move(word));
    last_status_ = RunAndWait(words, environment, name + "/log");
    const std::string context = wrap.empty() ? environment.back() : wrap.back();
    for (int run = 0; run < 6 && hub_->Outcome(action).empty(); run++) terminal.BootUntilItRests();
    const std::string outcome = hub_->Outcome(action);
    EXPECT_FALSE(outcome.empty()) << context << "\n" << terminal.FileText("log");
    if (must_succeed) {
      EXPECT_EQ(outcome, "success") << context << "\n" << terminal.FileText("log");
    }
    const bool fresh = terminal.running() == 'b';
    EXPECT_EQ(fresh, outcome == "success") << context << ": " << outcome;
    EXPECT_TRUE(terminal.Holds(terminal.running(), fresh ? new_image_ : old_image_)) << context;
    EXPECT_EQ(terminal.Record().stable, fresh ? 1 : 0) << context;
    EXPECT_TRUE(terminal.Holds('a', old_image_)) << "the running slot was written: " << context;
    std::filesystem::remove_all(name);
  }

  // How many calls of the set an undisturbed run makes.
  uint64_t CountCalls() {
    const std::string file = folder_ + "/calls";
    UpdateWith({"strace", "-f", "-qq", "-o", file, "-e", std::string("trace=") + kWrites, "--"}, {}, true);
    std::ifstream lines(file);
    uint64_t count = 0;
    for (std::string line; std::getline(lines, line);) count++;
    return count;
  }

  void InjectEverywhere(const std::string& what, bool must_succeed, uint64_t samples) {
    const uint64_t calls = CountCalls();
    ASSERT_GT(calls, 50u);
    uint64_t runs = 0;
    for (uint64_t n = 1; n <= calls; n += Every() ? 1 : std::max<uint64_t>(1, calls / samples)) {
      UpdateWith({"timeout", "-s", "KILL", "90", "strace", "-f", "-qq", "-o", "/dev/null", "-e",
                  std::string("inject=") + kWrites + ":" + what + ":when=" + std::to_string(n), "--"},
                 {}, must_succeed);
      // (strace dies of the signal that its tracee died of.)
      EXPECT_TRUE(must_succeed || last_status_ != 128 + SIGKILL) << what << " at call " << n << ": it hangs";
      if (HasFailure()) return;
      runs++;
    }
    printf("%s: %llu of %llu calls\n", what.c_str(), static_cast<unsigned long long>(runs),
           static_cast<unsigned long long>(calls));
  }

  unsigned updates_ = 0;
  int last_status_ = 0;
};

TEST_F(FailingProcess, KilledAtACallThatWritesGoesOn) { InjectEverywhere("signal=KILL", true, 40); }
TEST_F(FailingProcess, SurvivesAnIoError) { InjectEverywhere("error=EIO", false, 20); }
TEST_F(FailingProcess, SurvivesAFullDisk) { InjectEverywhere("error=ENOSPC", false, 20); }
TEST_F(FailingProcess, TriesAgainWhenInterrupted) { InjectEverywhere("error=EINTR", false, 12); }
// The call says that it wrote one byte, and wrote none.
TEST_F(FailingProcess, FindsWhatAShortWriteLeftOut) { InjectEverywhere("retval=1", false, 20); }

TEST_F(FailingProcess, WithoutMemoryEndsAndGoesOn) {
  const std::string count_file = folder_ + "/allocations";
  const std::vector<std::string> preload = {"LD_PRELOAD=" TILL_FAIL_MALLOC, "TILL_FAIL_MALLOC_IN=tilld"};
  auto environment = preload;
  environment.push_back("TILL_COUNT_MALLOC=" + count_file);
  UpdateWith({}, environment, true);
  std::ifstream file(count_file);
  uint64_t allocations = 0;
  file >> allocations;
  ASSERT_GT(allocations, 500u);
  uint64_t runs = 0;
  for (uint64_t n = 1; n <= allocations; n += allocations / (Every() ? 1'000 : 60)) {
    environment = preload;
    environment.push_back("TILL_FAIL_MALLOC_AT=" + std::to_string(n));
    UpdateWith({}, environment, false);
    if (HasFailure()) return;
    runs++;
  }
  printf("no memory at %llu of %llu allocations\n", static_cast<unsigned long long>(runs),
         static_cast<unsigned long long>(allocations));
}

}  // namespace
}  // namespace till::device
