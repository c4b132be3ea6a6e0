#include "device/health.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/clock.h"

namespace till::device {
namespace {

class Health : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/till-health-test-XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void Check(const std::string& name, const std::string& script, unsigned mode = 0755) {
    std::ofstream(folder_ + "/" + name) << "#!/bin/sh\n" << script;
    chmod((folder_ + "/" + name).c_str(), mode);
  }
  HealthVerdict RunAll(int64_t deadline_ms = 20'000) {
    return RunHealthChecks({folder_, deadline_ms, "/slots/b", "b", "1.5.0"}, SystemClock());
  }
  std::string folder_;
};

TEST_F(Health, IsGoodWithoutChecksAndSaysThatNoneRan) {
  EXPECT_TRUE(RunAll().healthy);
  EXPECT_EQ(RunAll().checks, 0u);
  Check("10-ok", "exit 0\n");
  EXPECT_EQ(RunAll().checks, 1u);
  EXPECT_TRUE(RunHealthChecks({"", 1'000, "", "", ""}, SystemClock()).healthy);
  EXPECT_TRUE(RunHealthChecks({"/does/not/exist", 1'000, "", "", ""}, SystemClock()).healthy);
}

TEST_F(Health, TellsChecksWhichImageRuns) {
  Check("env", "test \"$TILL_SLOT_IMAGE $TILL_SLOT $TILL_VERSION\" = '/slots/b b 1.5.0'\n");
  const auto verdict = RunAll();
  EXPECT_TRUE(verdict.healthy) << verdict.reason;
}

TEST_F(Health, ReportsTheFirstFailureWithItsLastLine) {
  Check("10-ok", "echo fine\n");
  Check("20-bad", "echo first; echo; echo 'no receipt printer' >&2; echo; exit 3\n");
  Check("30-never", "exit 9\n");
  const auto verdict = RunAll();
  EXPECT_FALSE(verdict.healthy);
  EXPECT_EQ(verdict.reason, "health: 20-bad exit 3: no receipt printer");
}

TEST_F(Health, SkipsWhatIsNotExecutable) {
  Check("readme", "exit 1\n", 0644);
  Check(".hidden", "exit 1\n");
  EXPECT_TRUE(RunAll().healthy);
}

TEST_F(Health, ReportsASignal) {
  Check("crash", "kill -SEGV $$\n");
  EXPECT_EQ(RunAll().reason, "health: crash killed by signal 11");
}

// Whether the process is there and no zombie.
bool Runs(int pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(stat)), std::istreambuf_iterator<char>());
  return !text.empty() && text.find(") Z") == std::string::npos && text.find(") X") == std::string::npos;
}

TEST_F(Health, KillsTheWholeGroupAtTheDeadline) {
  Check("hang", "trap '' TERM; echo waiting; (exec tail -f /dev/null) & echo $! >" + folder_ + "/.child; wait\n");
  const auto verdict = RunAll(500);
  EXPECT_EQ(verdict.reason, "health: hang not done after 0 s: waiting");
  std::ifstream file(folder_ + "/.child");
  int child = 0;
  file >> child;
  ASSERT_GT(child, 0);
  // SIGKILL is sent, but a busy machine may take its time to carry it out; a zombie does not run any more.
  const int64_t deadline_ms = SystemClock().MonotonicMs() + 10'000;
  while (Runs(child) && SystemClock().MonotonicMs() < deadline_ms) {
    SystemClock().SleepMs(10);  // tidy: allow(sleep) a process that is no child of ours gives no event
  }
  EXPECT_FALSE(Runs(child));
}

TEST_F(Health, BoundsWhatAChattyCheckSays) {
  Check("chatty",
        "i=0; while [ $i -lt 3000 ]; do echo line $i is quite long and says nothing; i=$((i+1)); done; exit 1\n");
  const auto verdict = RunAll();
  EXPECT_EQ(verdict.reason, "health: chatty exit 1: line 2999 is quite long and says nothing");
}

TEST_F(Health, MakesControlCharactersHarmless) {
  Check("escape", "printf 'red\\033[31m\\n'; exit 1\n");
  EXPECT_EQ(RunAll().reason.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace till::device
