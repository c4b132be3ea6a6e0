// The store: what survives, what is evicted, what is swept. covers W08 W13
#include "cdn-edge/catalog.h"

#include <gtest/gtest.h>

#include <fcntl.h>

#include <thread>

#include "cdn-edge/scrub.h"
#include "core/file.h"
#include "tests/cdn-edge/testing.h"

namespace till::edge::testing {
namespace {

class CatalogTest : public ::testing::Test {
 protected:
  void Open(uint64_t max_bytes = UINT64_MAX) {
    catalog_.reset();
    folder_.reset();
    folder_ = std::make_unique<DataFolder>(DataFolder::Open(temp_.path() + "/data").value());
    catalog_ = Catalog::Open(*folder_, {.max_bytes = max_bytes}, counters_, clock_).value();
  }
  Catalog::Object Fill(const Payload& payload) {
    Catalog::Object object = catalog_->Create(payload.identity).value();
    while (const auto span = object->ClaimMissing(UINT64_MAX)) {
      for (uint32_t i = 0; i < span->unit_count; ++i) {
        const Span unit = object->UnitSpan(span->first_unit + i);
        const ByteView bytes = ByteView(payload.bytes).subspan(unit.offset, unit.length);
        if (unit.first_unit == 0 && !payload.identity.plain()) {
          EXPECT_TRUE(object->SetList(bytes).ok());
        }
        if (!catalog_->Reserve(*object, unit.length)) return nullptr;
        EXPECT_TRUE(WriteAllAt(object->fd(), unit.offset, bytes).ok());
        if (payload.identity.plain()) object->HashPlain(unit.first_unit, bytes);
        object->Stored(unit.first_unit, bytes);
      }
    }
    return object;
  }
  void Damage(const Payload& payload, uint64_t offset) {
    const UniqueFd file = OpenFile(folder_->ObjectPath(payload.identity.name), O_WRONLY).value();
    const std::byte wrong = payload.bytes[offset] ^ std::byte{1};
    ASSERT_TRUE(WriteAllAt(file.get(), offset, ByteView(&wrong, 1)).ok());
  }

  TempFolder temp_;
  TestClock clock_;
  Counters counters_;
  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<Catalog> catalog_;
};

TEST_F(CatalogTest, TheFolderIsForOneProcess) {
  Open();
  const auto second = DataFolder::Open(temp_.path() + "/data");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
}

TEST_F(CatalogTest, WhatWasPersistedIsThereAfterARestartAndNothingElse) {
  const Payload kept = MakePayload(500'000, 1);
  const Payload lost = MakePayload(500'000, 2);
  Open();
  ASSERT_TRUE(catalog_->Persist(*Fill(kept)).ok());
  Fill(lost);  // never persisted, as after kill -9
  Open();
  const auto object = catalog_->Find(kept.identity.name);
  ASSERT_TRUE(object.ok());
  EXPECT_TRUE((*object)->list_known());
  EXPECT_EQ((*object)->stored_bytes(), kept.identity.size);
  EXPECT_EQ(catalog_->used_bytes(), kept.identity.size);
  EXPECT_FALSE(catalog_->Find(lost.identity.name).ok());
  EXPECT_FALSE(FileExists(folder_->ObjectPath(lost.identity.name))) << "a file without a record is swept";
}

TEST_F(CatalogTest, WhatWasWrittenButNotPersistedIsFoundAndOnlyBelievedOnceHashed) {
  const Payload payload = MakePayload(500'000, 1);
  Open();
  const Catalog::Object before = catalog_->Create(payload.identity).value();
  const auto list = before->ClaimMissing(1);
  const ByteView encoded = ByteView(payload.bytes).first(list->length);
  ASSERT_TRUE(before->SetList(encoded).ok() && WriteAllAt(before->fd(), 0, encoded).ok());
  before->Stored(0, encoded);
  ASSERT_TRUE(catalog_->Persist(*before).ok());
  // Then, until kill -9: chunks 0 and 1, and 2 but for one bit.
  const uint64_t begin = list->length;
  Bytes chunks(payload.bytes.begin() + static_cast<ptrdiff_t>(begin),
               payload.bytes.begin() + static_cast<ptrdiff_t>(begin + 3 * 32768));
  chunks[2 * 32768 + 7] ^= std::byte{1};
  ASSERT_TRUE(WriteAllAt(before->fd(), begin, chunks).ok());
  Open();
  const Catalog::Object object = catalog_->Find(payload.identity.name).value();
  EXPECT_EQ(object->ClaimMissing(1)->first_unit, 4U) << "what was written is not fetched first";
  EXPECT_FALSE(object->complete());
  Scrub(*catalog_, counters_, clock_, {.bytes_per_s = 0});
  EXPECT_EQ(counters_.chunks_found_bad, 0U) << "nobody promised that one";
  EXPECT_TRUE(object->OnDisk(1) && object->OnDisk(2));
  EXPECT_FALSE(object->OnDisk(3));
}

TEST_F(CatalogTest, AnOlderStateNeverOverwritesANewerOne) {
  const Payload payload = MakePayload(3'000'000, 1);
  Open();
  const Catalog::Object object = catalog_->Create(payload.identity).value();
  std::atomic<bool> begun{false};
  std::thread writer;
  {
    const std::lock_guard other_writer_at_work(object->persist_mutex());
    writer = std::thread([&] {
      begun = true;
      EXPECT_TRUE(catalog_->Persist(*object).ok());  // must not even look before the other one is done
    });
    while (!begun) std::this_thread::yield();
    Fill(payload);
  }
  writer.join();
  Open();
  EXPECT_EQ(catalog_->Find(payload.identity.name).value()->stored_bytes(), payload.identity.size);
}

TEST_F(CatalogTest, ARecordWithoutItsFileIsForgotten) {
  const Payload payload = MakePayload(100'000, 1);
  Open();
  ASSERT_TRUE(catalog_->Persist(*Fill(payload)).ok());
  ASSERT_EQ(unlink(folder_->ObjectPath(payload.identity.name).c_str()), 0);
  Open();
  EXPECT_EQ(catalog_->object_count(), 0U);
}

TEST_F(CatalogTest, ATruncatedFileIsForgottenAtItsFirstUse) {
  const Payload payload = MakePayload(100'000, 1);
  Open();
  ASSERT_TRUE(catalog_->Persist(*Fill(payload)).ok());
  ASSERT_EQ(truncate(folder_->ObjectPath(payload.identity.name).c_str(), 5000), 0);
  Open();
  EXPECT_FALSE(catalog_->Find(payload.identity.name).ok());
  EXPECT_EQ(catalog_->used_bytes(), 0U);
}

TEST_F(CatalogTest, ADamagedListIsNotBelieved) {
  const Payload payload = MakePayload(100'000, 1);
  Open();
  ASSERT_TRUE(catalog_->Persist(*Fill(payload)).ok());
  Damage(payload, 20);
  Open();
  const auto object = catalog_->Find(payload.identity.name);
  ASSERT_TRUE(object.ok());
  EXPECT_FALSE((*object)->list_known());
  EXPECT_EQ((*object)->ClaimMissing(UINT64_MAX)->length, payload.identity.list_length);
  EXPECT_EQ(counters_.chunks_found_bad, 1U);
}

TEST_F(CatalogTest, TheScrubFindsAFlippedBitAndOnlyIt) {
  const Payload payload = MakePayload(400'000, 1);
  const Payload plain = MakePlain(200'000, 2);
  Open();
  ASSERT_TRUE(catalog_->Persist(*Fill(payload)).ok());
  ASSERT_TRUE(catalog_->Adopt(*Fill(plain)).ok());
  Open();
  Damage(payload, payload.identity.list_length + 5 * 32768 + 9);
  ScrubReport report = Scrub(*catalog_, counters_, clock_, {.bytes_per_s = 0});
  EXPECT_EQ(report.objects, 2U);
  EXPECT_EQ(report.units_dropped, 1U);
  EXPECT_EQ(catalog_->used_bytes(), payload.identity.size + plain.identity.size - 32768);
  const auto object = catalog_->Find(payload.identity.name).value();
  EXPECT_EQ(object->ClaimMissing(1)->first_unit, 6U);

  Damage(plain, 100'000);
  report = Scrub(*catalog_, counters_, clock_, {.bytes_per_s = 0});
  EXPECT_FALSE(catalog_->Find(plain.identity.name).ok()) << "of a plain object nothing can be kept";
}

TEST_F(CatalogTest, EvictsWhatWasUsedLongestAgoButNothingInUse) {
  const Payload a = MakePayload(100'000, 1), b = MakePayload(100'000, 2), c = MakePayload(100'000, 3);
  Open(2 * a.identity.size + 1000);
  Fill(a);
  Fill(b);
  EXPECT_TRUE(catalog_->FindLive(a.identity.name)) << "now b was used longest ago";
  Fill(c);
  EXPECT_TRUE(catalog_->FindLive(a.identity.name));
  EXPECT_FALSE(catalog_->FindLive(b.identity.name));
  EXPECT_FALSE(FileExists(folder_->ObjectPath(b.identity.name)));
  EXPECT_EQ(counters_.objects_evicted, 1U);

  const auto hold_a = catalog_->FindLive(a.identity.name);
  const auto hold_c = catalog_->FindLive(c.identity.name);
  EXPECT_FALSE(Fill(b)) << "both are in use: no room";
  EXPECT_TRUE(catalog_->FindLive(a.identity.name));
  EXPECT_TRUE(catalog_->FindLive(c.identity.name));
}

TEST_F(CatalogTest, AnObjectLargerThanTheStoreEvictsNobody) {
  const Payload small = MakePayload(50'000, 1), large = MakePayload(900'000, 2);
  Open(500'000);
  Fill(small);
  EXPECT_FALSE(Fill(large));
  // It may have been evicted while the large one grew below the cap; what must hold is the cap.
  EXPECT_LE(catalog_->used_bytes(), 500'000U);
}

TEST_F(CatalogTest, APlainObjectIsInTheIndexOnlyOnceAdopted) {
  const Payload plain = MakePlain(200'000, 7);
  Open();
  auto object = Fill(plain);
  ASSERT_TRUE(catalog_->Persist(*object).ok());
  object.reset();
  Open();
  EXPECT_FALSE(catalog_->Find(plain.identity.name).ok());
  EXPECT_FALSE(FileExists(folder_->SpoolPath(plain.identity.name)));
  ASSERT_TRUE(catalog_->Adopt(*Fill(plain)).ok());
  Open();
  EXPECT_TRUE(catalog_->Find(plain.identity.name).ok());
}

}  // namespace
}  // namespace till::edge::testing
