// Whole updates: the real agent, a real server, real payloads, the real boot code in between.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "device/journal.h"
#include "tests/device/terminal_for_tests.h"

namespace till::device {
namespace {

std::vector<int64_t> Codes(const std::vector<Heard>& heard) {
  std::vector<int64_t> codes;
  for (const Heard& h : heard) codes.push_back(h.code);
  return codes;
}

json::Value Floor(int floor) {
  json::Value custom;
  custom.Set("floor", floor);
  return custom;
}

TEST_F(AgentTest, InstallsAFullPayloadAndConfirmsIt) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  hub_->Offer({.payload_path = full});
  EXPECT_EQ(terminal.BootAndRun().status, 10) << terminal.FileText("log");
  EXPECT_EQ(hub_->Outcome("1"), "") << "success is said only after the new image ran";
  terminal.BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success");
  EXPECT_EQ(terminal.running(), 'b');
  EXPECT_TRUE(terminal.Holds('b', new_image_));
  EXPECT_TRUE(terminal.Holds('a', old_image_));
  EXPECT_EQ(terminal.Record().stable, 1);
  EXPECT_EQ(terminal.Record().floor, 2u);
  EXPECT_EQ(hub_->payload_bytes_sent(), hub_->payload(full).size());
  const auto heard = hub_->heard();
  EXPECT_EQ(Codes(heard), (std::vector<int64_t>{100, 110, 120, 130, 140, 0}));
  EXPECT_EQ(heard.back().bytes, static_cast<int64_t>(hub_->payload(full).size()));
  for (size_t i = 0; i < heard.size(); i++) EXPECT_EQ(heard[i].seq, static_cast<int64_t>(i + 1));
  EXPECT_NE(heard[3].detail.find("peak memory"), std::string::npos);
  auto attributes = hub_->attributes();
  EXPECT_EQ(attributes["till.version.rootfs"], "2.0.0");
  EXPECT_EQ(attributes["till.slot"], "b");
  EXPECT_EQ(attributes["till.image.rootfs"].size(), 64u);
  EXPECT_NE(terminal.FileText("data/status.json").find("\"state\": \"idle\""), std::string::npos);
}

TEST_F(AgentTest, InstallsADeltaAndThenTheNextOneIntoTheOtherSlot) {
  const std::string third_image = ImageForTests(3, 305'000);
  hub_->PublishImage("2.1.0", third_image, 2);
  const std::string first = hub_->PublishPayload("2.0.0", old_image_, new_image_);
  const std::string second = hub_->PublishPayload("2.1.0", new_image_, third_image);
  hub_->Sign();
  ASSERT_LT(hub_->payload(first).size(), new_image_.size() / 10);
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  hub_->Offer({.action = "1", .payload_path = first});
  terminal.BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << terminal.FileText("log");
  hub_->Offer({.action = "2", .payload_path = second});
  terminal.BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("2"), "success") << terminal.FileText("log");
  EXPECT_EQ(terminal.running(), 'a');
  EXPECT_TRUE(terminal.Holds('a', third_image));
  EXPECT_TRUE(terminal.Holds('b', new_image_));
}

TEST_F(AgentTest, RollsBackWhenAHealthCheckFailsAndSaysWhichOne) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  terminal.WriteHealthCheck("10-fine", "exit 0\n");
  terminal.WriteHealthCheck("20-printer",
                            "test \"$TILL_SLOT\" = a || { echo looking; echo no receipt printer >&2; exit 3; }\n");
  hub_->Offer({.payload_path = full});
  terminal.BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "failure: health: 20-printer exit 3: no receipt printer");
  EXPECT_EQ(terminal.running(), 'a');
  EXPECT_TRUE(terminal.Holds('a', old_image_));
  EXPECT_EQ(terminal.Record().stable, 0);
  EXPECT_EQ(terminal.Record().floor, 0u) << "the floor rises at confirm only";
  EXPECT_EQ(terminal.SlotBytes('b').substr(0, 4096), std::string(4096, '\xff')) << "the rejected image was left";
}

TEST_F(AgentTest, ReportsThatTheBootCodeFellBack) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  hub_->Offer({.payload_path = full});
  ASSERT_EQ(terminal.BootAndRun().status, 10);
  for (int boot = 0; boot < 3; boot++) EXPECT_EQ(terminal.BootOnly(), 'b') << "comes up and hangs";
  terminal.BootUntilItRests();
  EXPECT_EQ(terminal.running(), 'a');
  EXPECT_EQ(hub_->Outcome("1"), "failure: boot: tries used up");
}

TEST_F(AgentTest, GoesFromSourceToSourceWithoutFetchingAByteTwice) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  hub_->AtMirror("/cut", full).cut_after = 40'000;
  hub_->AtMirror("/gone", full).status = 404;
  hub_->AtMirror("/more", full).cut_after = 120'000;
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  const std::string url = hub_->url();
  hub_->Offer(
      {.payload_path = full, .mirrors = "http://127.0.0.1:1 " + url + "/cut " + url + "/gone " + url + "/more"});
  terminal.BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << terminal.FileText("log");
  EXPECT_EQ(hub_->payload_bytes_sent(), hub_->payload(full).size());
  for (const std::string& token : hub_->mirror_tokens()) EXPECT_EQ(token, "TargetToken secret") << "the hub's own host";
}

// covers S16
TEST_F(AgentTest, TakesOnlyTheRightBytesOfASourceThatLies) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  hub_->AtMirror("/lies", full).bytes[150'000] ^= 1;
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  hub_->Offer({.payload_path = full, .mirrors = hub_->url() + "/lies"});
  terminal.BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << terminal.FileText("log");
  EXPECT_TRUE(terminal.Holds('b', new_image_));
}

TEST_F(AgentTest, GoesOnLaterWhenNoSourceDelivers) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  hub_->AtHub(full).CutOnceAfter(200'000);
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  hub_->Offer({.payload_path = full});
  EXPECT_EQ(terminal.BootAndRun().status, 0) << "it waits for the next round";
  EXPECT_EQ(hub_->Outcome("1"), "");
  terminal.BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success");
  // A process that ended loses at most one frame (128 KiB) and one chunk.
  EXPECT_LE(hub_->payload_bytes_sent(), hub_->payload(full).size() + (128 << 10) + (32 << 10));
}

TEST_F(AgentTest, StopsWhenTheServerCancels) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  hub_->Offer({.payload_path = full});
  hub_->CancelWhenHeard(130);
  EXPECT_EQ(terminal.BootAndRun().status, 0);
  const auto heard = hub_->heard();
  ASSERT_FALSE(heard.empty());
  EXPECT_TRUE(heard.back().about_cancel);
  EXPECT_EQ(heard.back().finished, "success");
  EXPECT_EQ(terminal.Record().trial, TILL_BOOT_NO_SLOT);
  EXPECT_FALSE(terminal.Holds('b', new_image_)) << "what was canceled stays";
}

// In the middle of the download, not at its end.
TEST_F(AgentTest, StopsADownloadThatTheServerCancels) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  terminal.Set("rate_limit = 32768");  // ten seconds; the server is asked after five
  hub_->Offer({.payload_path = full});
  hub_->CancelWhenHeard(110);
  EXPECT_EQ(terminal.BootAndRun().status, 0) << terminal.FileText("log");
  const auto heard = hub_->heard();
  ASSERT_FALSE(heard.empty());
  EXPECT_TRUE(heard.back().about_cancel);
  EXPECT_EQ(heard.back().finished, "success");
  for (const Heard& h : heard) EXPECT_NE(h.code, 120) << "it was written to its end";
  EXPECT_EQ(terminal.SlotBytes('b').substr(0, 4096), std::string(4096, '\xff')) << "what was canceled stays";
  EXPECT_EQ(terminal.Record().trial, TILL_BOOT_NO_SLOT);
  EXPECT_TRUE(terminal.Holds('a', old_image_));
  // The next action is none the worse for it.
  hub_->CancelWhenHeard(-1);
  const std::string conf = terminal.FileText("tilld.conf");
  std::ofstream(terminal.config_file(), std::ios::binary) << conf.substr(0, conf.find("rate_limit"));
  hub_->Offer({.action = "2", .payload_path = full});
  terminal.BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("2"), "success") << terminal.FileText("log");
}

TEST_F(AgentTest, SaysThatTheImageRunsAlready) {
  const std::string full = hub_->PublishPayload("1.0.0", "", old_image_);
  hub_->Sign();
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  hub_->Offer({.payload_path = full});
  terminal.BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success");
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
}

TEST_F(AgentTest, NoticesThatTheRunningImageChanged) {
  const std::string patch = hub_->PublishPayload("2.0.0", old_image_, new_image_);
  hub_->Sign();
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  std::string bytes = terminal.SlotBytes('a');
  bytes[123'456] ^= 4;
  std::ofstream(terminal.folder() + "/slot-a", std::ios::binary) << bytes;
  hub_->Offer({.payload_path = patch});
  terminal.BootUntilItRests();
  EXPECT_NE(hub_->Outcome("1").find("T2009"), std::string::npos) << hub_->Outcome("1");
  EXPECT_EQ(hub_->attributes()["till.image.rootfs"], "unknown") << "it claims to run what it does not";
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
}

// While a slot is written, nothing may fall back to it: not even after the other one was found bad.
// covers F03
TEST_F(AgentTest, WithdrawsTheSpareSlotBeforeTheFirstByte) {
  const std::string third_image = ImageForTests(3, 305'000);
  hub_->PublishImage("2.1.0", third_image, 1, Floor(1));
  hub_->PublishImage("2.0.0", new_image_, 1, Floor(1));
  const std::string first = hub_->PublishPayload("2.0.0", "", new_image_);
  const std::string second = hub_->PublishPayload("2.1.0", "", third_image);
  hub_->Sign();
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.0.0");
  hub_->Offer({.action = "1", .payload_path = first});
  terminal.BootUntilItRests();
  ASSERT_EQ(terminal.Record().confirmed, 3) << "both hold confirmed images";
  hub_->Offer({.action = "2", .payload_path = second});
  bool written = false;
  for (uint64_t n = 1; n < 12; n++) {
    if (terminal.RunAgain("kill-after", n).status != 128 + 9) break;
    if (terminal.Holds('a', old_image_)) continue;
    written = true;
    ASSERT_EQ(terminal.Record().confirmed, 2) << "slot a is being written and may be booted";
  }
  EXPECT_TRUE(written);
}

// covers S18
TEST_F(AgentTest, StartsAnewWhenTheJournalsCheckpointIsForged) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  const auto forge = [](AgentState& state, int how) {
    delta::Checkpoint& c = state.checkpoint;
    if (how == 0) c.frame_index++;
    if (how == 1) c.body_offset += 4096;
    if (how == 2) c.target_offset += 100;
    if (how == 3) c = {1, 0, 1};
    if (how == 4) c.target_offset = state.plan.target.length_bytes;
    if (how == 5) c.chunk.chain[0] ^= 1;
  };
  for (int how = 0; how < 6; how++) {
    const std::string action = std::to_string(how + 1);
    TerminalForTests terminal(folder_ + "/t" + action, *hub_, old_image_, "1.0.0");
    hub_->AtHub(full).CutOnceAfter(250'000);
    hub_->Offer({.action = action, .payload_path = full});
    ASSERT_EQ(terminal.BootAndRun().status, 0) << terminal.FileText("log");
    Journal journal(OpenRecordFile(terminal.folder() + "/data/journal", Journal::kCopyBytes, false).value());
    ASSERT_TRUE(journal.Load().ok());
    AgentState state = journal.state();
    ASSERT_NE(state.checkpoint, delta::Checkpoint{}) << "nothing to forge";
    forge(state, how);
    ASSERT_TRUE(journal.Save(state).ok());
    terminal.BootUntilItRests();
    EXPECT_EQ(hub_->Outcome(action), "success") << how << "\n" << terminal.FileText("log");
    EXPECT_TRUE(terminal.Holds('b', new_image_)) << how;
  }
}

// --- Refusals: each ends with its code, the running slot untouched ---

class Refusal : public AgentTest {
 protected:
  // Runs the offer to its end and checks that it was refused with `code`.
  void ExpectRefused(const std::string& path, const std::string& code, const std::string& trusted_root = "",
                     bool downloads = false, const std::string& mode = "kill-before", uint64_t n = 0) {
    TerminalForTests terminal(folder_ + "/" + code + "-" + std::to_string(++count_), *hub_, old_image_, "1.5.0",
                              trusted_root);
    const std::string before = terminal.SlotBytes('a');
    const uint64_t sent_before = hub_->payload_bytes_sent();
    const std::string action = std::to_string(100 + count_);
    hub_->Offer({.action = action, .payload_path = path});
    EXPECT_EQ(terminal.BootAndRun(mode, n).status, 0) << terminal.FileText("log");
    EXPECT_EQ(hub_->Outcome(action).substr(0, 14), "failure: " + code) << terminal.FileText("log");
    EXPECT_EQ(terminal.SlotBytes('a'), before);
    EXPECT_EQ(terminal.BootOnly(), 'a');
    if (!downloads) {
      EXPECT_EQ(hub_->payload_bytes_sent(), sent_before) << "it fetched before it checked";
      EXPECT_EQ(terminal.SlotBytes('b'), std::string(TerminalForTests::kSlotBytes, '\xff'));
    }
    EXPECT_EQ(terminal.SlotBytes('b').substr(0, 4096), std::string(4096, '\xff')) << "a rejected payload was left";
  }
  static json::Value Custom(const std::string& key, json::Value value) {
    json::Value custom;
    custom.Set(key, std::move(value));
    return custom;
  }
  // A release 3.x whose image entry differs from a good one in `custom`.
  std::string PublishOdd(const std::string& version, int index, const json::Value& image_custom,
                         const json::Value& payload_custom = {}) {
    const std::string image = ImageForTests(static_cast<unsigned>(++odd_) + 10, 50'000);
    hub_->PublishImage(version, image, index, image_custom);
    std::string path = hub_->PublishPayload(version, "", image, payload_custom);
    hub_->Sign();
    return path;
  }

 private:
  int count_ = 0;
  int odd_ = 0;
};

// covers S10
TEST_F(Refusal, OfAnotherBoardIsByExactMatchOnly) {
  int version = 0;
  for (const json::Value& hardware :
       {json::Value::Array({"acme,pos-200"}), json::Value::Array({"acme,pos-10"}),
        json::Value::Array({"acme,pos-1000"}), json::Value::Array({"ACME,POS-100"}), json::Value::Array({"*"}),
        json::Value::Array({""}), json::Value::Array(), json::Value("acme,pos-100")}) {
    ExpectRefused(PublishOdd("3.0." + std::to_string(++version), 1, Custom("hardware", hardware)), "T2015");
  }
}

TEST_F(Refusal, OfAnotherProductComponentOrSlot) {
  ExpectRefused(PublishOdd("3.0.0", 1, Custom("slot_class", "kernel")), "T2016");
  ExpectRefused(PublishOdd("3.0.1", 1, Custom("path", "images/pos/3.0.1/app")), "T2016");
  ExpectRefused(PublishOdd("3.0.2", 1, Custom("path", "images/kiosk/3.0.2/rootfs")), "T2016");
}

// covers S05
TEST_F(Refusal, OfAnOlderOrEqualVersion) {
  ExpectRefused(PublishOdd("1.4.9", 1, {}), "T2017");
  ExpectRefused(PublishOdd("1.5.0", 1, {}), "T2017");
  ExpectRefused(PublishOdd("1.5.0-rc9", 1, {}), "T2017");
}

// covers S05
TEST_F(Refusal, BelowTheFloor) {
  const std::string good = PublishOdd("2.5.0", 5, {});
  TerminalForTests terminal(folder_ + "/t", *hub_, old_image_, "1.5.0");
  hub_->Offer({.action = "1", .payload_path = good});
  terminal.BootUntilItRests();
  ASSERT_EQ(hub_->Outcome("1"), "success") << terminal.FileText("log");
  ASSERT_EQ(terminal.Record().floor, 5u);
  hub_->Offer({.action = "2", .payload_path = PublishOdd("2.6.0", 4, {})});
  terminal.BootUntilItRests();
  EXPECT_NE(hub_->Outcome("2").find("T2018"), std::string::npos) << hub_->Outcome("2");
}

TEST_F(Refusal, OfWhatIsNotSigned) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_, {}, /*signed_entry=*/false);
  hub_->Sign();
  ExpectRefused(full, "T2014");
  const std::string other = ImageForTests(9, 60'000);
  const std::string orphan = hub_->PublishPayload("9.0.0", "", other);  // a payload entry without an image entry
  hub_->Sign();
  ExpectRefused(orphan, "T2014");
}

TEST_F(Refusal, OfAReleaseSignedByOtherKeys) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  std::filesystem::create_directories(folder_ + "/other");
  const HubForTests other(folder_ + "/other");
  ExpectRefused(full, "T2013", other.trusted_root_file());
}

// covers S17
TEST_F(Refusal, OfADeltaFromAnotherBase) {
  const std::string foreign = ImageForTests(8, 300'000);
  const std::string patch = hub_->PublishPayload("2.0.0", foreign, new_image_);
  hub_->Sign();
  ExpectRefused(patch, "T2021");
}

TEST_F(Refusal, OfFormatMemoryAndSize) {
  ExpectRefused(PublishOdd("3.0.0", 1, {}, Custom("format", 99)), "T2019");
  ExpectRefused(PublishOdd("3.0.1", 1, {}, Custom("arena_bytes", 100 << 20)), "T2020");
  const std::string large = ImageForTests(11, TerminalForTests::kSlotBytes + 1);
  hub_->PublishImage("3.0.2", large, 1);
  const std::string path = hub_->PublishPayload("3.0.2", "", large);
  hub_->Sign();
  ExpectRefused(path, "T2022");
}

// covers S04
TEST_F(Refusal, OfDamagedBytesFromEverySource) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  const size_t size = hub_->payload(full).size();
  for (const size_t at : {size_t{20}, size_t{5'000}, size_t{40'000}, size / 2, size - 1}) {
    hub_->AtHub(full).bytes = hub_->payload(full);
    hub_->AtHub(full).bytes[at] ^= 0x10;
    ExpectRefused(full, "T2023", "", /*downloads=*/true);
  }
  hub_->AtHub(full).bytes = hub_->payload(full).substr(0, size - 1);
  ExpectRefused(full, "T2023", "", true);
  hub_->AtHub(full).bytes = hub_->payload(full) + "x";
  ExpectRefused(full, "T2023", "", true);
}

// covers S16 F06
TEST_F(Refusal, OfASlotThatStoredOtherBytes) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  for (const uint64_t n : {1u, 4u, 8u}) ExpectRefused(full, "T2026", "", true, "slot-lies", n);
}

// covers F05
TEST_F(Refusal, OfAFullDiskAtAnyWrite) {
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  hub_->Sign();
  for (const uint64_t n : {1u, 2u, 5u, 9u}) ExpectRefused(full, "T2025", "", true, "slot-full", n);
}

TEST_F(Refusal, OfAPayloadWhoseHeaderContradictsItsEntry) {
  const std::string image = ImageForTests(40, 50'000);
  const std::string twin = ImageForTests(41, 50'000);
  hub_->PublishImage("4.0.0", twin, 1);
  // Signed as a way to `twin`, but it yields `image`.
  const std::string path = hub_->PublishPayload("4.0.0", "", image, [&] {
    json::Value custom;
    custom.Set("target", ToHex(crypto::Sha256Of(AsBytes(twin))));
    return custom;
  }());
  hub_->Sign();
  ExpectRefused(path, "T2024", "", true);
}

}  // namespace
}  // namespace till::device
