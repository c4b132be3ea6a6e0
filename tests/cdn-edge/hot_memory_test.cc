// Verified bytes in memory: what is let go of, and what is not.
#include "cdn-edge/hot_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "tests/cdn-edge/testing.h"

namespace till::edge::testing {
namespace {

class HotMemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    UniqueFd file(memfd_create("object", MFD_CLOEXEC));
    object_ = std::make_shared<CacheObject>(payload_.identity, std::move(file), memory_, clock_);
    while (const auto span = object_->ClaimMissing(UINT64_MAX)) {
      for (uint32_t i = 0; i < span->unit_count; ++i) Give(span->first_unit + i, &CacheObject::Stored);
    }
  }
  void Give(uint32_t number, void (CacheObject::*take)(uint32_t, ByteView)) {
    const Span unit = object_->UnitSpan(number);
    const ByteView bytes = ByteView(payload_.bytes).subspan(unit.offset, unit.length);
    if (number == 0) {
      ASSERT_TRUE(object_->SetList(bytes).ok());
    }
    ((*object_).*take)(number, bytes);
  }
  static Waiter Wanting(uint64_t bytes) {
    Waiter waiter;
    waiter.wants = bytes;
    waiter.wake = [] {};
    return waiter;
  }
  uint64_t At(uint64_t mebibytes) const { return payload_.identity.list_length + (mebibytes << 20); }

  TestClock clock_;
  HotMemory memory_{3 << 20};
  Payload payload_ = MakePayload(8 << 20, 1);
  std::shared_ptr<CacheObject> object_;
};

TEST_F(HotMemoryTest, StaysWithinItsBoundAndWhatLeftIsHashedBeforeItIsSent) {
  EXPECT_LE(memory_.bytes(), 3U << 20);
  EXPECT_FALSE(object_->IsReady(At(0)));
  EXPECT_TRUE(object_->HoldsAll(0, payload_.identity.size)) << "it is on the disk still";
  Waiter waiter = Wanting(1);
  EXPECT_EQ(object_->Take(At(0), 1, &waiter).kind, edge::Run::Kind::kMissing);
  const auto span = object_->ClaimUnchecked(UINT64_MAX);
  ASSERT_TRUE(span);
  EXPECT_EQ(span->unit_count, 1U) << "no more is read than somebody waits for";
  Give(span->first_unit, &CacheObject::Checked);
  EXPECT_TRUE(object_->IsReady(At(0)));
}

TEST_F(HotMemoryTest, SparesWhatIsUsedAndWhatIsBeingSent) {
  const edge::Run sent = object_->Take(At(7), 10, nullptr);
  ASSERT_EQ(sent.kind, edge::Run::Kind::kMemory);
  for (uint64_t i = 0; i < 6; ++i) {
    Waiter waiter = Wanting(1 << 20);
    ASSERT_EQ(object_->Take(At(i), 1, &waiter).kind, edge::Run::Kind::kMissing) << i;
    const auto span = object_->ClaimUnchecked(UINT64_MAX);
    for (uint32_t unit = 0; unit < span->unit_count; ++unit) Give(span->first_unit + unit, &CacheObject::Checked);
  }
  EXPECT_TRUE(object_->IsReady(At(7)));
  EXPECT_EQ(AsText(sent.bytes), payload_.text().substr(At(7), 10));
  EXPECT_LE(memory_.bytes(), 4U << 20);
}

}  // namespace
}  // namespace till::edge::testing
