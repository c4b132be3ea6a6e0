// Whole updates by chunks: a terminal whose base nobody knows. The real agent, a real server, a real chunk object.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/device/chunk_world.h"
#include "tests/device/terminal_for_tests.h"

namespace till::device {
namespace {

class Chunks : public AgentTest {
 protected:
  void Start() {
    hub_->Sign();
    terminal_ = std::make_unique<TerminalForTests>(folder_ + "/t", *hub_, old_image_, "1.0.0");
  }
  // What runs is not what was adopted: another byte, or something else altogether.
  void Run(const std::string& image) {
    std::string slot = image;
    slot.resize(TerminalForTests::kSlotBytes, '\xff');
    std::ofstream(folder_ + "/t/slot-a", std::ios::binary) << slot;
  }
  std::string Changed() const {
    std::string image = old_image_;
    image[100] ^= 1;
    return image;
  }
  std::string Noise() const {
    const Bytes bytes = NoiseForTests(3, old_image_.size());
    return std::string(AsText(bytes));
  }
  uint64_t IndexBytes() const {
    const uint64_t list_bytes = ChunkList::EncodedLength(AsBytes(hub_->payload(chunks_)).first(16)).value();
    return hub_->payload(chunks_).size() - list_bytes - new_image_.size();
  }
  std::string Log() const { return terminal_->FileText("log"); }

  std::unique_ptr<TerminalForTests> terminal_;
  std::string chunks_;
};

TEST_F(Chunks, UpdateATerminalThatDoesNotKnowWhatItRuns) {
  chunks_ = hub_->PublishChunks("2.0.0", new_image_);
  Start();
  Run(Changed());
  hub_->Offer({.payload_path = chunks_});
  EXPECT_EQ(terminal_->BootAndRun().status, 10) << Log();
  EXPECT_EQ(hub_->attributes()["till.image.rootfs"], "unknown");
  terminal_->BootUntilItRests();
  ASSERT_EQ(hub_->Outcome("1"), "success") << Log();
  EXPECT_TRUE(terminal_->Holds('b', new_image_));
  EXPECT_EQ(terminal_->running(), 'b');
  EXPECT_EQ(hub_->attributes()["till.image.rootfs"].size(), 64u) << "now it is known what runs";
  EXPECT_LT(hub_->payload_bytes_sent(), new_image_.size() / 2);
  EXPECT_EQ(hub_->heard().back().bytes, static_cast<int64_t>(hub_->payload_bytes_sent()));
  bool told = false;
  for (const Heard& h : hub_->heard()) told = told || h.detail.find("bytes are not here") != std::string::npos;
  EXPECT_TRUE(told) << "how much will travel is said before it does";
}

TEST_F(Chunks, GiveWayToADeltaThatFits) {
  chunks_ = hub_->PublishChunks("2.0.0", new_image_);
  const std::string patch = hub_->PublishPayload("2.0.0", old_image_, new_image_);
  Start();
  hub_->Offer({.payload_path = chunks_, .more_payloads = {patch}});
  terminal_->BootUntilItRests();
  ASSERT_EQ(hub_->Outcome("1"), "success") << Log();
  EXPECT_EQ(hub_->payload_bytes_sent(), hub_->payload(patch).size());
}

TEST_F(Chunks, TakeOverFromADeltaThatDoesNotFit) {
  chunks_ = hub_->PublishChunks("2.0.0", new_image_);
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  const std::string patch = hub_->PublishPayload("2.0.0", old_image_, new_image_);
  Start();
  Run(Changed());
  hub_->Offer({.payload_path = patch, .more_payloads = {full, chunks_}});
  terminal_->BootUntilItRests();
  ASSERT_EQ(hub_->Outcome("1"), "success") << Log();
  EXPECT_LT(hub_->payload_bytes_sent(), new_image_.size() / 2) << "not the full payload";
}

// covers S17
TEST_F(Chunks, AreNotAFullImageByAnotherName) {
  chunks_ = hub_->PublishChunks("2.0.0", new_image_);
  Start();
  Run(Noise());
  hub_->Offer({.payload_path = chunks_});
  terminal_->BootUntilItRests();
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: T2031")) << hub_->Outcome("1") << Log();
  EXPECT_EQ(hub_->payload_bytes_sent(), IndexBytes()) << "known before the first chunk came";
  hub_->Offer({.action = "2", .payload_path = chunks_, .fallback = "full"});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("2"), "success") << Log();
  EXPECT_TRUE(terminal_->Holds('b', new_image_));
}

// covers S16 S17
TEST_F(Chunks, AreFetchedFromWhoeverServesThemRight) {
  chunks_ = hub_->PublishChunks("2.0.0", new_image_);
  Start();
  Run(Changed());
  Served& liar = hub_->AtMirror("/liar", chunks_);
  for (size_t i = hub_->payload(chunks_).size() - new_image_.size(); i < liar.bytes.size(); i += 50) liar.bytes[i] ^= 1;
  hub_->AtMirror("/gone", chunks_).status = 404;
  hub_->AtMirror("/cut", chunks_).cut_after = 300;
  const std::string url = hub_->url();
  hub_->Offer({.payload_path = chunks_, .mirrors = url + "/gone " + url + "/cut " + url + "/liar"});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("1"), "success") << Log();
  EXPECT_TRUE(terminal_->Holds('b', new_image_));
}

// covers S16 S17
TEST_F(Chunks, ThatAreWrongEverywhereFollowPolicy) {
  chunks_ = hub_->PublishChunks("2.0.0", new_image_);
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  Start();
  Run(Changed());
  Served& hub = hub_->AtHub(chunks_);
  for (size_t i = hub_->payload(chunks_).size() - new_image_.size(); i < hub.bytes.size(); i += 50) hub.bytes[i] ^= 1;
  hub_->Offer({.payload_path = chunks_, .more_payloads = {full}});
  terminal_->BootUntilItRests();
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: T2023")) << hub_->Outcome("1") << Log();
  EXPECT_LT(hub_->payload_bytes_sent(), hub_->payload(full).size());
  EXPECT_EQ(terminal_->SlotBytes('b').substr(0, 4096), std::string(4096, '\xff')) << "what was written is erased";
  hub_->Offer({.action = "2", .payload_path = chunks_, .more_payloads = {full}, .fallback = "full"});
  terminal_->BootUntilItRests();
  EXPECT_EQ(hub_->Outcome("2"), "success") << Log();
  EXPECT_TRUE(terminal_->Holds('b', new_image_));
}

TEST_F(Chunks, KeepToTheDataBudgetWhichIsKnownOnceTheBaseWasLookedThrough) {
  chunks_ = hub_->PublishChunks("2.0.0", new_image_);
  Start();
  Run(Changed());
  terminal_->Set("data_budget = " + std::to_string(IndexBytes() + 1000));
  hub_->Offer({.payload_path = chunks_});
  terminal_->BootUntilItRests();
  EXPECT_TRUE(hub_->Outcome("1").starts_with("failure: T2032")) << hub_->Outcome("1") << Log();
  EXPECT_EQ(hub_->payload_bytes_sent(), IndexBytes());
}

// Another update has used up most of the month.
TEST_F(Chunks, WaitForTheMonthThatCanPayThem) {
  chunks_ = hub_->PublishChunks("2.0.0", new_image_);
  const std::string full = hub_->PublishPayload("2.0.0", "", new_image_);
  const std::string third = ImageForTests(3, 305'000);
  hub_->PublishImage("2.1.0", third, 2);
  const std::string next = hub_->PublishChunks("2.1.0", third);
  Start();
  terminal_->Set("data_budget = " + std::to_string(hub_->payload(full).size() + 12'000));
  hub_->Offer({.payload_path = full});
  terminal_->BootUntilItRests();
  ASSERT_EQ(hub_->Outcome("1"), "success") << Log();
  const uint64_t before = hub_->payload_bytes_sent();
  hub_->Offer({.action = "2", .payload_path = next});
  for (int i = 0; i < 3; i++) EXPECT_EQ(terminal_->RunAgain().status, 0) << Log();
  bool waits = false;
  for (const Heard& h : hub_->heard()) waits = waits || h.detail == "waiting: data budget";
  EXPECT_TRUE(waits) << Log();
  EXPECT_EQ(hub_->Outcome("2"), "");
  EXPECT_LE(hub_->payload_bytes_sent() - before, 12'000u) << "the index, once";
}

// covers S05
TEST_F(Chunks, AreRefusedWhenTheirEntryDoesNotAddUp) {
  const auto index_of = [](uint64_t length) {
    json::Value index, custom;
    index.Set("length", length).Set("sha256", std::string(64, 'a'));
    custom.Set("index", index);
    return custom;
  };
  json::Value too_large, no_index;
  too_large.Set("arena_bytes", 64 << 20);
  no_index.Set("index", "none");
  const struct {
    json::Value custom;
    const char* code;
  } rows[] = {{index_of(7), "T2014"}, {index_of(0), "T2014"}, {no_index, "T2014"}, {too_large, "T2020"}};
  int version = 0;
  for (const auto& row : rows) {
    const std::string name = "2.0." + std::to_string(++version);
    const std::string image = ImageForTests(static_cast<unsigned>(10 + version), 310'000);
    hub_->PublishImage(name, image, 2);
    const std::string path = hub_->PublishChunks(name, image, row.custom);
    if (!terminal_) Start();
    hub_->Sign();
    hub_->Offer({.action = name, .payload_path = path});
    terminal_->BootUntilItRests();
    EXPECT_TRUE(hub_->Outcome(name).starts_with(std::string("failure: ") + row.code)) << hub_->Outcome(name);
  }
  EXPECT_EQ(hub_->payload_bytes_sent(), 0u);
}

TEST_F(Chunks, ComeFromAMediumToo) {
  chunks_ = hub_->PublishChunks("2.0.0", new_image_);
  Start();
  Run(Changed());
  const std::string medium = folder_ + "/usb";
  std::filesystem::create_directories(medium);
  std::filesystem::copy(folder_ + "/tuf", medium + "/tuf", std::filesystem::copy_options::recursive);
  std::ofstream(medium + "/rootfs.chunks.till", std::ios::binary) << hub_->payload(chunks_);
  std::string output;
  EXPECT_EQ(terminal_->Tilld({"install", medium, "--running-slot", "a"}, &output), 10) << output;
  EXPECT_TRUE(terminal_->Holds('b', new_image_)) << output;
}

}  // namespace
}  // namespace till::device
