#include "device/journal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "bootloader/boot_state.h"

namespace till::device {
namespace {

crypto::Sha256Digest DigestOf(std::string_view text) { return crypto::Sha256Of(AsBytes(text)); }

AgentState BusyState(unsigned salt = 0) {
  AgentState s;
  s.phase = Phase::kInstalling;
  s.action = "81";
  s.closed_action = "80";
  s.plan.kind = Plan::Kind::kDelta;
  s.plan.payload = DigestOf("payload");
  s.plan.payload_bytes = 100'000;
  s.plan.chunk_list = DigestOf("list");
  s.plan.chunk_list_bytes = 144;
  s.plan.base = DigestOf("base");
  s.plan.base_bytes = 4 << 20;
  s.plan.arena_bytes = 1 << 20;
  s.plan.target = {true, DigestOf("target"), 5 << 20, 3, "1.5.0"};
  s.plan.signed_floor = 2;
  s.checkpoint = {65'541, 2, 1 << 20};
  s.checkpoint.chunk.chain.fill(0xa5a5a5a5);
  std::fill_n(s.checkpoint.chunk.tail.begin(), 65'541 % 64, std::byte{0xa5});
  s.received_bytes = 70'000 + salt;
  s.peak_rss_kib = 9'000;
  s.feedback_seq = 2;
  s.floor = 1;
  s.slots[0] = {true, DigestOf("base"), 4 << 20, 2, "1.4.2"};
  s.feedbacks.push_back({false, "81", 2, 70'000, "proceeding", "none", 110, {"downloading", "more"}});
  return s;
}

// Memory that keeps what was written, and loses power in the middle of a write when told.
class MemoryRecordFile final : public RecordFile {
 public:
  explicit MemoryRecordFile(std::array<Bytes, 2>* copies) : copies_(copies) {
    for (Bytes& copy : *copies_) copy.resize(Journal::kCopyBytes, std::byte{0xff});
  }
  Status Read(int copy, MutableByteView out) override {
    std::copy_n((*copies_)[static_cast<size_t>(copy)].begin(), out.size(), out.begin());
    return Ok();
  }
  Status Write(int copy, ByteView bytes) override {
    std::copy(bytes.begin(), bytes.end(), (*copies_)[static_cast<size_t>(copy)].begin());
    return Ok();
  }

 private:
  std::array<Bytes, 2>* copies_;
};

TEST(AgentState, IsReadAsItWasWritten) {
  for (const AgentState& state : {AgentState{}, BusyState()}) {
    const Bytes bytes = EncodeState(state);
    const auto back = DecodeState(bytes);
    ASSERT_TRUE(back.ok()) << back.error().what << " at " << back.error().detail;
    EXPECT_EQ(EncodeState(*back), bytes);
    EXPECT_EQ(back->feedbacks.size(), state.feedbacks.size());
    EXPECT_EQ(back->slots[0].version, state.slots[0].version);
    EXPECT_EQ(back->checkpoint, state.checkpoint);
  }
}

// covers D09
TEST(AgentState, RefusesEveryTruncationAndEveryExtension) {
  const Bytes bytes = EncodeState(BusyState());
  for (size_t length = 0; length < bytes.size(); length++)
    EXPECT_FALSE(DecodeState(ByteView(bytes).first(length)).ok());
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(DecodeState(longer).ok());
}

// What decodes is canonical: encode(decode(b)) == b for every byte changed to anything.
// covers D09
TEST(AgentState, HasOneEncodingOnly) {
  const Bytes bytes = EncodeState(BusyState());
  for (size_t at = 0; at < bytes.size(); at++) {
    for (int value = 0; value < 256; value++) {
      Bytes changed = bytes;
      changed[at] = static_cast<std::byte>(value);
      const auto state = DecodeState(changed);
      if (state.ok()) {
        ASSERT_EQ(EncodeState(*state), changed) << at;
      }
    }
  }
}

// covers S18
TEST(AgentState, RefusesCheckpointsOutsideThePayload) {
  AgentState state = BusyState();
  state.checkpoint.body_offset = state.plan.payload_bytes + 1;
  EXPECT_FALSE(DecodeState(EncodeState(state)).ok());
  state = BusyState();
  state.checkpoint.target_offset = state.plan.target.length_bytes + 1;
  EXPECT_FALSE(DecodeState(EncodeState(state)).ok());
  state = BusyState();
  state.received_bytes = state.plan.payload_bytes + 1;
  EXPECT_FALSE(DecodeState(EncodeState(state)).ok());
}

TEST(Journal, StartsFreshAndKeepsTheLastState) {
  std::array<Bytes, 2> copies;
  Journal journal(std::make_unique<MemoryRecordFile>(&copies));
  ASSERT_TRUE(journal.Load().ok());
  EXPECT_FALSE(journal.found());
  for (unsigned i = 0; i < 5; i++) ASSERT_TRUE(journal.Save(BusyState(i)).ok());
  Journal again(std::make_unique<MemoryRecordFile>(&copies));
  ASSERT_TRUE(again.Load().ok());
  EXPECT_TRUE(again.found());
  EXPECT_EQ(again.state().received_bytes, 70'004u);
}

// covers F01 F06
TEST(Journal, HoldsTheOldOrTheNewStateAfterACutAtEveryByte) {
  std::array<Bytes, 2> copies;
  Journal journal(std::make_unique<MemoryRecordFile>(&copies));
  ASSERT_TRUE(journal.Load().ok());
  ASSERT_TRUE(journal.Save(BusyState(1)).ok());
  ASSERT_TRUE(journal.Save(BusyState(2)).ok());
  const std::array<Bytes, 2> before = copies;
  ASSERT_TRUE(journal.Save(BusyState(3)).ok());
  const std::array<Bytes, 2> after = copies;
  const size_t touched = before[0] == after[0] ? 1 : 0;
  ASSERT_EQ(before[1 - touched], after[1 - touched]);
  const size_t length = EncodeState(BusyState()).size() + 16;
  std::mt19937 random(3);
  for (int tear = 0; tear < 4; tear++) {
    for (size_t done = 0; done <= length; done++) {
      std::array<Bytes, 2> cut = after;
      for (size_t i = done; i < length; i++) {
        cut[touched][i] = tear == 0   ? before[touched][i]
                          : tear == 1 ? std::byte{0xff}
                          : tear == 2 ? std::byte{0}
                                      : static_cast<std::byte>(random());
      }
      Journal reader(std::make_unique<MemoryRecordFile>(&cut));
      ASSERT_TRUE(reader.Load().ok());
      ASSERT_TRUE(reader.found());
      const uint64_t salt = reader.state().received_bytes - 70'000;
      ASSERT_TRUE(salt == 2 || salt == 3) << done;
    }
  }
}

TEST(Journal, DoesNotWriteWhatItWouldNotRead) {
  std::array<Bytes, 2> copies;
  Journal journal(std::make_unique<MemoryRecordFile>(&copies));
  ASSERT_TRUE(journal.Load().ok());
  ASSERT_TRUE(journal.Save(BusyState(1)).ok());
  AgentState bad = BusyState();
  bad.received_bytes = bad.plan.payload_bytes + 1;
  EXPECT_FALSE(journal.Save(bad).ok());
  Journal again(std::make_unique<MemoryRecordFile>(&copies));
  ASSERT_TRUE(again.Load().ok());
  EXPECT_EQ(again.state().received_bytes, 70'001u);
}

TEST(Journal, ForgetsNothingWhenTheOlderCopyIsDamaged) {
  std::array<Bytes, 2> copies;
  Journal journal(std::make_unique<MemoryRecordFile>(&copies));
  ASSERT_TRUE(journal.Load().ok());
  ASSERT_TRUE(journal.Save(BusyState(1)).ok());
  ASSERT_TRUE(journal.Save(BusyState(2)).ok());
  for (size_t copy = 0; copy < 2; copy++) {
    for (size_t at = 0; at < 200; at++) {
      std::array<Bytes, 2> damaged = copies;
      damaged[copy][at] ^= std::byte{0x40};
      Journal reader(std::make_unique<MemoryRecordFile>(&damaged));
      ASSERT_TRUE(reader.Load().ok());
      EXPECT_TRUE(reader.found());
    }
  }
}

}  // namespace
}  // namespace till::device
