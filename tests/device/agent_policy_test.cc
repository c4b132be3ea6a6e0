// Whole updates under somebody's terms: fallback, windows, locks, budgets, consent, hooks, several components, media.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "core/text.h"
#include "tests/device/terminal_for_tests.h"

namespace till::device {
namespace {

class Policy : public AgentTest {
 protected:
  void Start() {
    hub_->Sign();
    terminal_ = std::make_unique<TerminalForTests>(folder_ + "/t", *hub_, old_image_, "1.0.0");
  }
  void PublishBoth() {
    delta_ = hub_->PublishPayload("2.0.0", old_image_, new_image_);
    full_ = hub_->PublishPayload("2.0.0", "", new_image_);
  }
  std::string Why() {
    std::string text;
    EXPECT_EQ(terminal_->Tilld({"why"}, &text), 0);
    return text;
  }
  std::string Log() const { return terminal_->FileText("log"); }
  bool Heard(const std::string& detail) const {
    for (const device::Heard& h : hub_->heard()) {
      if (h.detail.find(detail) != std::string::npos) return true;
    }
    return false;
  }

  std::unique_ptr<TerminalForTests> terminal_;
  std::string delta_, full_;
};

// --- A failed delta must not become a bill ---

// covers S17
TEST_F(Policy, NeverTakesTheFullPayloadForADamagedDeltaUnasked) {
  PublishBoth();
  Start();
  hub_->AtHub(delta_).bytes[hub_->payload(delta_).size() - 10] ^= 1;
  hub_->Offer({.payload_path = delta_, .more_payloads = {full_}});
  terminal_->BootUntilItRests();
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: T2023")) << hub_->Outcome("1") << Log();
  EXPECT_LE(hub_->payload_bytes_sent(), hub_->payload(delta_).size());
  EXPECT_TRUE(terminal_->Holds('a', old_image_));
  EXPECT_NE(Why().find("T2023"), std::string::npos) << "a restart forgets no failure";
}

// covers S17
TEST_F(Policy, TakesTheFullPayloadAfterADamagedDeltaWhenTheServerAllowsIt) {
  PublishBoth();
  Start();
  hub_->AtHub(delta_).bytes[hub_->payload(delta_).size() - 10] ^= 1;
  hub_->Offer({.payload_path = delta_, .more_payloads = {full_}, .fallback = "full"});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
  EXPECT_TRUE(terminal_->Holds('b', new_image_));
  EXPECT_TRUE(Heard("another payload is taken: T2023"));
}

// covers S17
TEST_F(Policy, ObeysTheTerminalsOwnNeverAndAlways) {
  PublishBoth();
  Start();
  hub_->AtHub(delta_).bytes[hub_->payload(delta_).size() - 10] ^= 1;
  terminal_->Set("full_fallback = never");
  hub_->Offer({.payload_path = delta_, .more_payloads = {full_}, .fallback = "full"});
  terminal_->BootUntilItRests();
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: T2023")) << hub_->Outcome("1");
  std::string shown;
  EXPECT_EQ(terminal_->Tilld({"--set", "full_fallback=always", "config", "show", "--origin"}, &shown), 0);
  EXPECT_NE(shown.find("full_fallback      flag         always"), std::string::npos);
}

// A delta for another base stands beside the full payload: this terminal's delta does not exist.
// covers S17
TEST_F(Policy, SaysThatNoDeltaFits) {
  PublishBoth();
  const std::string third = ImageForTests(3, 305'000);
  const std::string other = hub_->PublishPayload("2.0.0", third, new_image_);
  Start();
  hub_->Offer({.payload_path = other, .more_payloads = {full_}});
  terminal_->BootUntilItRests();
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: T2031")) << hub_->Outcome("1");
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
}

// covers S17
TEST_F(Policy, FindsABaseThatChangedBeforeTheFirstWriteInEachBlock) {
  PublishBoth();
  Start();
  const std::string sound = terminal_->SlotBytes('a');
  const std::string spare = terminal_->SlotBytes('b');
  for (size_t at = 100; at < old_image_.size(); at += 65'536) {
    std::string bytes = sound;
    bytes[at] ^= 1;
    std::ofstream(folder_ + "/t/slot-a", std::ios::binary) << bytes;
    const std::string action = std::to_string(at);
    hub_->Offer({.action = action, .payload_path = delta_});
    terminal_->BootUntilItRests();
    EXPECT_TRUE(hub_->Outcome(action).starts_with("failure: T2009")) << hub_->Outcome(action);
    EXPECT_TRUE(terminal_->SlotBytes('b') == spare) << "nothing was written for a delta without its base";
  }
}

// --- Who may object ---

TEST_F(Policy, WaitsForTheAppLockAndSaysSo) {
  PublishBoth();
  Start();
  hub_->Offer({.payload_path = delta_});
  ASSERT_EQ(terminal_->Tilld({"lock", "--reason", "sale", "--max", "15m"}), 0);
  EXPECT_EQ(terminal_->BootAndRun().status, 0) << "no restart during a sale" << Log();
  EXPECT_TRUE(terminal_->Holds('b', new_image_)) << "installed it is";
  EXPECT_TRUE(Heard("waiting: lock: sale"));
  EXPECT_NE(Why().find("lock: sale"), std::string::npos);
  EXPECT_EQ(terminal_->RunAgain().status, 0);
  int waits = 0;
  for (const device::Heard& h : hub_->heard()) waits += h.code == 135 ? 1 : 0;
  EXPECT_EQ(waits, 1) << "said once, not at every look";
  ASSERT_EQ(terminal_->Tilld({"lock", "--release", "--reason", "sale"}), 0);
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
}

TEST_F(Policy, RestartsInItsWindowOnly) {
  PublishBoth();
  Start();
  const time_t now = time(nullptr);
  tm local{};
  localtime_r(&now, &local);
  char shut[32], open[32];
  snprintf(shut, sizeof shut, "window = %02d:00-%02d:59", (local.tm_hour + 3) % 24, (local.tm_hour + 4) % 24);
  snprintf(open, sizeof open, "window=%02d:00-%02d:59", (local.tm_hour + 23) % 24, (local.tm_hour + 1) % 24);
  const std::string conf = terminal_->FileText("tilld.conf");
  terminal_->Set(shut);
  hub_->Offer({.payload_path = delta_});
  EXPECT_EQ(terminal_->BootAndRun().status, 0) << Log();
  EXPECT_TRUE(Heard("waiting: window"));
  EXPECT_EQ(terminal_->Record().trial, TILL_BOOT_NO_SLOT);
  std::ofstream(terminal_->config_file(), std::ios::binary) << conf << open << "\n";
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
}

TEST_F(Policy, DownloadsInItsWindowOnly) {
  PublishBoth();
  Start();
  const time_t now = time(nullptr);
  tm local{};
  localtime_r(&now, &local);
  char shut[48];
  snprintf(shut, sizeof shut, "download_window = %02d:00-%02d:59", (local.tm_hour + 3) % 24, (local.tm_hour + 4) % 24);
  terminal_->Set(shut);
  hub_->Offer({.payload_path = delta_});
  EXPECT_EQ(terminal_->BootAndRun().status, 0);
  EXPECT_TRUE(Heard("waiting: download window"));
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
}

TEST_F(Policy, HeedsTheServersWindowForTheRestart) {
  PublishBoth();
  Start();
  hub_->Offer({.payload_path = delta_, .update = "skip"});
  EXPECT_EQ(terminal_->BootAndRun().status, 0);
  EXPECT_TRUE(terminal_->Holds('b', new_image_)) << "downloaded, as the server wants";
  EXPECT_TRUE(Heard("waiting: server window"));
  hub_->SetUpdate("forced");
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success");
}

TEST_F(Policy, WaitsForTheMerchantsWord) {
  PublishBoth();
  Start();
  terminal_->Set("consent = ask");
  hub_->Offer({.payload_path = delta_});
  EXPECT_EQ(terminal_->BootAndRun().status, 0);
  EXPECT_TRUE(Heard("waiting: consent"));
  ASSERT_EQ(terminal_->Tilld({"consent", "later", "--for", "4h"}), 0);
  EXPECT_EQ(terminal_->RunAgain().status, 0);
  EXPECT_TRUE(Heard("waiting: consent: later"));
  ASSERT_EQ(terminal_->Tilld({"consent", "yes"}), 0);
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
}

TEST_F(Policy, AsksTheConsentHook) {
  PublishBoth();
  Start();
  terminal_->Set("consent = ask\nhooks_dir = " + folder_ + "/t/hooks");
  terminal_->WriteScript("hooks/consent", "test -e $(dirname $0)/../yes");
  hub_->Offer({.payload_path = delta_});
  EXPECT_EQ(terminal_->BootAndRun().status, 0);
  EXPECT_TRUE(Heard("waiting: consent: later"));
  std::filesystem::remove(folder_ + "/t/data/consent");  // "later" is over
  std::ofstream(folder_ + "/t/yes") << "";
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
}

TEST_F(Policy, KeepsToItsDataBudget) {
  PublishBoth();
  Start();
  const uint64_t size = hub_->payload(full_).size();
  terminal_->Set("data_budget = " + std::to_string(size + 500));
  hub_->Offer({.payload_path = full_});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
  // The month's bytes are gone: the next one waits for the next month.
  const std::string third = ImageForTests(3, 305'000);
  hub_->PublishImage("2.1.0", third, 2);
  const std::string next = hub_->PublishPayload("2.1.0", new_image_, third);
  hub_->Sign();
  ASSERT_GT(hub_->payload(next).size(), 500u);
  hub_->Offer({.action = "2", .payload_path = next});
  EXPECT_EQ(terminal_->BootAndRun().status, 0);
  EXPECT_TRUE(Heard("waiting: data budget"));
  EXPECT_EQ(hub_->payload_bytes_sent(), size);
  EXPECT_NE(terminal_->FileText("data/status.json").find("\"month_bytes\": " + std::to_string(size)),
            std::string::npos);
}

TEST_F(Policy, StopsWhereTheBudgetEndsWhenBytesMustBeFetchedTwice) {
  PublishBoth();
  Start();
  const uint64_t size = hub_->payload(full_).size();
  terminal_->Set("data_budget = " + std::to_string(size + 1000));
  Served& served = hub_->AtHub(full_);
  served.cut_after = 100'000;  // in the middle of a chunk: its start comes twice
  served.cuts_left = 1;
  served.refusals_after_cut = 1;
  hub_->Offer({.payload_path = full_});
  for (int i = 0; i < 4; i++) EXPECT_EQ(terminal_->BootAndRun().status, 0) << Log();
  EXPECT_LE(hub_->payload_bytes_sent(), size + 1000 + (64 << 10));
  EXPECT_TRUE(Heard("waiting: data budget")) << Log();
}

TEST_F(Policy, RefusesWhatNoMonthCanPay) {
  PublishBoth();
  Start();
  terminal_->Set("data_budget = 1000");
  hub_->Offer({.payload_path = full_});
  terminal_->BootUntilItRests();
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: T2032")) << hub_->Outcome("1");
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
}

TEST_F(Policy, RunsItsHooksAndObeysThem) {
  PublishBoth();
  Start();
  terminal_->Set("hooks_dir = " + folder_ + "/t/hooks\nhook_deadline_s = 1");
  terminal_->WriteScript("hooks/pre-install", "test -e " + folder_ + "/t/ready || exit 75");
  for (const char* name : {"post-install", "pre-switch", "post-confirm"}) {
    terminal_->WriteScript(std::string("hooks/") + name,
                           "echo " + std::string(name) + " $TILL_SPARE $TILL_VERSION >> " + folder_ + "/t/hooked");
  }
  hub_->Offer({.payload_path = delta_});
  EXPECT_EQ(terminal_->BootAndRun().status, 0);
  EXPECT_TRUE(Heard("waiting: hook pre-install"));
  EXPECT_EQ(terminal_->RunAgain().status, 0);
  int waits = 0;
  for (const device::Heard& h : hub_->heard()) waits += h.code == 105 ? 1 : 0;
  EXPECT_EQ(waits, 1) << "said once, not at every look";
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
  std::ofstream(folder_ + "/t/ready") << "";
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
  EXPECT_EQ(terminal_->FileText("hooked"), "post-install b 2.0.0\npre-switch b 2.0.0\npost-confirm a 2.0.0\n");
}

TEST_F(Policy, RefusesWhenAHookSaysNoOrHangs) {
  PublishBoth();
  Start();
  terminal_->Set("hooks_dir = " + folder_ + "/t/hooks\nhook_deadline_s = 1");
  terminal_->WriteScript("hooks/post-install", "echo the overlay is full; exit 3");
  hub_->Offer({.payload_path = delta_});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1").substr(0, 14), "failure: T2033") << hub_->Outcome("1");
  EXPECT_NE(hub_->Outcome("1").find("exit 3: the overlay is full"), std::string::npos);
  terminal_->WriteScript("hooks/post-install", "exec tail -f /dev/null");
  hub_->Offer({.action = "2", .payload_path = delta_});
  terminal_->BootUntilItRests();
  EXPECT_NE(hub_->Outcome("2").find("not done after 1 s"), std::string::npos) << hub_->Outcome("2");
}

// --- After a failure ---

TEST_F(Policy, ReportsTheKernelsLastWordsAndKeepsABundle) {
  PublishBoth();
  Start();
  std::filesystem::create_directories(folder_ + "/t/pstore");
  std::ofstream(folder_ + "/t/pstore/dmesg-ramoops-0") << "Oops: printer driver\nKernel panic - not syncing\n";
  terminal_->Set("pstore_dir = " + folder_ + "/t/pstore\nbundle_bytes = 4096");
  terminal_->WriteHealthCheck("10-selftest", "echo no receipt printer; exit 1");
  hub_->Offer({.payload_path = delta_});
  terminal_->BootUntilItRests();
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: health: 10-selftest exit 1: no receipt printer"));
  const auto heard = hub_->heard();
  ASSERT_FALSE(heard.empty());
  EXPECT_NE(heard.back().all_details.find("Kernel panic"), std::string::npos);
  std::string bundle;
  ASSERT_EQ(terminal_->Tilld({"why", "--bundle"}, &bundle), 0);
  EXPECT_LE(bundle.size(), 4096u);
  EXPECT_NE(bundle.find("no receipt printer"), std::string::npos);
  EXPECT_NE(bundle.find("Kernel panic"), std::string::npos);
  EXPECT_EQ(bundle.find("secret"), std::string::npos) << "no token in it";
  EXPECT_NE(Why().find("10-selftest"), std::string::npos);
}

TEST_F(Policy, KeepsSettingsAndSecretsThroughUpdateAndRollback) {
  PublishBoth();
  Start();
  const std::string conf = terminal_->FileText("tilld.conf");
  std::ofstream(folder_ + "/t/data/shop.key") << "key";
  hub_->Offer({.payload_path = delta_});
  terminal_->BootUntilItRests();
  EXPECT_EQ(terminal_->running(), 'b');
  EXPECT_EQ(terminal_->FileText("tilld.conf"), conf);
  EXPECT_EQ(terminal_->FileText("data/shop.key"), "key");
}

// --- Several components ---

class Components : public Policy {
 protected:
  void SetUp() override {
    Policy::SetUp();
    old_app_ = ImageForTests(11, 60'000);
    new_app_ = ImageForTests(12, 62'000);
    hub_->PublishImage("1.0.0", old_app_, 1, {}, "app");
    hub_->PublishImage("2.0.0", new_app_, 1, {}, "app");
    PublishBoth();
    app_delta_ = hub_->PublishPayload("2.0.0", old_app_, new_app_, {}, true, "app");
    Start();
    for (const char* slot : {"app-a", "app-b"}) {
      std::string bytes = slot[4] == 'a' ? old_app_ : "";
      bytes.resize(128 << 10, '\xff');
      std::ofstream(folder_ + "/t/" + slot, std::ios::binary) << bytes;
    }
    terminal_->Set("components = app=" + folder_ + "/t/app-a," + folder_ + "/t/app-b");
    ASSERT_EQ(terminal_->Tilld({"adopt", "--component", "app", "--image-version", "1.0.0", "--length",
                                std::to_string(old_app_.size()), "--rollback-index", "1"}),
              0);
  }
  bool AppHolds(char slot, const std::string& image) const {
    return terminal_->FileText(std::string("app-") + slot).starts_with(image);
  }
  std::string old_app_, new_app_, app_delta_;
};

TEST_F(Components, AreSwitchedTogether) {
  hub_->Offer({.payload_path = delta_, .other_modules = {app_delta_}});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
  EXPECT_EQ(terminal_->running(), 'b');
  EXPECT_TRUE(terminal_->Holds('b', new_image_));
  EXPECT_TRUE(AppHolds('b', new_app_));
  EXPECT_TRUE(AppHolds('a', old_app_));
  auto attributes = hub_->attributes();
  EXPECT_EQ(attributes["till.version.app"], "2.0.0");
  EXPECT_EQ(attributes["till.version.rootfs"], "2.0.0");
  EXPECT_EQ(terminal_->Record().floor, 2u);
}

TEST_F(Components, AnAppOnlyReleaseBringsTheAppAloneAndCopiesTheRest) {
  hub_->Offer({.payload_path = app_delta_});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
  EXPECT_EQ(terminal_->running(), 'b');
  EXPECT_TRUE(terminal_->Holds('b', old_image_)) << "copied, not downloaded";
  EXPECT_TRUE(AppHolds('b', new_app_));
  EXPECT_EQ(hub_->payload_bytes_sent(), hub_->payload(app_delta_).size());
  EXPECT_EQ(terminal_->Record().floor, 0u) << "the app's index is not the system's floor";
  // The next one finds both slots with the same system: nothing is to be copied.
  const std::string third = ImageForTests(13, 61'000);
  hub_->PublishImage("2.1.0", third, 1, {}, "app");
  const std::string next = hub_->PublishPayload("2.1.0", new_app_, third, {}, true, "app");
  hub_->Sign();
  hub_->Offer({.action = "2", .payload_path = next});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("2"), "success") << Log();
  EXPECT_TRUE(AppHolds('a', third));
}

TEST_F(Components, AllGoBackTogether) {
  terminal_->WriteHealthCheck("10-app", "test $TILL_SLOT = a");
  hub_->Offer({.payload_path = delta_, .other_modules = {app_delta_}});
  terminal_->BootUntilItRests();
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: health: 10-app")) << hub_->Outcome("1");
  EXPECT_EQ(terminal_->running(), 'a');
  EXPECT_TRUE(AppHolds('a', old_app_));
  EXPECT_FALSE(AppHolds('b', new_app_)) << "what was rejected is erased";
}

TEST_F(Components, AreRefusedTogetherWhenOneOfThemIs) {
  const std::string unsigned_app = hub_->PublishPayload("3.0.0", "", ImageForTests(14, 1000), {}, false, "app");
  hub_->Offer({.payload_path = delta_, .other_modules = {unsigned_app}});
  terminal_->BootUntilItRests();
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: T2014")) << hub_->Outcome("1");
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
}

// Power cut at every 7th write of an update of two components: always both old or both new, and done in the end.
// covers F03 F04
TEST_F(Components, EndTogetherWhereverThePowerIsCut) {
  const std::string kept = folder_ + "/kept";
  std::filesystem::copy(folder_ + "/t", kept, std::filesystem::copy_options::recursive);
  uint64_t writes = 0;
  for (uint64_t cut = 0; cut == 0 || cut <= writes; cut += cut == 0 ? 1 : 7) {
    std::filesystem::remove_all(folder_ + "/t");
    std::filesystem::copy(kept, folder_ + "/t", std::filesystem::copy_options::recursive);
    const std::string action = "c" + std::to_string(cut);
    hub_->Offer({.action = action, .payload_path = delta_, .other_modules = {app_delta_}});
    const auto ended = terminal_->BootAndRun("kill-half", cut);
    if (cut == 0) writes = ended.writes;
    terminal_->BootUntilItRests();
    ASSERT_EQ(hub_->Outcome(action), "success") << "cut at write " << cut << Log();
    ASSERT_TRUE(terminal_->Holds(terminal_->running(), new_image_)) << cut;
    ASSERT_TRUE(AppHolds(terminal_->running(), new_app_)) << cut;
  }
  EXPECT_GT(writes, 20u);
}

// --- From a medium ---

class Medium : public Policy {
 protected:
  // As tillpack leaves it: out/2.0.0/*.till and out/tuf.
  std::string MakeFolder() {
    const std::string out = folder_ + "/out";
    std::filesystem::create_directories(out + "/2.0.0");
    std::filesystem::copy(folder_ + "/tuf", out + "/tuf", std::filesystem::copy_options::recursive);
    std::ofstream(out + "/2.0.0/rootfs.full.till", std::ios::binary) << hub_->payload(full_);
    std::ofstream(out + "/2.0.0/rootfs.from-x.till", std::ios::binary) << hub_->payload(delta_);
    return out + "/2.0.0";
  }
};

TEST_F(Medium, InstallsTheSameSignedReleaseWithoutANetwork) {
  PublishBoth();
  Start();
  const std::string release = MakeFolder();
  terminal_->BootOnly();
  std::string said;
  EXPECT_EQ(terminal_->Tilld({"install", release, "--running-slot", "a", "--json"}, &said), 10) << said;
  EXPECT_NE(said.find("\"restart\":true"), std::string::npos);
  EXPECT_TRUE(terminal_->Holds('b', new_image_));
  EXPECT_EQ(terminal_->Record().trial, 1);
  terminal_->BootUntilItRests();
  EXPECT_EQ(terminal_->Record().stable, 1) << "confirmed by the agent";
  EXPECT_TRUE(hub_->heard().empty()) << "no server asked for it, none hears of it";
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
  EXPECT_EQ(terminal_->Tilld({"install", release, "--running-slot", "b", "--json"}, &said), 0) << "runs already";
}

TEST_F(Medium, SaysThatSomebodyObjects) {
  PublishBoth();
  Start();
  const std::string release = MakeFolder();
  terminal_->Set("hooks_dir = " + folder_ + "/t/hooks");
  terminal_->WriteScript("hooks/pre-install", "exit 75");
  terminal_->BootOnly();
  std::string said;
  EXPECT_EQ(terminal_->Tilld({"install", release, "--running-slot", "a"}, &said), 75) << said;
  EXPECT_NE(said.find("error T2050: the update waits: hook pre-install"), std::string::npos) << said;
}

TEST_F(Medium, TakesOneTarOfIt) {
  PublishBoth();
  Start();
  MakeFolder();
  const std::string tar = folder_ + "/release.tar";
  ASSERT_EQ(std::system(("tar -C " + folder_ + "/out -cf " + tar + " .").c_str()), 0);  // tidy: allow(system) real tar
  terminal_->BootOnly();
  std::string said;
  EXPECT_EQ(terminal_->Tilld({"install", tar, "--running-slot", "a"}, &said), 10) << said;
  EXPECT_TRUE(terminal_->Holds('b', new_image_));
}

TEST_F(Medium, IsNotBelieved) {
  PublishBoth();
  Start();
  const std::string release = MakeFolder();
  for (const char* name : {"rootfs.full.till", "rootfs.from-x.till"}) {
    std::string bytes = ReadTextFile(release + "/" + name).value();
    bytes[bytes.size() / 2] ^= 1;
    std::ofstream(release + "/" + name, std::ios::binary) << bytes;
  }
  std::string said;
  EXPECT_EQ(terminal_->Tilld({"install", release, "--running-slot", "a"}, &said), 1);
  EXPECT_NE(said.find("T2014"), std::string::npos) << said;
  EXPECT_EQ(terminal_->Record().trial, TILL_BOOT_NO_SLOT);
  // Metadata of others is none.
  std::filesystem::remove_all(folder_ + "/out");
  MakeFolder();
  const HubForTests other(folder_ + "/other");
  std::filesystem::remove_all(folder_ + "/out/tuf");
  std::filesystem::copy(folder_ + "/other/tuf", folder_ + "/out/tuf", std::filesystem::copy_options::recursive);
  EXPECT_EQ(terminal_->Tilld({"install", release, "--running-slot", "a"}, &said), 1);
  EXPECT_NE(said.find("T20"), std::string::npos) << said;
  EXPECT_EQ(terminal_->Tilld({"install", folder_ + "/nowhere"}, &said), 1);
  EXPECT_NE(said.find("T2035"), std::string::npos) << said;
}

// A stock hawkBit serves no metadata of its own: it comes as an artifact of the module.
TEST_F(Medium, TrustComesFromTheReleaseTufArtifactWhereTheServerHasNone) {
  PublishBoth();
  Start();
  const std::string tar = folder_ + "/release.tuf";
  ASSERT_EQ(std::system(("tar -C " + folder_ + "/tuf -cf " + tar + " .").c_str()), 0);  // tidy: allow(system) real tar
  hub_->ServeNoMetadata();
  hub_->Offer({.payload_path = full_, .metadata_artifact = tar});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
}

TEST_F(Medium, WithoutMetadataNothingIsInstalled) {
  PublishBoth();
  Start();
  hub_->ServeNoMetadata();
  hub_->Offer({.payload_path = full_});
  EXPECT_EQ(terminal_->BootAndRun().status, 0);
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
  EXPECT_NE(Why().find("T2045"), std::string::npos) << Why();
}

// --- The restart ---

TEST_F(Policy, RestartsByItsCommandAndTellsWhenThatFails) {
  PublishBoth();
  Start();
  terminal_->Set("reboot = touch " + folder_ + "/t/rebooted && kill -TERM $PPID");
  hub_->Offer({.payload_path = delta_});
  EXPECT_EQ(terminal_->BootAndRun().status, 0) << "stopped, as a restart stops it" << Log();
  EXPECT_TRUE(FileExists(folder_ + "/t/rebooted"));
  EXPECT_EQ(terminal_->Record().trial, 1);
  // The command does nothing: it is said, and tried again; the trial is still to come.
  const std::string conf = terminal_->FileText("tilld.conf");
  std::ofstream(terminal_->config_file(), std::ios::binary)
      << conf.substr(0, conf.find("reboot =")) << "reboot = false\n";
  EXPECT_EQ(terminal_->RunAgain().status, 0) << Log();
  EXPECT_NE(Why().find("T2030"), std::string::npos);
  std::ofstream(terminal_->config_file(), std::ios::binary) << conf.substr(0, conf.find("reboot ="));
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
}

// --- On the bench ---

TEST_F(Policy, SimulatesAPowerCutAndGoesOnFromThere) {
  PublishBoth();
  Start();
  hub_->Offer({.payload_path = full_});
  terminal_->BootOnly();
  std::string said;
  EXPECT_EQ(terminal_->Tilld({"simulate", "--cut-power-at", "60%", "--running-slot", "a", "--json"}, &said), 10)
      << said;
  EXPECT_NE(said.find("\"cut\":true"), std::string::npos) << said;
  const auto told = json::Parse(said.substr(said.rfind("{\"cut\"")));
  ASSERT_TRUE(told.ok()) << said;
  const auto size = static_cast<int64_t>(hub_->payload(full_).size());
  EXPECT_GE((*told)["bytes_before"].AsInteger(), size * 60 / 100);
  EXPECT_LE((*told)["bytes_before"].AsInteger(), size * 60 / 100 + (64 << 10));
  EXPECT_LE((*told)["bytes_after"].AsInteger(), size);
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
}

}  // namespace
}  // namespace till::device
