// Windows, budgets, consent, locks, bundles, archives: the agent's small rules.
#include "device/gates.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "device/app_lock.h"
#include "device/config.h"
#include "device/failure_bundle.h"
#include "device/tar_index.h"
#include "tests/support/hand_clock.h"

namespace till::device {
namespace {

tm At(int weekday, int hour, int minute) {
  tm local{};
  local.tm_wday = weekday;
  local.tm_hour = hour;
  local.tm_min = minute;
  return local;
}

TEST(Window, IsOpenWhenItSaysSo) {
  struct Case {
    const char* name;
    const char* text;
    tm when;
    bool open;
  };
  const Case kCases[] = {
      {"no window", "", At(0, 12, 0), true},
      {"inside", "02:00-05:00", At(3, 2, 0), true},
      {"at its end", "02:00-05:00", At(3, 5, 0), false},
      {"before", "02:00-05:00", At(3, 1, 59), false},
      {"over midnight, evening", "22:00-04:00", At(1, 23, 0), true},
      {"over midnight, morning", "22:00-04:00", At(2, 3, 59), true},
      {"over midnight, noon", "22:00-04:00", At(2, 12, 0), false},
      {"friday's night reaches saturday", "mon-fri 22:00-04:00", At(6, 3, 0), true},
      {"saturday evening is not friday", "mon-fri 22:00-04:00", At(6, 23, 0), false},
      {"days wrap around", "sat-sun 10:00-11:00", At(0, 10, 30), true},
      {"days wrap and end", "sat-sun 10:00-11:00", At(1, 10, 30), false},
      {"the second span", "01:00-02:00; sun 20:00-21:00", At(0, 20, 59), true},
      {"to the day's end", "20:00-24:00", At(0, 23, 59), true},
  };
  for (const Case& c : kCases) {
    const auto spans = ParseWindow(c.text);
    ASSERT_TRUE(spans.ok()) << c.name;
    EXPECT_EQ(InWindow(*spans, c.when), c.open) << c.name;
  }
  for (const char* bad : {"2-5", "02:00", "02:00-02:00", "25:00-26:00", "02:60-03:00", "someday 02:00-03:00", ";",
                          "02:00-05:00;", "mon-  02:00-03:00"}) {
    EXPECT_FALSE(ParseWindow(bad).ok()) << bad;
  }
}

TEST(Budget, OpensAnewWithTheMonthAndNotWithAClockThatFellBack) {
  EXPECT_EQ((Budget{0, 202611, 500}.left_bytes(202611)), UINT64_MAX);
  EXPECT_EQ((Budget{1000, 202611, 400}.left_bytes(202611)), 600u);
  EXPECT_EQ((Budget{1000, 202611, 1400}.left_bytes(202611)), 0u);
  EXPECT_EQ((Budget{1000, 202611, 1000}.left_bytes(202612)), 1000u);
  EXPECT_EQ((Budget{1000, 202611, 1000}.left_bytes(197001)), 0u) << "1970 is no new month";
}

TEST(Consent, IsAskedForUntilItIsGivenOrPatienceEnds) {
  const ConsentQuestion question{.action = "7", .now_unix_s = 1000, .asked_unix_s = 500, .patience_s = 600};
  EXPECT_EQ(JudgeConsent({}, question), ConsentVerdict::kAsk);
  EXPECT_EQ(JudgeConsent({"7", true, 0}, question), ConsentVerdict::kYes);
  EXPECT_EQ(JudgeConsent({"6", true, 0}, question), ConsentVerdict::kAsk) << "the answer to another update";
  EXPECT_EQ(JudgeConsent({"7", false, 1001}, question), ConsentVerdict::kLater);
  EXPECT_EQ(JudgeConsent({"7", false, 1000}, question), ConsentVerdict::kAsk);
  ConsentQuestion late = question;
  late.now_unix_s = 1100;
  EXPECT_EQ(JudgeConsent({"7", false, 9999}, late), ConsentVerdict::kYes) << "not for ever";
  late.patience_s = 0;
  EXPECT_EQ(JudgeConsent({"7", false, 9999}, late), ConsentVerdict::kLater);
  EXPECT_EQ(JudgeConsent({"7", false, 1100 + kLongestLaterS + 1}, late), ConsentVerdict::kAsk) << "a clock fell back";
  EXPECT_EQ(JudgeConsent({"7", false, INT64_MAX}, late), ConsentVerdict::kAsk);
  EXPECT_EQ(JudgeConsent({"7", false, INT64_MIN}, late), ConsentVerdict::kAsk);
  const auto back = DecodeConsent(EncodeConsent({"7", false, 42}));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->action, "7");
  EXPECT_EQ(back->later_until_unix_s, 42);
}

class InFolder : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/till-gates-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_;
};
using AppLock = InFolder;
using Bundle = InFolder;

TEST_F(AppLock, HoldsUntilItEndsOrIsReleased) {
  HandClock clock;
  AppLocks locks(folder_, clock);
  EXPECT_TRUE(locks.List().empty());
  ASSERT_TRUE(locks.Take("sale", 10'000).ok());
  ASSERT_TRUE(locks.Take("stock", 5'000).ok());
  EXPECT_EQ(locks.List().size(), 2u);
  clock.now_ms += 5'000;
  ASSERT_EQ(locks.List().size(), 1u);
  EXPECT_EQ(locks.List()[0].reason, "sale");
  ASSERT_TRUE(locks.Release("sale").ok());
  EXPECT_TRUE(locks.List().empty());
  EXPECT_EQ(locks.Release("sale").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(locks.Take("short", 1'000).ok());
  clock.now_ms += 1'000;
  EXPECT_EQ(locks.Release("short").error().code, ErrorCode::kNotFound) << "it had ended";
  EXPECT_FALSE(locks.Take("", 1).ok());
  EXPECT_FALSE(locks.Take(std::string(65, 'x'), 1).ok());
}

TEST_F(AppLock, IsRefusedOnceTheRestartHasBegun) {
  HandClock clock;
  AppLocks till(folder_, clock), agent(folder_, clock);
  ASSERT_TRUE(till.Take("sale", 10'000).ok());
  EXPECT_EQ(agent.ShutGate().error().code, ErrorCode::kConflict) << "a sale is on";
  ASSERT_TRUE(till.Release("sale").ok());
  {
    const auto gate = agent.ShutGate();
    ASSERT_TRUE(gate.ok());
    EXPECT_EQ(till.Take("sale", 10'000).error().code, ErrorCode::kConflict);
  }
  EXPECT_TRUE(till.Take("sale", 10'000).ok());
}

TEST_F(AppLock, OfAnEarlierBootIsForgotten) {
  HandClock clock;
  AppLocks locks(folder_, clock);
  std::filesystem::create_directories(folder_ + "/locks");
  std::ofstream(folder_ + "/locks/0123456789abcdef.lock") << "another-boot\n999999999\nsale\n";
  std::ofstream(folder_ + "/locks/0123456789abcdee.lock") << "nonsense";
  EXPECT_TRUE(locks.List().empty());
}

TEST_F(Bundle, KeepsWithinItsBudgetAndTheEndOfEachPart) {
  const std::string log(10'000, 'l');
  for (const size_t budget : {size_t{0}, size_t{1}, size_t{20}, size_t{100}, size_t{4096}, size_t{100'000}}) {
    const std::string bundle = MakeBundle({{"reason", "no printer\n"}, {"log", "first\n" + log + "last\n"}}, budget);
    EXPECT_LE(bundle.size(), budget);
    if (budget < 100) continue;
    EXPECT_TRUE(bundle.starts_with("== reason\nno printer\n"));
    EXPECT_TRUE(bundle.ends_with("last\n"));
  }
}

TEST_F(Bundle, TakesTheEndOfTheNewestKernelRecord) {
  std::ofstream(folder_ + "/dmesg-ramoops-0") << std::string(5000, 'a') << "\nline two\nKernel panic - not syncing\n";
  std::ofstream(folder_ + "/other") << "nothing";
  EXPECT_EQ(KernelTail(folder_, 40), "line two\nKernel panic - not syncing");
  EXPECT_EQ(KernelTail(folder_ + "/none", 40), "");
  const auto details = CutIntoDetails("one\ntwo\x1b[2J\nthree\n", 8, 10);
  ASSERT_FALSE(details.empty());
  for (const std::string& detail : details) {
    EXPECT_LE(detail.size(), 8u);
    EXPECT_EQ(detail.find('\x1b'), std::string::npos);
  }
  EXPECT_LE(CutIntoDetails(std::string(100'000, 'x'), 512, 7).size(), 7u);
}

TEST_F(Bundle, FindsTheMembersOfATarAndRefusesOthers) {
  std::filesystem::create_directories(folder_ + "/r/tuf");
  std::ofstream(folder_ + "/r/tuf/1.root.json") << "{}";
  std::ofstream(folder_ + "/r/" + std::string(120, 'n') + ".till") << std::string(1000, 'p');
  const std::string tar = folder_ + "/r.tar";
  ASSERT_EQ(std::system(("tar -C " + folder_ + "/r -cf " + tar + " .").c_str()), 0);  // tidy: allow(system) a real tar
  auto file = FileSource::Open(tar);
  ASSERT_TRUE(file.ok());
  const auto members = IndexTar(*file);
  ASSERT_TRUE(members.ok()) << members.error().what;
  ASSERT_EQ(members->size(), 2u);
  size_t found = 0;
  for (const TarMember& member : *members) {
    Bytes bytes(member.length);
    ASSERT_TRUE(ReadFully(*file, member.offset, bytes).ok());
    if (member.name == "tuf/1.root.json" && AsText(bytes) == "{}") found++;
    if (member.name == std::string(120, 'n') + ".till" && AsText(bytes) == std::string(1000, 'p')) found++;
  }
  EXPECT_EQ(found, 2u);
  // Cut anywhere and damaged anywhere in its first header it is refused or shows less, never more than is there.
  std::string bytes = ReadTextFile(tar).value();
  for (size_t at = 0; at < 512; at++) {
    std::string damaged = bytes;
    damaged[at] ^= 0x40;
    MemorySource source(AsBytes(damaged));
    const auto read = IndexTar(source);
    for (const TarMember& member : read.ok() ? *read : std::vector<TarMember>()) {
      EXPECT_LE(member.offset + member.length, damaged.size());
    }
  }
  MemorySource cut(AsBytes(bytes).first(700));
  EXPECT_FALSE(IndexTar(cut).ok() && IndexTar(cut)->size() > 1);
}

TEST(Config, ReadsUciOneToOne) {
  ConfigInput input;
  input.file_name = "tilld";
  input.file_text =
      "config tilld 'main'\n\toption server 'https://ota.example'\n\toption poll_s \"90\"\n\toption board "
      "acme,pos-100\n"
      "\tlist components 'app=/a,/b'\n\tlist components 'kernel=/c,/d'\n\n# a comment\n";
  std::vector<ConfigProblem> problems;
  const Config config = ReadConfig(input, problems);
  for (const ConfigProblem& problem : problems) ADD_FAILURE() << problem.where << problem.what;
  EXPECT_EQ(config.server, "https://ota.example");
  EXPECT_EQ(config.poll_s, 90u);
  EXPECT_EQ(config.board, "acme,pos-100");
  const auto components = ComponentsOf(config);
  ASSERT_TRUE(components.ok());
  ASSERT_EQ(components->size(), 3u);
  EXPECT_EQ((*components)[0].name, "rootfs");
  EXPECT_EQ((*components)[2].slot_b, "/d");
}

TEST(Config, RefusesWordsThatMeanNothing) {
  struct Case {
    const char* name;
    const char* text;
    const char* where;
  };
  const Case kCases[] = {
      {"consent", "consent = maybe\n", "consent"},
      {"fallback", "full_fallback = sometimes\n", "full_fallback"},
      {"window", "window = at night\n", "window"},
      {"components", "components = app\n", "components"},
      {"too many components", "components = a=1,2 b=3,4 c=5,6 d=7,8\n", "components"},
      {"one component twice", "components = rootfs=1,2\n", "components"},
      {"an open quotation", "config tilld main\n\toption server 'x\n", "file:2"},
      {"no option", "config tilld main\n\tserver x\n", "file:2"},
      {"an option twice", "config tilld main\n\toption board a\n\toption board b\n", "file:3"},
  };
  for (const Case& c : kCases) {
    std::vector<ConfigProblem> problems;
    ReadConfig({"file", c.text, {}, {}}, problems);
    ASSERT_EQ(problems.size(), 1u) << c.name;
    EXPECT_EQ(problems[0].where, c.where) << c.name;
  }
}

TEST(Config, LetsTheStrongerOriginOfTheTokenCount) {
  std::vector<ConfigProblem> problems;
  EXPECT_TRUE(TokenIsInFile(ReadConfig({"f", "token_file = /t\n", {}, {}}, problems)));
  EXPECT_FALSE(TokenIsInFile(ReadConfig({"f", "token = x\n", {}, {}}, problems)));
  EXPECT_FALSE(TokenIsInFile(ReadConfig({"f", "token_file = /t\n", {}, {{"token", "x"}}}, problems)));
  EXPECT_FALSE(TokenIsInFile(ReadConfig({"f", "token_file = /t\n", {{"TILLD_TOKEN", "x"}}, {}}, problems)));
  // The word of tillctl and tillpack for an operator's token counts only where there is no other.
  EXPECT_TRUE(TokenIsInFile(ReadConfig({"f", "token_file = /t\n", {{"TILL_TOKEN", "x"}}, {}}, problems)));
  EXPECT_EQ(ReadConfig({"f", "token = y\n", {{"TILL_TOKEN", "x"}}, {}}, problems).token, "y");
  const Config old = ReadConfig({"f", "", {{"TILL_TOKEN", "x"}, {"TILL_URL", "u"}}, {}}, problems);
  EXPECT_EQ(old.token, "x");
  EXPECT_EQ(old.old_names, std::vector<std::string>{"TILL_TOKEN"});
  EXPECT_EQ(ReadConfig({"f", "", {{"TILL_POLL_S", "5"}, {"TILLD_POLL_S", "6"}}, {}}, problems).poll_s, 6u);
  EXPECT_TRUE(problems.empty());
  EXPECT_TRUE(TokenIsInFile(ReadConfig({"f", "token = x\ntoken_file = /t\n", {}, {}}, problems)));
}

}  // namespace
}  // namespace till::device
