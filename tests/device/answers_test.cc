// Never silent success, command by command: what was not done is not 0, what was done already says so, and a setting
// that cannot be kept is refused when it is read.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "device/app_lock.h"
#include "device/zone.h"
#include "tests/device/commands_for_tests.h"

namespace till::device {
namespace {

class Answers : public CommandsTest {};

// --- Usage ---

TEST_F(Answers, AMistypedCommandIsOneWithVersionToo) {
  EXPECT_EQ(Tilld({"rnu", "--version"}), 2) << said_;
  EXPECT_TRUE(Said("error T2001") && Said("rnu")) << said_;
  EXPECT_EQ(Tilld({"--version", "rnu"}), 2) << said_;
  EXPECT_EQ(Tilld({"run", "--version"}), 0) << said_;
  EXPECT_EQ(Tilld({"status", "now"}), 2) << "a word too many" << said_;
  EXPECT_TRUE(Said("now")) << said_;
}

TEST_F(Answers, AWrongValueNamesItsOption) {
  for (const auto& [option, value] : std::vector<std::pair<std::string, std::string>>{
           {"--running-slot", "c"}, {"--max", "soon"}, {"--for", "0h"}, {"--slot", "third"}, {"--length", "much"}}) {
    EXPECT_EQ(Tilld({"lock", option, value}), 2) << option;
    EXPECT_TRUE(Said(option + " " + value + ": it is ")) << said_;
  }
  EXPECT_EQ(Tilld({"run", "--running-slot=c"}), 2);
  EXPECT_TRUE(Said("--running-slot c: it is a or b")) << said_;
  EXPECT_EQ(Tilld({"adopt"}), 2) << said_;
  EXPECT_TRUE(Said("error T2001") && Said("--image-version")) << said_;
}

// --- Locks and consent ---

TEST_F(Answers, ALockThatIsNotHeldCannotBeReleased) {
  EXPECT_EQ(Tilld({"lock", "--reason", "sale"}), 0);
  EXPECT_EQ(Tilld({"lock", "--release", "--reason", "slae"}), 1) << said_;
  EXPECT_TRUE(Said("error T2051") && Said("slae")) << said_;
  EXPECT_EQ(Tilld({"lock", "--release", "--reason", "sale"}), 0) << said_;
  EXPECT_EQ(Tilld({"lock", "--release", "--reason", "sale"}), 1) << said_;
  EXPECT_EQ(Tilld({"lock", "--", "/no/such/program"}), 127) << said_;
  EXPECT_TRUE(Said("error T2056") && Said("/no/such/program")) << said_;
  EXPECT_EQ(Tilld({"lock", "--", "/bin/sh", "-c", "exit 7"}), 7) << said_;
}

TEST_F(Answers, AnAnswerThatNobodyAskedForOrThatIsTooLateIsNone) {
  EXPECT_EQ(RunOnce(), 0) << said_;
  EXPECT_EQ(Tilld({"consent", "yes"}), 1) << said_;
  EXPECT_TRUE(Said("error T2053") && Said("consent = none")) << said_;
  terminal_->Set("consent = ask");
  EXPECT_EQ(Tilld({"consent", "later"}), 1) << said_;
  EXPECT_TRUE(Said("error T2053") && Said("idle")) << said_;
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(RunOnce(), 75) << said_;
  EXPECT_TRUE(Said("error T2050") && Said("consent")) << said_;
  EXPECT_EQ(Tilld({"consent", "later", "--for", "1h"}), 0) << said_;
  EXPECT_TRUE(Said("asked again at 2")) << said_;
  EXPECT_EQ(Tilld({"consent", "yes"}), 0) << said_;
  EXPECT_TRUE(Said("agreed")) << said_;
  EXPECT_EQ(RunOnce(), 10) << said_;
  EXPECT_EQ(Tilld({"consent", "later"}), 1) << "the restart is behind" << said_;
  EXPECT_TRUE(Said("error T2052")) << said_;
}

// Whether a process of this user and these groups can hold the gate: what holds a restart back.
bool CanHoldTheGate(const std::string& gate, uid_t user, std::vector<gid_t> groups) {
  const pid_t child = fork();
  if (child == 0) {
    const gid_t group = groups.empty() ? user : groups[0];
    if (setgroups(groups.size(), groups.data()) != 0 || setgid(group) != 0 || setuid(user) != 0) _exit(2);
    const int fd = open(gate.c_str(), O_RDONLY);
    _exit(fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_NE(WEXITSTATUS(status), 2);
  return WEXITSTATUS(status) == 0;
}

TEST_F(Answers, OnlyMembersOfTheGroupHoldARestartBack) {
  if (geteuid() != 0) GTEST_SKIP() << "other users can be played by root alone";
  for (const std::string& each : {folder_, folder_ + "/t"}) chmod(each.c_str(), 0755);
  const gid_t members = getgrnam("daemon")->gr_gid;
  const std::string run_dir = folder_ + "/t/run";
  AppLocks locks(run_dir, SystemClock());
  const std::string gate = run_dir + "/locks/gate";
  // As an earlier version left it.
  ASSERT_TRUE(MakeFolders(run_dir + "/locks").ok());
  std::ofstream(gate).flush();
  chmod(gate.c_str(), 0644);
  ASSERT_TRUE(CanHoldTheGate(gate, 65534, {})) << "or this test shows nothing";
  ASSERT_TRUE(locks.Prepare("").ok());
  EXPECT_FALSE(CanHoldTheGate(gate, 65534, {}));
  ASSERT_TRUE(locks.Prepare("daemon").ok());
  EXPECT_FALSE(CanHoldTheGate(gate, 65534, {})) << "of no group";
  EXPECT_TRUE(CanHoldTheGate(gate, 65534, {members}));
  EXPECT_FALSE(locks.Prepare("no-such-group").ok());
  // A sale program of that group takes the lock, and ends it.
  const pid_t sale = fork();
  if (sale == 0) {
    if (setgroups(1, &members) != 0 || setgid(members) != 0 || setuid(65534) != 0) _exit(2);
    _exit(locks.Take("sale", 60'000).ok() ? 0 : 1);
  }
  int status = 0;
  waitpid(sale, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ASSERT_EQ(locks.List().size(), 1u);
  EXPECT_EQ(locks.List()[0].reason, "sale");
}

TEST_F(Answers, TheAgentItselfSetsTheGroup) {
  if (geteuid() != 0) GTEST_SKIP() << "other users can be played by root alone";
  for (const std::string& each : {folder_, folder_ + "/t"}) chmod(each.c_str(), 0755);
  terminal_->Set("lock_group = daemon");
  EXPECT_EQ(RunOnce(), 2) << "data_dir is nobody's but root's" << said_;
  EXPECT_TRUE(Said("run_dir")) << said_;
  terminal_->Set("run_dir = " + folder_ + "/t/run");
  EXPECT_EQ(RunOnce(), 0) << said_;
  EXPECT_TRUE(CanHoldTheGate(folder_ + "/t/run/locks/gate", 65534, {getgrnam("daemon")->gr_gid}));
  EXPECT_FALSE(CanHoldTheGate(folder_ + "/t/run/locks/gate", 65534, {}));
}

// --- Settings ---

TEST_F(Answers, ASettingThatCannotBeKeptIsRefused) {
  for (const std::string setting :
       {"timezone=Europe/Nowhere", "timezone=CET-25", "timezone=../../etc/passwd", "download_user=no-such-user",
        "lock_group=no-such-group", "consent=maybe", "health_required=perhaps", "controller_id=..", "tenant=.",
        "window=25:00-26:00", "server=ftp://x", "server=http://", "ca_file=/no/such/ca.pem", "cert_file=/no/such/cert",
        "token_file=/no/such/token"}) {
    EXPECT_EQ(RunOnce({"--set", setting}), 2) << setting << said_;
    EXPECT_TRUE(Said(setting.substr(0, setting.find('=')))) << setting << said_;
    EXPECT_TRUE(Said("error T2002") || Said("error T2003")) << said_;
    EXPECT_EQ(Doctor({"--set", setting}), 1) << "the rest is looked at all the same" << said_;
    EXPECT_TRUE((Said("FAIL T2002") || Said("FAIL T2003")) && Said("clock ") && Said("image 1.0.0")) << said_;
  }
  EXPECT_EQ(RunOnce({"--set", "ca_file=/no/such/ca.pem"}), 2);
  EXPECT_TRUE(Said("error T2003") && Said("/no/such/ca.pem")) << said_;
}

TEST(Zone, IsAFileOrARule) {
  for (const char* good :
       {"CET-1CEST,M3.5.0,M10.5.0/3", "UTC", "UTC0", "<+07>-7", "EST5EDT", "EST5EDT,M3.2.0,M11.1.0",
        "NZST-12NZDT,M9.5.0,M4.1.0/3", "AAA3:30BBB2:30,J60/2,J300/-1", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0"}) {
    EXPECT_TRUE(CheckZone(good).ok()) << good;
  }
  for (const char* bad : {"", "Europe/Nowhere", "CEST", "X-1", "CET-1CEST,M13.1.0,M10.5.0", "CET-1CEST,M3.5.0",
                          "CET+25", "CET-1CEST,M3.5.7,M10.5.0", "/etc/passwd", "../zoneinfo/UTC", "UTC0 ", "<CET-1"}) {
    EXPECT_FALSE(CheckZone(bad).ok()) << bad;
  }
}

TEST_F(Answers, TheEnvironmentOfTillctlDoesNotShootTheTerminal) {
  setenv("TILL_TOKEN", "an operator's", 1);
  EXPECT_EQ(RunOnce(), 0) << "the terminal has a token" << said_;
  unsetenv("TILL_TOKEN");
  setenv("TILLD_TOKEN", "wrong", 1);
  EXPECT_EQ(RunOnce(), 1) << said_;
  EXPECT_TRUE(Said("error T2011")) << said_;
  setenv("TILLD_TOKEN", "secret", 1);
  setenv("TILL_POLL_S", "33", 1);
  EXPECT_EQ(RunOnce(), 0) << said_;
  EXPECT_TRUE(Said("T2055") && Said("TILLD_POLL_S")) << "an old name says so" << said_;
  unsetenv("TILL_POLL_S");
  unsetenv("TILLD_TOKEN");
  setenv("TILLD_POL_S", "33", 1);
  EXPECT_EQ(RunOnce(), 2) << "nobody else has this prefix" << said_;
  EXPECT_TRUE(Said("TILLD_POL_S")) << said_;
  unsetenv("TILLD_POL_S");
}

TEST_F(Answers, HooksAndChecksSeeNothingOfTheAgentsEnvironment) {
  setenv("TILLD_TOKEN", "secret", 1);
  setenv("A_SECRET_OF_PROCD", "1", 1);
  terminal_->Set("hooks_dir = " + folder_ + "/t/hooks");
  terminal_->Set("reboot = env > " + folder_ + "/t/at-restart; kill -TERM $PPID");
  terminal_->WriteScript("hooks/pre-install", "env > " + folder_ + "/t/at-hook\n");
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(RunOnce(), 75) << "stopped, as a restart stops it" << said_;
  for (const char* name : {"at-hook", "at-restart"}) {
    const std::string seen = terminal_->FileText(name);
    EXPECT_NE(seen.find("PATH="), std::string::npos) << name;
    EXPECT_EQ(seen.find("secret"), std::string::npos) << seen;
    EXPECT_EQ(seen.find("A_SECRET_OF_PROCD"), std::string::npos) << seen;
  }
  EXPECT_NE(terminal_->FileText("at-hook").find("TILL_SPARE=b"), std::string::npos);
  unsetenv("TILLD_TOKEN");
  unsetenv("A_SECRET_OF_PROCD");
}

// --- doctor and provision ---

TEST_F(Answers, DoctorSeesAWrongBoardAndAWrongProduct) {
  terminal_->WriteHealthCheck("10-fine", "exit 0\n");
  EXPECT_EQ(Doctor(), 0) << said_;
  EXPECT_EQ(Doctor({"--set", "board=acme,pos-9"}), 1) << said_;
  EXPECT_TRUE(Said("FAIL T2015") && Said("acme,pos-9") && Said("acme,pos-100")) << said_;
  EXPECT_EQ(Doctor({"--set", "product=kiosk"}), 1) << said_;
  EXPECT_TRUE(Said("FAIL T2016") && Said("kiosk") && Said("pos/rootfs")) << said_;
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(RunOnce(), 10) << said_;
  EXPECT_EQ(Doctor({"--offline", "--set", "board=acme,pos-9"}), 1) << "by what is kept" << said_;
  EXPECT_TRUE(Said("FAIL T2015")) << said_;
}

TEST_F(Answers, DoctorSaysWhichFileToHideAndHowItStands) {
  const std::string token = folder_ + "/t/token";
  std::ofstream(token) << "secret\n";
  chmod(token.c_str(), 0644);
  EXPECT_EQ(Doctor({"--set", "token_file=" + token}), 1) << said_;
  EXPECT_TRUE(Said("FAIL T2061") && Said("mode 0644") && Said("chmod 600 " + token)) << said_;
}

TEST_F(Answers, ProvisionSaysMadeOnlyOfWhatItMade) {
  std::ofstream(folder_ + "/t/given") << "secret\n";
  terminal_->Set("token_file = " + folder_ + "/t/kept");
  const std::vector<std::string> words = {
      "provision", "--token", folder_ + "/t/given", "--root", hub_->trusted_root_file(),
      "--slot",    "a",       "--image-version",    "1.0.0"};
  EXPECT_EQ(Tilld(words), 0) << said_;
  EXPECT_TRUE(Said(" made    identity") && Said(" made    token")) << said_;
  EXPECT_EQ(Tilld(words), 0) << said_;
  EXPECT_FALSE(Said(" made ")) << said_;
}

}  // namespace
}  // namespace till::device
