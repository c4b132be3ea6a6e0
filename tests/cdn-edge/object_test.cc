// One object's units: who claims, who waits, what is sendable. covers W08
#include "cdn-edge/object.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "tests/cdn-edge/testing.h"

namespace till::edge::testing {
namespace {

constexpr uint64_t kChunk = 32 * 1024;

class ObjectTest : public ::testing::Test {
 protected:
  std::shared_ptr<CacheObject> Make(const Identity& identity) {
    UniqueFd file(memfd_create("object", MFD_CLOEXEC));
    EXPECT_EQ(ftruncate(file.get(), static_cast<off_t>(identity.size)), 0);
    return std::make_shared<CacheObject>(identity, std::move(file), memory_, clock_);
  }
  // Fetches nothing: takes the bytes from the payload, as a fetcher would from the origin.
  void Fill(CacheObject& object, const Span& span) {
    for (uint32_t i = 0; i < span.unit_count; ++i) {
      const Span unit = object.UnitSpan(span.first_unit + i);
      const ByteView bytes = ByteView(payload_.bytes).subspan(unit.offset, unit.length);
      ASSERT_TRUE(object.Matches(unit.first_unit, bytes));
      if (unit.first_unit == 0 && !object.identity().plain()) {
        ASSERT_TRUE(object.SetList(bytes).ok());
      }
      ASSERT_TRUE(WriteAllAt(object.fd(), unit.offset, bytes).ok());
      if (object.identity().plain()) object.HashPlain(unit.first_unit, bytes);
      object.Stored(unit.first_unit, bytes);
    }
  }
  Waiter Counting(int& wakes, int64_t deadline_ms = INT64_MAX) {
    return {.deadline_ms = deadline_ms, .wake = [&wakes] { ++wakes; }};
  }

  ByteView UnitBytes(CacheObject& object, uint32_t unit) const {
    const Span span = object.UnitSpan(unit);
    return ByteView(payload_.bytes).subspan(span.offset, span.length);
  }

  TestClock clock_;
  HotMemory memory_{64 << 20};
  Payload payload_ = MakePayload(10 * kChunk + 77, 1);
};

TEST_F(ObjectTest, FetchesTheListFirstThenTheOldestDemandThenOnward) {
  auto object = Make(payload_.identity);
  const uint64_t list = payload_.identity.list_length;
  int wakes = 0;
  Waiter first = Counting(wakes);
  Waiter second = Counting(wakes);
  EXPECT_EQ(object->Take(list + 6 * kChunk + 5, 10, &first).kind, edge::Run::Kind::kMissing);
  EXPECT_EQ(object->Take(list + 2 * kChunk, 10, &second).kind, edge::Run::Kind::kMissing);

  auto span = object->ClaimMissing(2 * kChunk);
  ASSERT_TRUE(span);
  EXPECT_EQ(span->length, list);
  EXPECT_FALSE(object->ClaimMissing(2 * kChunk)) << "nothing else has a place before the list is known";
  Fill(*object, *span);
  EXPECT_EQ(wakes, 0) << "the list is not what they wait for";

  span = object->ClaimMissing(2 * kChunk);
  EXPECT_EQ(span->offset, list + 6 * kChunk);
  EXPECT_EQ(span->length, 2 * kChunk);
  const auto beside = object->ClaimMissing(2 * kChunk);
  EXPECT_EQ(beside->offset, list + 2 * kChunk) << "two claims never overlap";
  Fill(*object, *span);
  EXPECT_EQ(wakes, 1);
  Fill(*object, *beside);
  EXPECT_EQ(wakes, 2);
  EXPECT_EQ(object->ClaimMissing(2 * kChunk)->offset, list + 4 * kChunk) << "onward from the last claim";
}

TEST_F(ObjectTest, ClaimsEveryByteExactlyOnce) {
  auto object = Make(payload_.identity);
  std::vector<int> claimed(payload_.identity.size, 0);
  while (const auto span = object->ClaimMissing(3 * kChunk)) {
    for (uint64_t i = 0; i < span->length; ++i) ++claimed[span->offset + i];
    Fill(*object, *span);
  }
  EXPECT_EQ(std::count(claimed.begin(), claimed.end(), 1), static_cast<ptrdiff_t>(claimed.size()));
  EXPECT_TRUE(object->complete());
  EXPECT_TRUE(object->HoldsAll(0, payload_.identity.size));
}

TEST_F(ObjectTest, ReleasedUnitsAreFetchedAgain) {
  auto object = Make(payload_.identity);
  const auto span = object->ClaimMissing(1);
  EXPECT_FALSE(object->ClaimMissing(1));
  object->Release(*span);
  EXPECT_TRUE(object->ClaimMissing(1));
}

TEST_F(ObjectTest, RefusesAListThatDoesNotFitTheSignedLength) {
  Identity identity = payload_.identity;
  identity.size += 1;
  auto object = Make(identity);
  const Status set = object->SetList(ByteView(payload_.bytes).first(identity.list_length));
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().code, ErrorCode::kCorrupt);
}

TEST_F(ObjectTest, AUnitThatCameWrongThreeTimesRestsAndItsWaitersLearnIt) {
  auto object = Make(payload_.identity);
  Fill(*object, *object->ClaimMissing(1));
  const uint64_t list = payload_.identity.list_length;
  int wakes = 0;
  Waiter waiter = Counting(wakes);
  (void)object->Take(list, 1, &waiter);
  for (unsigned attempt = 0; attempt < CacheObject::kMaxBadFetches; ++attempt) {
    const auto span = object->ClaimMissing(1);
    ASSERT_EQ(span->first_unit, 1U);
    object->CountBadFetch(1);
  }
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(object->Take(list, 1, nullptr).trouble, Trouble::kWrongBytes);
  EXPECT_EQ(object->ClaimMissing(1)->first_unit, 2U) << "the others go on";
  clock_.monotonic_ms += CacheObject::kRestAfterBadMs;
  EXPECT_EQ(object->Take(list, 1, nullptr).kind, edge::Run::Kind::kMissing);
}

TEST_F(ObjectTest, HoldsBackAPlainObjectsEndUntilItIsSealed) {
  payload_ = MakePlain(3 * CacheObject::kPlainUnitBytes, 2);
  auto object = Make(payload_.identity);
  Fill(*object, *object->ClaimMissing(UINT64_MAX));
  EXPECT_EQ(object->Take(0, UINT64_MAX, nullptr).bytes.size(), 2 * CacheObject::kPlainUnitBytes);
  EXPECT_FALSE(object->complete());
  object->Seal();
  EXPECT_EQ(object->Take(0, UINT64_MAX, nullptr).bytes.size(), 3 * CacheObject::kPlainUnitBytes);
}

TEST_F(ObjectTest, RestoredUnitsAreSentOnlyAfterTheyWereHashedAgain) {
  auto before = Make(payload_.identity);
  for (int i = 0; i < 2; ++i) Fill(*before, *before->ClaimMissing(4 * kChunk));
  const CacheObject::State state = before->Snapshot();

  auto object = Make(payload_.identity);
  object->Restore(state.bitmap);
  ASSERT_TRUE(object->SetList(ByteView(payload_.bytes).first(payload_.identity.list_length)).ok());
  const uint64_t offset = payload_.identity.list_length;
  int wakes = 0;
  Waiter waiter = Counting(wakes);
  EXPECT_EQ(object->Take(offset, 1, &waiter).kind, edge::Run::Kind::kMissing);
  EXPECT_TRUE(object->wants_check());
  EXPECT_FALSE(object->wants_fetch());
  const auto span = object->ClaimUnchecked(kChunk);
  ASSERT_TRUE(span);
  EXPECT_EQ(span->first_unit, 1U);
  object->Checked(1, UnitBytes(*object, 1));
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(object->Take(offset, 2 * kChunk, nullptr).bytes.size(), kChunk) << "the next one was not hashed";
  ASSERT_EQ(object->Drop(2), CacheObject::Dropped::kPromised);
  EXPECT_EQ(object->ClaimMissing(kChunk)->first_unit, 2U) << "what is wrong on disk is fetched again";
}

TEST_F(ObjectTest, WakesOverdueWaitersOnly) {
  auto object = Make(payload_.identity);
  int early = 0;
  int late = 0;
  Waiter first = Counting(early, clock_.monotonic_ms + 10);
  Waiter second = Counting(late, clock_.monotonic_ms + 1000);
  (void)object->Take(0, 1, &first);
  (void)object->Take(0, 1, &second);
  clock_.monotonic_ms += 500;
  object->WakeOverdue();
  EXPECT_EQ(early, 1);
  EXPECT_EQ(late, 0);
}

TEST_F(ObjectTest, PassesThroughMemoryAndForgets) {
  auto object = Make(payload_.identity);
  Fill(*object, *object->ClaimMissing(1));
  int wakes = 0;
  Waiter waiter = Counting(wakes);
  (void)object->Take(payload_.identity.list_length, 1, &waiter);
  const auto span = object->ClaimMissing(1);
  const ByteView bytes = ByteView(payload_.bytes).subspan(span->offset, kChunk);
  object->KeepInMemory(span->first_unit, bytes);
  EXPECT_EQ(wakes, 1);
  auto run = object->Take(span->offset + 100, 50, nullptr);
  ASSERT_EQ(run.kind, edge::Run::Kind::kMemory);
  ASSERT_EQ(run.bytes.size(), 50U);
  EXPECT_EQ(run.bytes[0], payload_.bytes[span->offset + 100]);
  EXPECT_FALSE(object->ClaimMissing(kChunk)) << "nothing is fetched ahead while the disk refuses";
  EXPECT_FALSE(object->LetGo(1)) << "somebody sends from it";
  EXPECT_FALSE(object->LetGo(1)) << "still";
  run = {};
  EXPECT_TRUE(object->LetGo(1));
  EXPECT_EQ(object->Take(span->offset, 1, nullptr).kind, edge::Run::Kind::kMissing);
}

}  // namespace
}  // namespace till::edge::testing
