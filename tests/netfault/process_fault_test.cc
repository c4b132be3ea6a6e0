// tilld as a process whose system calls and allocations fail, in the run that installs and in the one that confirms:
// killed at the n-th call that writes, given EIO, ENOSPC, EINTR there, a short or a lost write, or no memory at the
// n-th allocation. Then it is started again until it rests: every time the terminal runs one of the two signed images
// whole, and the update is done or honestly reported as failed.
//   TILL_LONG=1: every such call, every allocation, and a kill at every system call at all; TILL_LONG=6500: from the
//   6500th on. Otherwise a sample.
//   (strace counts the calls of each process for itself: the n-th of tilld and the n-th of its child fail both.)
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

#include "core/file.h"
#include "core/text.h"
#include "tests/device/terminal_for_tests.h"

namespace till::device {
namespace {

constexpr char kWrites[] =
    "write,pwrite64,writev,pwritev,sendto,sendmsg,fdatasync,fsync,rename,renameat2,ftruncate,fallocate,unlink,mkdir";
constexpr char kAnyCall[] = "all";

// Which run of tilld fails.
enum class In : uint8_t { kInstall, kTrial };
constexpr In kBoth[] = {In::kInstall, In::kTrial};

constexpr int kTryAgain = 75;  // what tilld run --once ends with then

bool Every() { return getenv("TILL_LONG") != nullptr; }
uint64_t First() { return Every() ? ParseUint(getenv("TILL_LONG")).value() : 1; }

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
  EXPECT_EQ(posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), variables.data()), 0)
      << "cannot start " << arguments[0];
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

  // A fresh terminal with an update on offer; one run of tilld is `wrap` + tilld.
  void UpdateWith(In in, const std::vector<std::string>& wrap, const std::vector<std::string>& environment,
                  bool must_succeed) {
    const std::string name = folder_ + "/" + std::to_string(++updates_);
    TerminalForTests terminal(name, *hub_, old_image_, "1.0.0");
    const std::string action = std::to_string(updates_);
    hub_->Offer({.action = action, .payload_path = "payloads/pos/2.0.0/rootfs/full"});
    if (in == In::kTrial) {
      EXPECT_EQ(terminal.BootAndRun().status, 10) << terminal.FileText("log");
    }
    terminal.BootOnly();
    std::vector<std::string> words = wrap;
    for (std::string& word : Tilld(terminal)) words.push_back(std::move(word));
    last_status_ = RunAndWait(words, environment, name + "/log");
    const std::string context =
        (wrap.empty() ? environment.back() : wrap[wrap.size() - 2]) + (in == In::kTrial ? " in the trial" : "");
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
  uint64_t CountCalls(In in, const std::string& set) {
    const std::string file = folder_ + "/calls";
    std::filesystem::remove(file);
    UpdateWith(in, {"strace", "-f", "-qq", "-o", file, "-e", "trace=" + set, "--"}, {}, true);
    std::ifstream lines(file);
    uint64_t count = 0;
    for (std::string line; std::getline(lines, line);) count++;
    return count;
  }

  void InjectEverywhere(const std::string& what, const std::string& set, bool must_succeed, uint64_t samples) {
    for (const In in : kBoth) {
      const uint64_t calls = CountCalls(in, set);
      ASSERT_GT(calls, in == In::kInstall ? 50u : 10u);
      uint64_t runs = 0;
      for (uint64_t n = First(); n <= calls; n += Every() ? 1 : std::max<uint64_t>(1, calls / samples)) {
        std::string fault = "inject=";
        fault.append(set).append(":").append(what).append(":when=").append(std::to_string(n));
        UpdateWith(in, {"timeout", "-s", "KILL", "90", "strace", "-f", "-qq", "-o", "/dev/null", "-e", fault, "--"}, {},
                   must_succeed);
        // (strace dies of the signal that its tracee died of.)
        EXPECT_TRUE(must_succeed || last_status_ != 128 + SIGKILL) << what << " at call " << n << ": it hangs";
        if (HasFailure()) return;
        runs++;
      }
      printf("%s, %s: %llu of %llu calls\n", what.c_str(), in == In::kInstall ? "install" : "trial",
             static_cast<unsigned long long>(runs), static_cast<unsigned long long>(calls));
    }
  }

  // Something that a preloaded library does at the n-th occasion, once for each n.
  struct Preload {
    const char* name;
    std::string library, prefix;  // of its variables: PREFIX_IN, PREFIX_AT, and TILL_COUNT_...
    std::string count_variable;
    std::vector<std::string> more{};
    bool must_succeed = false;
    uint64_t samples = 20, at_least = 5;
  };
  void PreloadEverywhere(In in, const Preload& preload) {
    const std::string count_file = folder_ + "/count";
    std::filesystem::remove(count_file);
    std::vector<std::string> common = preload.more;
    common.push_back("LD_PRELOAD=" + preload.library);
    common.push_back(preload.prefix + "_IN=tilld");
    auto environment = common;
    environment.push_back(preload.count_variable + "=" + count_file);
    UpdateWith(in, {}, environment, true);
    uint64_t occasions = 0;
    std::ifstream(count_file) >> occasions;
    ASSERT_GE(occasions, preload.at_least);
    uint64_t runs = 0;
    for (uint64_t n = First(); n <= occasions; n += Every() ? 1 : std::max<uint64_t>(1, occasions / preload.samples)) {
      environment = common;
      environment.push_back(preload.prefix + "_AT=" + std::to_string(n));
      UpdateWith(in, {}, environment, preload.must_succeed);
      if (HasFailure()) return;
      runs++;
    }
    printf("%s, %s: %llu of %llu\n", preload.name, in == In::kInstall ? "install" : "trial",
           static_cast<unsigned long long>(runs), static_cast<unsigned long long>(occasions));
  }
  void StarveEverywhere(In in) {
    PreloadEverywhere(in, {.name = "no memory at allocations",
                           .library = TILL_FAIL_MALLOC,
                           .prefix = "TILL_FAIL_MALLOC",
                           .count_variable = "TILL_COUNT_MALLOC",
                           .samples = 40,
                           .at_least = 500});
  }
  void ShortenEverywhere(In in, bool lies) {
    Preload preload = {.name = lies ? "lost writes" : "short writes",
                       .library = TILL_SHORT_WRITE,
                       .prefix = "TILL_SHORT_WRITE",
                       .count_variable = "TILL_COUNT_WRITES"};
    if (lies) preload.more = {"TILL_SHORT_WRITE_LIES=1"};
    preload.must_succeed = !lies;
    PreloadEverywhere(in, preload);
  }

  unsigned updates_ = 0;
  int last_status_ = 0;
};

TEST_F(FailingProcess, KilledAtACallThatWritesGoesOn) { InjectEverywhere("signal=KILL", kWrites, true, 30); }
TEST_F(FailingProcess, KilledAtAnyCallGoesOn) { InjectEverywhere("signal=KILL", kAnyCall, true, 10); }
TEST_F(FailingProcess, SurvivesAnIoError) { InjectEverywhere("error=EIO", kWrites, false, 16); }
TEST_F(FailingProcess, SurvivesAFullDisk) { InjectEverywhere("error=ENOSPC", kWrites, false, 16); }

// The data folder is full when the signed metadata of an offer is to be kept: that is the terminal's own trouble, and
// no verdict about the release. (strace's -P is the file's path: writes to it alone fail, for the whole run. The
// download under way keeps the daily refresh from meeting the full folder first.) covers F05
TEST_F(FailingProcess, TriesAnOfferAgainThatMetAFullDataFolder) {
  const std::string full = "payloads/pos/2.0.0/rootfs/full";
  int releases = 0;
  for (const std::string role : {"timestamp", "snapshot", "targets", "deltas"}) {
    TerminalForTests terminal(folder_ + "/" + role, *hub_, old_image_, "1.0.0");
    hub_->AtHub(full).CutOnceAfter(150'000);
    hub_->Offer({.action = role, .payload_path = full});
    EXPECT_EQ(terminal.BootAndRun().status, 0) << terminal.FileText("log");
    const std::string version = "3.0." + std::to_string(++releases);  // news for each role
    hub_->PublishImage(version, ImageForTests(50 + releases, 20'000), 1);
    hub_->PublishPayload(version, "", ImageForTests(50 + releases, 20'000));
    hub_->Sign();
    const std::string calls = folder_ + "/calls";
    const std::string kept = terminal.folder() + "/data/tuf/" + role + ".json.new";
    std::vector<std::string> words = {"strace", "-f", "-qq", "-o", calls, "-P", kept};
    words.insert(words.end(), {"-e", "inject=write:error=ENOSPC", "--"});
    for (std::string& word : Tilld(terminal)) words.push_back(std::move(word));
    EXPECT_EQ(RunAndWait(words, {}, terminal.folder() + "/log"), kTryAgain) << role;
    EXPECT_NE(ReadTextFile(calls).value().find("ENOSPC"), std::string::npos) << role << ": nothing was full";
    EXPECT_EQ(hub_->Outcome(role), "") << "not the release's end";
    std::string why;
    terminal.Tilld({"why"}, &why);
    EXPECT_NE(why.find("T2004"), std::string::npos) << why;
    terminal.BootUntilItRests();  // with room again
    EXPECT_EQ(hub_->Outcome(role), "success") << terminal.FileText("log");
    EXPECT_TRUE(terminal.Holds('b', new_image_));
  }
}

// A data folder that is full before the download begins, as a small file system of its own is.
// covers F05
TEST_F(FailingProcess, WaitsForRoomInTheDataFolder) {
  const std::vector<std::string> alone = {"unshare", "--user", "--map-root-user", "--mount"};
  std::vector<std::string> probe = alone;
  probe.insert(probe.end(), {"mount", "-t", "tmpfs", "none", folder_});
  if (RunAndWait(probe, {}, "/dev/null") != 0) GTEST_SKIP() << "no file system can be mounted here";
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  hub_->Offer({.action = "1", .payload_path = "payloads/pos/2.0.0/rootfs/full"});
  terminal.BootOnly();
  // The small one is laid over the folder while tilld runs, and read back.
  std::vector<std::string> words = alone;
  words.insert(words.end(), {"sh", "-c",
                             "d=$1; shift; mkdir $d.small && mount -t tmpfs -o size=160k none $d.small &&"
                             " cp -a $d/. $d.small && mount --bind $d.small $d || exit 99;"
                             " \"$@\"; ended=$?; umount $d; cp -a $d.small/. $d; exit $ended",
                             "sh", terminal.folder() + "/data"});
  for (std::string& word : Tilld(terminal)) words.push_back(std::move(word));
  EXPECT_EQ(RunAndWait(words, {}, terminal.folder() + "/log"), kTryAgain) << terminal.FileText("log");
  EXPECT_EQ(hub_->Outcome("1"), "") << "not the release's end";
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
  std::string why;
  terminal.Tilld({"why"}, &why);
  EXPECT_NE(why.find("waiting   T2004 no room"), std::string::npos) << why;
  terminal.BootUntilItRests();  // with room again
  EXPECT_EQ(hub_->Outcome("1"), "success") << terminal.FileText("log");
}

TEST_F(FailingProcess, TriesAgainWhenInterrupted) { InjectEverywhere("error=EINTR", kWrites, false, 10); }

// One byte was taken where many were given: the rest follows.
TEST_F(FailingProcess, WritesTheRestAfterAShortWrite) {
  for (const In in : kBoth) ShortenEverywhere(in, false);
}
// The file system says that it took one byte, and took none.
TEST_F(FailingProcess, FindsWhatALostWriteLeftOut) {
  for (const In in : kBoth) ShortenEverywhere(in, true);
}

TEST_F(FailingProcess, WithoutMemoryEndsAndGoesOn) { StarveEverywhere(In::kInstall); }
TEST_F(FailingProcess, WithoutMemoryInTheTrialGoesOn) { StarveEverywhere(In::kTrial); }

}  // namespace
}  // namespace till::device
