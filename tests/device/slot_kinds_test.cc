// One body against every kind of slot. The ioctls of flash answer from slot_fakes.h; where a kernel has the devices
// (./dev qemu --only mtd), TILL_REAL_SLOTS="Name,/dev/mtd0,1 ..." runs the body against them: name, path, durable unit.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "core/text.h"
#include "device/slots/file_slot.h"
#include "device/slots/flash_slot.h"
#include "tests/device/slot_fakes.h"

namespace till::device {
namespace {

constexpr uint32_t kBlockBytes = 8192;
constexpr uint64_t kSlotBytes = 16 * kBlockBytes;
constexpr uint64_t kImageBytes = 100'001;  // no multiple of anything

Bytes Image(uint64_t seed) {
  power::Random random(seed);
  Bytes bytes(kImageBytes);
  for (std::byte& b : bytes) b = random.Byte();
  return bytes;
}

UniqueFd NoFile() { return UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC)); }

struct Kind {
  std::string name;
  std::function<void()> start;  // a fresh device that holds something old
  std::function<Result<std::unique_ptr<Slot>>()> open;
  uint64_t durable_unit;  // 0: only as a whole
  std::function<void(uint64_t)> fail_at{};
  std::string path{};  // of a real device
};

power::NorChip& TheChip() {
  static power::NorChip chip(kBlockBytes, kSlotBytes / kBlockBytes + 4);
  return chip;
}

void DirtyChip(uint32_t page_bytes, std::set<uint64_t> bad) {
  TheChip() = power::NorChip(kBlockBytes, kSlotBytes / kBlockBytes + 4);
  const Bytes old(TheChip().size_bytes(), std::byte{0x5a});
  ASSERT_TRUE(TheChip().Program(0, old).ok());
  TheFakeMtd() = FakeMtd{};
  TheFakeMtd().chip = &TheChip();
  TheFakeMtd().page_bytes = page_bytes;
  TheFakeMtd().size_bytes = kSlotBytes + bad.size() * kBlockBytes;
  TheFakeMtd().bad_blocks = std::move(bad);
}

Result<std::unique_ptr<Slot>> OpenFakeMtd() {
  auto device = TILL_TRY(OpenMtd(NoFile(), FakeMtdCalls()));
  return std::unique_ptr<Slot>(TILL_TRY(FlashSlot::Open(std::move(device))));
}

std::string file_path;

void FillWithOld(const std::function<Result<std::unique_ptr<Slot>>()>& open) {
  auto slot = open();
  ASSERT_TRUE(slot.ok()) << slot.error().what << " " << slot.error().detail;
  ASSERT_TRUE((*slot)->BeginAt(0, kSlotBytes).ok());
  ASSERT_TRUE((*slot)->Write(Bytes(kSlotBytes, std::byte{0x5a})).ok());
  ASSERT_TRUE((*slot)->Sync().ok());
}

void AddRealKinds(std::vector<Kind>& kinds) {
  const char* list = getenv("TILL_REAL_SLOTS");
  if (!list) return;
  for (const std::string_view entry : Split(list, ' ')) {
    const auto words = Split(entry, ',');
    const std::string path(words.at(1));
    const auto open = [path] { return OpenSpareSlot(path, "/dev/null"); };
    kinds.push_back({.name = "Real" + std::string(words[0]),
                     .start = [open] { FillWithOld(open); },
                     .open = open,
                     .durable_unit = ParseUint(words.at(2)).value(),
                     .path = path});
  }
}

std::vector<Kind> AllKinds();
std::vector<Kind> Kinds() {
  std::vector<Kind> kinds = AllKinds();
  AddRealKinds(kinds);
  return kinds;
}

std::vector<Kind> AllKinds() {
  const auto chip_fails = [](uint64_t n) { TheChip().FailAt(n); };
  const auto mtd_fails = [](uint64_t n) {
    TheFakeMtd().calls = 0;
    TheFakeMtd().fail_at = n;
  };
  return {
      {"File",
       [] {
         const UniqueFd fd = OpenFile(file_path, O_RDWR | O_CREAT | O_TRUNC).value();
         ASSERT_TRUE(WriteAll(fd.get(), Bytes(kSlotBytes, std::byte{0x5a})).ok());
       },
       [] { return MakeFileSlot(OpenFile(file_path, O_RDWR).value()); }, 1, nullptr},
      {"NorSimulator", [] { DirtyChip(1, {}); },
       []() -> Result<std::unique_ptr<Slot>> {
         return std::unique_ptr<Slot>(
             TILL_TRY(FlashSlot::Open(std::make_unique<power::NorPartition>(TheChip(), 0, kSlotBytes))));
       },
       1, chip_fails},
      {"MtdNor", [] { DirtyChip(1, {}); }, OpenFakeMtd, 1, mtd_fails},
      {"MtdNorInterrupted",
       [] {
         DirtyChip(1, {});
         TheFakeMtd().interrupted = true;
       },
       OpenFakeMtd, 1, nullptr},
      {"MtdNand", [] { DirtyChip(512, {}); }, OpenFakeMtd, 512, nullptr},
      {"MtdNandWithBadBlocks",
       [] {
         DirtyChip(512, {0, 3 * kBlockBytes, 4 * kBlockBytes});
       },
       OpenFakeMtd, 512, nullptr},
      {"UbiVolume",
       [] {
         TheFakeUbi() = FakeUbi{};
         TheFakeUbi().volume.assign(kSlotBytes, std::byte{0x5a});
       },
       []() -> Result<std::unique_ptr<Slot>> { return MakeUbiSlot(NoFile(), kSlotBytes, FakeUbiCalls()); }, 0,
       [](uint64_t n) {
         TheFakeUbi().calls = 0;
         TheFakeUbi().fail_at = n;
       }},
  };
}

class SlotKind : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/till-slot-kinds-XXXXXX";
    const UniqueFd fd(mkstemp(pattern));
    file_path = pattern;
    GetParam().start();
  }
  void TearDown() override { unlink(file_path.c_str()); }

  std::unique_ptr<Slot> Open() { return GetParam().open().value(); }
  static Bytes ReadBack(Slot& slot) {
    Bytes bytes(kImageBytes);
    EXPECT_TRUE(ReadFully(slot, 0, bytes).ok());
    return bytes;
  }
  static Status WriteAllOf(Slot& slot, ByteView bytes, size_t piece) {
    for (; !bytes.empty(); bytes = bytes.subspan(std::min(piece, bytes.size()))) {
      TILL_TRY(slot.Write(bytes.first(std::min(piece, bytes.size()))));
    }
    return slot.Sync();
  }
};

TEST_P(SlotKind, HoldsWhatWasWrittenForAnyCutting) {
  for (const size_t piece : std::initializer_list<size_t>{1000, 1, 4095, 4096, 32768, kImageBytes}) {
    if (piece == 1 && GetParam().durable_unit == 0) continue;
    const Bytes image = Image(piece);
    auto slot = Open();
    ASSERT_TRUE(slot->BeginAt(0, kImageBytes).ok());
    ASSERT_TRUE(WriteAllOf(*slot, image, piece).ok()) << piece;
    EXPECT_EQ(slot->durable_end(), kImageBytes);
    EXPECT_TRUE(ReadBack(*slot) == image) << piece;
    slot.reset();  // a volume that is open for writing opens once
    EXPECT_TRUE(ReadBack(*Open()) == image) << piece;
    if (GetParam().path.empty()) continue;
    const auto source = OpenSlotForReading(GetParam().path);
    ASSERT_TRUE(source.ok());
    Bytes bytes(kImageBytes);
    ASSERT_TRUE(ReadFully(**source, 0, bytes).ok());
    EXPECT_TRUE(bytes == image) << piece;
  }
}

// covers F01 F05
TEST_P(SlotKind, GoesOnFromWhatItCalledDurable) {
  const Bytes image = Image(7);
  for (const uint64_t stop : {uint64_t{1}, uint64_t{511}, uint64_t{8192}, uint64_t{40'000}, uint64_t{99'999}}) {
    GetParam().start();
    uint64_t durable = 0;
    {
      auto slot = Open();
      ASSERT_TRUE(slot->BeginAt(0, kImageBytes).ok());
      ASSERT_TRUE(WriteAllOf(*slot, ByteView(image).first(stop), 3000).ok());
      durable = slot->durable_end();
      ASSERT_LE(durable, stop);
      EXPECT_EQ(durable, GetParam().durable_unit == 0 ? 0 : stop - stop % GetParam().durable_unit);
      ASSERT_TRUE(slot->Write(ByteView(image).subspan(stop, std::min<uint64_t>(900, kImageBytes - stop))).ok() ||
                  stop == 99'999);
    }
    auto slot = Open();
    if (GetParam().durable_unit == 0 && stop < 99'999) {
      Bytes one(1);
      EXPECT_FALSE(slot->ReadAt(0, one).ok()) << "half an image can be read";
    }
    ASSERT_TRUE(slot->BeginAt(durable, kImageBytes).ok()) << stop;
    ASSERT_TRUE(WriteAllOf(*slot, ByteView(image).subspan(durable), 3000).ok()) << stop;
    EXPECT_TRUE(ReadBack(*slot) == image) << stop;
  }
}

TEST_P(SlotKind, HasAnEnd) {
  auto slot = Open();
  EXPECT_GE(slot->size(), kSlotBytes);  // a volume has whole blocks
  if (GetParam().path.empty() || GetParam().durable_unit != 0) {
    EXPECT_EQ(slot->size(), kSlotBytes);
  }
  EXPECT_EQ(slot->BeginAt(0, slot->size() + 1).error().code, ErrorCode::kLimit);
  EXPECT_EQ(slot->BeginAt(slot->size() + 1, kSlotBytes).error().code, ErrorCode::kLimit);
  ASSERT_TRUE(slot->BeginAt(0, slot->size()).ok());
  ASSERT_TRUE(WriteAllOf(*slot, Bytes(slot->size(), std::byte{1}), 5000).ok());
  EXPECT_EQ(slot->Write(Bytes(1)).error().code, ErrorCode::kLimit);
}

TEST_P(SlotKind, LeavesNothingOfARejectedImage) {
  auto slot = Open();
  ASSERT_TRUE(slot->BeginAt(0, kImageBytes).ok());
  ASSERT_TRUE(WriteAllOf(*slot, Image(3), 4096).ok());
  ASSERT_TRUE(slot->Erase().ok());
  Bytes head(4096);
  ASSERT_TRUE(ReadFully(*slot, 0, head).ok());
  EXPECT_EQ(head, Bytes(4096, std::byte{0xff}));
  // And the next image goes in as if nothing had been.
  ASSERT_TRUE(slot->BeginAt(0, kImageBytes).ok());
  ASSERT_TRUE(WriteAllOf(*slot, Image(4), 4096).ok());
  EXPECT_TRUE(ReadBack(*slot) == Image(4));
}

// The n-th call fails, for every n until none does: an error comes up or the image is right, never neither.
// covers F05
TEST_P(SlotKind, NeverHidesAFailure) {
  if (!GetParam().fail_at) GTEST_SKIP() << "nothing to fail here";
  const Bytes image = Image(5);
  bool failed = true;
  for (uint64_t n = 1; failed; n += 3) {
    GetParam().start();
    GetParam().fail_at(n);
    auto slot = Open();
    const Status begun = slot->BeginAt(0, kImageBytes);
    const Status written = begun.ok() ? WriteAllOf(*slot, image, 7000) : begun;
    failed = !written.ok();
    if (written.ok()) {
      EXPECT_TRUE(ReadBack(*slot) == image) << n;
      break;
    }
    GetParam().fail_at(0);
    auto again = Open();
    ASSERT_TRUE(again->BeginAt(0, kImageBytes).ok());
    ASSERT_TRUE(WriteAllOf(*again, image, 7000).ok());
    EXPECT_TRUE(ReadBack(*again) == image) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Every, SlotKind, testing::ValuesIn(Kinds()), [](const auto& kind) { return kind.param.name; });

// --- What only some kinds can ---

TEST(NorSlot, ErasesEachBlockOnceAndOnlyAhead) {
  DirtyChip(1, {});
  auto slot = OpenFakeMtd().value();
  ASSERT_TRUE(slot->BeginAt(0, kImageBytes).ok());
  ASSERT_TRUE(slot->Write(ByteView(Image(1)).first(10'000)).ok());
  EXPECT_EQ(TheChip().wear()[0], 1u);
  EXPECT_EQ(TheChip().wear()[1], 1u);
  EXPECT_EQ(TheChip().wear()[2], 0u);
  ASSERT_TRUE(slot->Sync().ok());
  ASSERT_TRUE(slot->Write(ByteView(Image(1)).subspan(10'000)).ok());
  ASSERT_TRUE(slot->Sync().ok());
  for (size_t block = 0; block < 13; block++) {
    EXPECT_EQ(TheChip().wear()[block], 1u) << block;
  }
  for (size_t block = 13; block < 16; block++) {
    EXPECT_EQ(TheChip().wear()[block], 0u) << block;
  }
}

// covers F06
TEST(NorSlot, RepairsAPageThatDidNotTake) {
  DirtyChip(1, {});
  const Bytes image = Image(2);
  auto slot = OpenFakeMtd().value();
  ASSERT_TRUE(slot->BeginAt(0, kImageBytes).ok());
  ASSERT_TRUE(slot->Write(ByteView(image).first(5'000)).ok());
  TheChip().FlipBit(1'000, 3);
  ASSERT_TRUE(slot->Sync().ok());
  EXPECT_EQ(TheChip().wear()[0], 2u);
  Bytes back(5'000);
  ASSERT_TRUE(ReadFully(*slot, 0, back).ok());
  EXPECT_TRUE(std::equal(back.begin(), back.end(), image.begin()));
}

// covers F06
TEST(NorSlot, SaysWhenABlockCannotBeMended) {
  DirtyChip(1, {});
  struct Stuck final : FlashDevice {
    explicit Stuck(power::NorChip& chip) : part(chip, 0, kSlotBytes) {}
    const FlashGeometry& geometry() const override { return part.geometry(); }
    Status Erase(uint64_t at) override { return part.Erase(at); }
    Status Program(uint64_t at, ByteView bytes) override { return part.Program(at, bytes); }
    Status Read(uint64_t at, MutableByteView out) override {
      TILL_TRY(part.Read(at, out));
      out[0] |= std::byte{1};
      return Ok();
    }
    Result<bool> IsBad(uint64_t) override { return false; }
    Status MarkBad(uint64_t) override { return Ok(); }
    power::NorPartition part;
  };
  auto slot = FlashSlot::Open(std::make_unique<Stuck>(TheChip())).value();
  ASSERT_TRUE(slot->BeginAt(0, kImageBytes).ok());
  ASSERT_TRUE(slot->Write(Bytes(4'096)).ok());
  EXPECT_EQ(slot->Sync().error().code, ErrorCode::kCorrupt);
}

TEST(NandSlot, GoesAroundBlocksThatDieWhileTheyAreWritten) {
  DirtyChip(512, {2 * kBlockBytes});
  TheFakeMtd().size_bytes = kSlotBytes + 4 * kBlockBytes;
  TheFakeMtd().dying_blocks = {kBlockBytes, 5 * kBlockBytes};
  const Bytes image = Image(6);
  auto slot = OpenFakeMtd().value();
  ASSERT_TRUE(slot->BeginAt(0, kImageBytes).ok());
  ASSERT_TRUE(slot->Write(image).ok());
  ASSERT_TRUE(slot->Sync().ok());
  EXPECT_EQ(TheFakeMtd().bad_blocks.size(), 3u);
  auto again = OpenFakeMtd().value();  // as the boot loader sees it: good blocks in order
  Bytes back(kImageBytes);
  ASSERT_TRUE(ReadFully(*again, 0, back).ok());
  EXPECT_TRUE(back == image);
}

// covers F01
TEST(UbiSlot, IsNotReadableWhileHalfWritten) {
  TheFakeUbi() = FakeUbi{};
  TheFakeUbi().volume.assign(kSlotBytes, std::byte{0x5a});
  {
    auto slot = MakeUbiSlot(NoFile(), kSlotBytes, FakeUbiCalls());
    ASSERT_TRUE(slot->BeginAt(0, kImageBytes).ok());
    ASSERT_TRUE(slot->Write(ByteView(Image(1)).first(50'000)).ok());
    EXPECT_EQ(slot->durable_end(), 0u);
    EXPECT_EQ(slot->BeginAt(50'000, kImageBytes).error().code, ErrorCode::kUnsupported);
  }
  auto slot = MakeUbiSlot(NoFile(), kSlotBytes, FakeUbiCalls());
  Bytes one(1);
  EXPECT_FALSE(slot->ReadAt(0, one).ok());
}

}  // namespace
}  // namespace till::device
