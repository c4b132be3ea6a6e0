// Whole updates by a clock that is wrong, jumps, or is later than 32 bits count. A wrong clock never bricks, never ends
// an action, and never means "up to date".
//   TILL_LONG=1: a jump at every look at the clock. Otherwise at every third.
// covers S08 S15
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "device/journal.h"
#include "tests/device/terminal_for_tests.h"

namespace till::device {
namespace {

constexpr int64_t kDay = 86'400;
constexpr int64_t kYear = 366 * kDay;
constexpr int64_t kBuild = 1'795'305'600;                // as device/trust.cc
constexpr int64_t kEnd32 = int64_t{INT32_MAX};           // 2038-01-19T03:14:07Z
constexpr int64_t kEndUnsigned32 = int64_t{UINT32_MAX};  // 2106-02-07T06:28:15Z

class AgentClock : public AgentTest {
 protected:
  void SetUp() override {
    AgentTest::SetUp();
    payload_ = hub_->PublishPayload("2.0.0", "", new_image_);
    hub_->Sign();
  }
  void TearDown() override {
    RightTime();
    AgentTest::TearDown();
  }

  static void Time(const std::string& script) { setenv("TILL_FAKE_TIME", script.c_str(), 1); }
  static void Time(int64_t unix_s) { Time(std::to_string(unix_s)); }
  static void RightTime() { unsetenv("TILL_FAKE_TIME"), unsetenv("TILL_FAKE_TIME_LOOKS"); }

  TerminalForTests& Fresh() {
    terminal_.reset();
    const std::string name = folder_ + "/" + std::to_string(++terminals_);
    terminal_ = std::make_unique<TerminalForTests>(name, *hub_, old_image_, "1.0.0");
    return *terminal_;
  }
  void Offer() { hub_->Offer({.action = std::to_string(terminals_), .payload_path = payload_}); }
  std::string Outcome() const { return hub_->Outcome(std::to_string(terminals_)); }
  std::string Log() const { return terminal_->FileText("log"); }
  bool SaysStale(bool stale) const {
    return terminal_->FileText("data/status.json").find(stale ? "\"stale\": true" : "\"stale\": false") !=
           std::string::npos;
  }
  AgentState JournalOf(const std::function<void(AgentState&)>& change = nullptr) {
    auto file = OpenRecordFile(terminal_->folder() + "/data/journal", Journal::kCopyBytes, false);
    Journal journal(std::move(file).value());
    EXPECT_TRUE(journal.Load().ok());
    AgentState state = journal.state();
    if (change) {
      change(state);
      EXPECT_TRUE(journal.Save(state).ok());
    }
    return state;
  }

  std::string payload_;
  std::unique_ptr<TerminalForTests> terminal_;
  int terminals_ = 0;
};

TEST_F(AgentClock, ThatCannotBeRightHindersNoUpdateAndIsNeverUpToDate) {
  const int64_t kWrong[] = {-kYear,
                            0,
                            1,
                            kDay,
                            kYear,
                            kBuild - 1,
                            kEnd32 - 1,
                            kEnd32,
                            kEnd32 + 1,
                            kEndUnsigned32,
                            kEndUnsigned32 + 1,
                            int64_t{1} << 40,
                            INT64_MAX / 1000};
  for (const int64_t wrong : kWrong) {
    Time(wrong);
    TerminalForTests& terminal = Fresh();
    Offer();
    terminal.BootUntilItRests();
    EXPECT_EQ(Outcome(), "success") << wrong << "\n" << Log();
    EXPECT_TRUE(terminal.Holds('b', new_image_)) << wrong;
    EXPECT_NE(Log().find("T2007"), std::string::npos) << wrong;
    EXPECT_TRUE(SaysStale(true)) << wrong << terminal.FileText("data/status.json");
    // And as soon as it is right again, nothing remembers.
    RightTime();
    terminal.BootUntilItRests();
    EXPECT_TRUE(SaysStale(false)) << wrong << terminal.FileText("data/status.json");
  }
}

// Nothing tells a clock that is a month ahead from a hub that is silent since a month.
TEST_F(AgentClock, ThatIsALittleAheadMakesTheTerminalWaitAndGoOn) {
  for (const int64_t ahead : {30 * kDay, 9 * kYear}) {
    TerminalForTests& terminal = Fresh();
    Time(time(nullptr) + ahead);
    Offer();
    const uint64_t sent = hub_->payload_bytes_sent();
    terminal.BootUntilItRests();
    EXPECT_EQ(Outcome(), "") << "an open action is not ended by a clock";
    EXPECT_EQ(hub_->payload_bytes_sent(), sent);
    EXPECT_EQ(terminal.running(), 'a');
    EXPECT_TRUE(SaysStale(true));
    RightTime();
    terminal.BootUntilItRests();
    EXPECT_EQ(Outcome(), "success") << Log();
  }
}

TEST_F(AgentClock, IsNeededNotToKnowThatMetadataExpiredBeforeThisProgramWasWritten) {
  const std::string folder = folder_ + "/old";
  std::filesystem::create_directories(folder);
  hub_ = std::make_unique<HubForTests>(folder, kBuild - 30 * kDay);
  hub_->PublishImage("1.0.0", old_image_, 1);
  hub_->PublishImage("2.0.0", new_image_, 2);
  hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  for (const int64_t clock : {int64_t{0}, kEndUnsigned32, int64_t{time(nullptr)}}) {
    Time(clock);
    TerminalForTests& terminal = Fresh();
    Offer();
    terminal.BootUntilItRests();
    EXPECT_EQ(Outcome(), "") << clock;
    EXPECT_EQ(hub_->payload_bytes_sent(), 0u) << clock;
    EXPECT_TRUE(SaysStale(true)) << clock;
  }
}

// The repository and the terminal live then; the terminal was made then, or it was made today and lay on a shelf.
TEST_F(AgentClock, GoesOnBehind2038And2106) {
  int count = 0;
  for (const int64_t now : {kEnd32 - 1, kEnd32, kEnd32 + 1, kEndUnsigned32, kEndUnsigned32 + 1, 2 * kEndUnsigned32}) {
    for (const bool from_today : {false, true}) {
      const std::string folder = folder_ + "/then" + std::to_string(++count);
      std::filesystem::create_directories(folder);
      auto hub = std::make_unique<HubForTests>(folder, from_today ? 0 : now - 60);
      std::swap(hub, hub_);
      hub_->SetSigningTime(now - 60);
      hub_->PublishImage("1.0.0", old_image_, 1);
      hub_->PublishImage("2.0.0", new_image_, 2);
      hub_->PublishPayload("2.0.0", "", new_image_);
      hub_->Sign();
      Time(now);
      TerminalForTests& terminal = Fresh();
      Offer();
      terminal.BootUntilItRests();
      EXPECT_EQ(Outcome(), "success") << now << Log();
      EXPECT_TRUE(SaysStale(false)) << now << terminal.FileText("data/status.json");
      std::swap(hub, hub_);
    }
  }
}

TEST_F(AgentClock, IsHeldAgainstTheNewestSignedTimeAfterARestart) {
  TerminalForTests& terminal = Fresh();
  const int64_t signed_at = time(nullptr) + 100 * kDay;
  hub_->SetSigningTime(signed_at);
  hub_->PublishImage("2.5.0", ImageForTests(5, 1000), 2);
  hub_->Sign();
  Time(signed_at + 60);
  Offer();
  terminal.BootUntilItRests();
  ASSERT_EQ(Outcome(), "success") << Log();
  const auto complains = [&](int64_t now) {
    Time(now);
    const size_t before = Log().size();
    terminal.BootUntilItRests();
    return Log().find("T2007", before) != std::string::npos;
  };
  EXPECT_TRUE(complains(signed_at - 1));
  EXPECT_TRUE(complains(0));
  EXPECT_FALSE(complains(signed_at + 1));
}

TEST_F(AgentClock, MayJumpAtAnyMoment) {
  const int64_t now = time(nullptr);
  const std::string looks_file = folder_ + "/looks";
  setenv("TILL_FAKE_TIME_LOOKS", looks_file.c_str(), 1);
  Time(now);
  TerminalForTests& sound = Fresh();
  Offer();
  ASSERT_EQ(sound.BootAndRun().status, 10) << Log();
  int looks = 0;
  std::ifstream(looks_file) >> looks;
  ASSERT_GT(looks, 10);
  const int step = getenv("TILL_LONG") ? 1 : 3;
  int jumps = 0;
  for (const int64_t to : {int64_t{0}, now - kYear, now + 30 * kDay, kEnd32 + 1, kEndUnsigned32 + 1}) {
    for (int n = 1 + jumps % step; n <= looks; n += step) {
      TerminalForTests& terminal = Fresh();
      Offer();
      Time(std::to_string(now) + " " + std::to_string(n) + " " + std::to_string(to));
      terminal.BootUntilItRests();
      const std::string place = "at look " + std::to_string(n) + " to " + std::to_string(to) + "\n" + Log();
      EXPECT_TRUE(Outcome().empty() || Outcome() == "success") << Outcome() << place;
      // And back.
      Time(now);
      terminal.BootUntilItRests();
      EXPECT_EQ(Outcome(), "success") << place;
      EXPECT_TRUE(terminal.Holds('b', new_image_)) << place;
      if (HasFailure()) return;
      jumps++;
    }
  }
  printf("%d jumps of the clock at %d moments\n", jumps, looks);
}

TEST_F(AgentClock, ThatDoesNotKnowTheHourOpensNoWindow) {
  TerminalForTests& terminal = Fresh();
  terminal.Set("download_window = 00:00-24:00");
  Offer();
  for (const int64_t wrong : {int64_t{0}, kEndUnsigned32}) {
    Time(wrong);
    terminal.BootUntilItRests();
    EXPECT_EQ(Outcome(), "") << wrong;
    EXPECT_EQ(JournalOf().waiting_for, "download window") << wrong;
  }
  RightTime();
  terminal.BootUntilItRests();
  EXPECT_EQ(Outcome(), "success") << Log();
}

// Once a wrong clock had named a month of 2099, no payload came for seventy years.
TEST_F(AgentClock, ThatRanAheadDoesNotShutTheBudgetUntilItsMonthComes) {
  TerminalForTests& terminal = Fresh();
  const uint64_t budget = hub_->payload(payload_).size() + 1000;
  terminal.Set("data_budget = " + std::to_string(budget));
  terminal.BootUntilItRests();
  JournalOf([&](AgentState& state) {
    state.month = 209'901;
    state.month_bytes = budget;
  });
  Offer();
  Time(int64_t{0});
  terminal.BootUntilItRests();
  EXPECT_EQ(JournalOf().month, 209'901u) << "a clock that is wrong itself is no witness";
  RightTime();
  terminal.BootUntilItRests();
  EXPECT_EQ(JournalOf().waiting_for, "data budget") << "what was used stays used in this month";
  EXPECT_LT(JournalOf().month, 209'901u);
  const int64_t next_month = time(nullptr) + 32 * kDay;
  hub_->SetSigningTime(next_month - 60);
  hub_->PublishImage("2.5.0", ImageForTests(5, 1000), 2);
  hub_->Sign();
  Time(next_month);
  terminal.BootUntilItRests();
  EXPECT_EQ(Outcome(), "success") << Log();
}

TEST_F(AgentClock, ThatFellBackBeginsTheMerchantsPatienceAnew) {
  TerminalForTests& terminal = Fresh();
  terminal.Set("consent = ask");
  terminal.Set("consent_patience_s = 60");
  Offer();
  terminal.BootUntilItRests();
  ASSERT_EQ(JournalOf().waiting_for, "consent") << Log();
  const int64_t now = time(nullptr);
  JournalOf([&](AgentState& state) { state.asked_unix_s = now + 9 * kYear; });
  Time(int64_t{0});
  terminal.BootUntilItRests();
  EXPECT_EQ(JournalOf().asked_unix_s, now + 9 * kYear) << "patience is not counted by a clock that is wrong";
  Time(now);
  terminal.BootUntilItRests();
  EXPECT_EQ(JournalOf().asked_unix_s, now);
  Time(now + 59);
  EXPECT_EQ(terminal.BootAndRun().status, 0);
  Time(now + 61);
  terminal.BootUntilItRests();
  EXPECT_EQ(Outcome(), "success") << Log();
}

}  // namespace
}  // namespace till::device
