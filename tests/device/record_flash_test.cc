// The boot record's two sectors and the journal's log on NOR: cut at every operation, with every tear, and worn.
#include "device/record_flash.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "device/journal.h"
#include "device/slots/mtd.h"
#include "tests/power/nor_sim.h"

namespace till::device {
namespace {

using power::NorChip;
using power::NorPartition;

constexpr uint32_t kSectorBytes = 4096;

// Opening writes too (it makes the newest entry firm): what fails once is tried again.
std::unique_ptr<RecordFile> OpenLog(NorChip& chip) {
  auto opened = FlashLog::Open(std::make_unique<NorPartition>(chip, 0, chip.size_bytes()));
  if (!opened.ok()) opened = FlashLog::Open(std::make_unique<NorPartition>(chip, 0, chip.size_bytes()));
  return std::move(opened).value();
}

// A record of its number: longer ones take several pages.
Bytes Record(uint32_t number) { return Bytes(20 + number % 7 * 120, static_cast<std::byte>(number)); }

// As Journal writes: always over the copy that is older.
struct Writer {
  explicit Writer(std::unique_ptr<RecordFile> opened) : file(std::move(opened)) {}
  Status Write(uint32_t number) { return file->Write(static_cast<int>(number % 2), Record(number)); }
  std::unique_ptr<RecordFile> file;
};

bool Holds(RecordFile& file, uint32_t number) {
  Bytes back(Record(number).size());
  return file.Read(static_cast<int>(number % 2), back).ok() && back == Record(number);
}

TEST(FlashLog, KeepsTheLastTwoThroughManyTurnsOfItsSectors) {
  NorChip chip(kSectorBytes, 2);
  for (uint32_t number = 1; number < 500; number++) {
    Writer writer(OpenLog(chip));  // opened anew each time: what it knows is what flash tells
    ASSERT_TRUE(writer.Write(number).ok());
    EXPECT_TRUE(Holds(*writer.file, number));
    const auto reader = OpenLog(chip);
    ASSERT_TRUE(Holds(*reader, number)) << number;
    if (number > 1) {
      ASSERT_TRUE(Holds(*reader, number - 1)) << number;
    }
  }
}

// covers F01 F03 F06
TEST(FlashLog, HoldsTheOldOrTheNewAfterACutAtEveryOperation) {
  for (const power::Tear tear : power::kTears) {
    for (uint64_t cut = 1; cut < 120; cut++) {
      NorChip chip(kSectorBytes, 2);
      chip.Seed(cut);
      uint32_t done = 0;
      {
        Writer writer(OpenLog(chip));
        chip.CutAt(cut, tear);
        while (writer.Write(done + 1).ok()) done++;
      }
      ASSERT_FALSE(chip.powered());
      chip.PowerOn();
      const auto reader = OpenLog(chip);
      // The record being written may be there; the one before it must.
      if (done > 0) {
        ASSERT_TRUE(Holds(*reader, done)) << cut << " tear " << static_cast<int>(tear);
      }
      // And on it goes, over whatever was left half done.
      for (uint32_t number = done + 1; number < done + 40; number++) {
        Writer writer(OpenLog(chip));
        ASSERT_TRUE(writer.Write(number).ok());
        ASSERT_TRUE(Holds(*OpenLog(chip), number)) << cut << " tear " << static_cast<int>(tear) << " " << number;
      }
    }
  }
}

// What the first start after a cut read is what every later one reads, though nothing was written since: the agent
// writes the slot on by it.
// covers F01
TEST(FlashLog, NeverChangesItsMindAfterItWasMadeFirm) {
  for (uint64_t cut = 1; cut < 120; cut++) {
    for (const power::Tear tear : power::kTears) {
      NorChip chip(kSectorBytes, 2);
      chip.Seed(cut);
      uint32_t begun = 1;
      {
        Writer writer(OpenLog(chip));
        chip.CutAt(cut, tear);
        while (writer.Write(begun).ok()) begun++;
      }
      chip.PowerOn();
      const auto first = OpenLog(chip);
      ASSERT_TRUE(first->MakeFirm().ok());
      const bool held = Holds(*first, begun);
      for (int start = 0; start < 12; start++) {
        const auto again = OpenLog(chip);
        ASSERT_EQ(Holds(*again, begun), held) << cut << " tear " << static_cast<int>(tear) << " start " << start;
        ASSERT_TRUE(again->MakeFirm().ok());
      }
    }
  }
}

// An erase that fails must not lead to the sector with the newest record.
// covers F05
TEST(FlashLog, LosesNothingToAFailingOperation) {
  for (uint64_t failing = 1; failing < 100; failing++) {
    NorChip chip(kSectorBytes, 2);
    Writer writer(OpenLog(chip));
    chip.FailAt(failing);
    uint32_t last = 0;
    for (uint32_t number = 1; number < 60; number++) {
      if (!writer.Write(number).ok()) {
        if (last > 0) {
          ASSERT_TRUE(Holds(*OpenLog(chip), last)) << failing;
        }
        ASSERT_TRUE(writer.Write(number).ok()) << failing;
      }
      last = number;
      ASSERT_TRUE(Holds(*OpenLog(chip), last)) << failing << " " << number;
    }
  }
}

TEST(FlashRecords, RefusesAnythingButTwoSectors) {
  NorChip chip(kSectorBytes, 3);
  EXPECT_EQ(FlashRecords::Open(std::make_unique<NorPartition>(chip, 0, 3 * kSectorBytes)).error().code,
            ErrorCode::kUnsupported);
  EXPECT_EQ(FlashLog::Open(std::make_unique<NorPartition>(chip, 0, kSectorBytes)).error().code,
            ErrorCode::kUnsupported);
}

TEST(FlashLog, RefusesARecordLongerThanASector) {
  NorChip chip(kSectorBytes, 2);
  EXPECT_EQ(OpenLog(chip)->Write(0, Bytes(kSectorBytes)).error().code, ErrorCode::kLimit);
}

// A 28 MiB image in 224 frames, a save each, and the steps around them: 1,000 updates on 64 KiB sectors.
// covers F07
TEST(Journal, WearsItsSectorsLessThanAHundredThousandTimesInTenYears) {
  NorChip chip(64 << 10, 2);
  Journal journal(OpenLog(chip));
  ASSERT_TRUE(journal.Load().ok());
  AgentState state;
  state.phase = Phase::kInstalling;
  state.action = "81";
  state.plan.payload_bytes = 28 << 20;
  state.plan.target = {true, {}, 28 << 20, 3, "1.5.0"};
  constexpr uint64_t kUpdates = 100;
  for (uint64_t update = 0; update < kUpdates; update++) {
    for (uint64_t save = 0; save < 224 + 30; save++) {
      state.received_bytes = save;
      ASSERT_TRUE(journal.Save(state).ok());
    }
  }
  const double erases_per_update = static_cast<double>(std::max(chip.wear()[0], chip.wear()[1])) / kUpdates;
  const double in_ten_years = erases_per_update * 3650;
  printf("journal: %.2f erases of a sector per update, %.0f in ten years of daily updates\n", erases_per_update,
         in_ten_years);
  EXPECT_LT(in_ten_years, 100'000);
}

// TILL_REAL_RECORDS: an MTD of two erase sectors whose driver is a kernel's (./dev qemu --only mtd).
TEST(RealFlash, HoldsRecordsAndTheJournal) {
  const char* path = getenv("TILL_REAL_RECORDS");
  if (!path) GTEST_SKIP() << "TILL_REAL_RECORDS";
  for (const RecordKind kind : {RecordKind::kInPlace, RecordKind::kLog}) {
    ASSERT_TRUE(OpenMtd(OpenFile(path, O_RDWR).value()).value()->Erase(0).ok());
    for (uint32_t number = 1; number < 400; number += kind == RecordKind::kLog ? 1 : 40) {
      Writer writer(OpenRecords(path, 0, kind, false).value());
      ASSERT_TRUE(writer.Write(number).ok());
      EXPECT_TRUE(Holds(*writer.file, number));
      EXPECT_TRUE(Holds(*OpenRecords(path, 0, kind, false).value(), number)) << number;
    }
  }
}

}  // namespace
}  // namespace till::device
