#include "tests/power/world.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "bootloader/boot_choice.h"
#include "core/file.h"
#include "device/journal.h"
#include "device/record_flash.h"
#include "device/runner.h"
#include "device/slots/flash_slot.h"
#include "tests/power/network.h"
#include "tests/power/sabotage.h"

namespace till::power {

using device::SlotId;

const Geometry kOneMiB{"1 MiB", 64 << 10, 1 << 20, 1 << 20, 256 << 10, 256 << 10, 16 << 10, 256};
const Geometry kTiny{"64 KiB", 4 << 10, 36 << 10, 35'000, 8 << 10, 8'000, 4 << 10, 1024};
const Geometry kReal{"28 MiB", 64 << 10, 28 << 20, 27 << 20, 4 << 20, 4 << 20, 128 << 10, 256};

namespace {

constexpr size_t kImageHeaderBytes = 64;
constexpr int kMaxStarts = 40;  // of the agent, until everything is done

class StillClock final : public Clock {
 public:
  int64_t UnixMs() const override { return 1'795'400'000'000; }
  int64_t MonotonicMs() const override { return 1'000'000; }
  void SleepMs(int64_t) override {}
};
StillClock still_clock;

// "TFIT" u32 index  u64 length of the rest  SHA-256 of the rest  zeros. Who knows the digest of such a header knows
// the image: that stands in for the signature of a FIT.
Bytes ImageHeader(uint32_t index, ByteView rest) {
  ByteWriter header;
  header.Append(AsBytes("TFIT"));
  header.U32(index);
  header.U64(rest.size());
  header.Append(crypto::Sha256Of(rest));
  Bytes bytes = std::move(header).Take();
  bytes.resize(kImageHeaderBytes);
  return bytes;
}

}  // namespace

SignedImage MakeImage(const std::string& version, uint32_t rollback_index, Bytes content) {
  const Bytes header = ImageHeader(rollback_index, ByteView(content).subspan(kImageHeaderBytes));
  std::copy(header.begin(), header.end(), content.begin());
  SignedImage image;
  image.info = {true, crypto::Sha256Of(content), content.size(), rollback_index, version};
  image.bytes = std::make_shared<const Bytes>(std::move(content));
  return image;
}

std::string HeadPath(const std::string& data_dir) { return data_dir + "/payload.head"; }

namespace {

void TakeHead(const std::string& path, World& world) {
  auto bytes = ReadBinaryFile(path, 1 << 20);
  if (!bytes.ok()) {
    world.head = nullptr;
  } else if (!world.head || *world.head != *bytes) {
    world.head = std::make_shared<const Bytes>(std::move(bytes).value());
  }
}

}  // namespace

void Trace::LookAtHead() {
  struct stat file;
  const bool there = stat(head_path_.c_str(), &file) == 0;
  const uint64_t seen = there ? file.st_ino * 31 + static_cast<uint64_t>(file.st_mtim.tv_nsec) + 1 : 0;
  if (seen == head_seen_) return;
  head_seen_ = seen;
  TakeHead(head_path_, world_);
  changed_ = true;
}

void Trace::OnOperation(bool erase, uint64_t offset, ByteView bytes) {
  if (changed_) LookAtHead();  // it is written when bytes came
  if (changed_) rests_.push_back({world_.server, world_.head});
  changed_ = false;
  operations_.push_back({erase, static_cast<uint32_t>(offset), static_cast<uint32_t>(rests_.size() - 1),
                         Bytes(bytes.begin(), bytes.end())});
}

void Trace::RestoreAt(size_t operation, World& out) const {
  const Rest& rest = rests_[operations_[operation].world];
  out.server = rest.server;
  out.head = rest.head;
}

World FactoryWorld(const Site& site) {
  const Geometry& g = site.geometry;
  World world{NorChip(g.block_bytes, g.chip_bytes() / g.block_bytes), {}, nullptr, 0};
  world.chip.SetPages(g.slot_at(0), g.slot_page_bytes);
  const Bytes& running = *site.images[0].bytes;
  assert(world.chip.Program(site.slot_at(site.start_slot), running).ok());
  assert(world.chip.Program(site.slot_at(1 - site.start_slot), *site.images[2].bytes).ok());
  if (!site.app_images.empty()) {
    assert(world.chip.Program(g.app_at(site.start_slot), *site.app_images[0].bytes).ok());
  }
  const auto start = static_cast<SlotId>(site.start_slot);
  device::BootControl boot(
      device::FlashRecords::Open(std::make_unique<NorPartition>(world.chip, g.boot_at(), 2 * g.block_bytes)).value());
  const device::SlotImage& info = site.images[0].info;
  assert(boot.Factory(start, info.version, info.rollback_index, info.rollback_index).ok());
  device::Journal journal(
      device::FlashLog::Open(std::make_unique<NorPartition>(world.chip, g.journal_at(), 2 * g.block_bytes)).value());
  assert(journal.Load().ok());
  device::AgentState state;
  state.slot(start) = info;
  state.floor = info.rollback_index;
  if (!site.app_images.empty()) state.slot(start, 1) = site.app_images[0].info;
  assert(journal.Save(state).ok());
  return world;
}

// --- The boot code ---

namespace {

// till_boot's port over this flash.
struct BootPort {
  NorChip& chip;
  const Site& site;
  std::unique_ptr<device::RecordFile> records;
};

MutableByteView RecordBytes(uint8_t* bytes) {
  return std::as_writable_bytes(std::span(bytes, size_t{TILL_BOOT_RECORD_BYTES}));
}
ByteView RecordBytes(const uint8_t* bytes) { return std::as_bytes(std::span(bytes, size_t{TILL_BOOT_RECORD_BYTES})); }

int ReadCopy(void* context, int copy, uint8_t out[TILL_BOOT_RECORD_BYTES]) {
  return static_cast<BootPort*>(context)->records->Read(copy, RecordBytes(out)).ok() ? 0 : -1;
}

int WriteCopy(void* context, int copy, const uint8_t bytes[TILL_BOOT_RECORD_BYTES]) {
  auto& port = *static_cast<BootPort*>(context);
  if (port.site.sabotage == "uncounted") return 0;
  uint8_t back[TILL_BOOT_RECORD_BYTES];
  const bool written =
      port.records->Write(copy, RecordBytes(bytes)).ok() && port.records->Read(copy, RecordBytes(back)).ok();
  return written && memcmp(back, bytes, sizeof(back)) == 0 ? 0 : -1;
}

int ProgramAgain(void* context, int copy, const uint8_t bytes[TILL_BOOT_RECORD_BYTES]) {
  return static_cast<BootPort*>(context)->records->ProgramOver(copy, RecordBytes(bytes)).ok() ? 0 : -1;
}

// The signed image whose header stands in the slot; `whole`: and all of whose bytes do.
int CheckImage(void* context, uint8_t slot, int whole, uint32_t* rollback_index) {
  auto& port = *static_cast<BootPort*>(context);
  Bytes header(kImageHeaderBytes);
  if (!port.chip.Read(port.site.slot_at(slot), header).ok()) return -1;
  const auto image = std::find_if(port.site.images.begin(), port.site.images.end(), [&](const SignedImage& i) {
    return std::equal(header.begin(), header.end(), i.bytes->begin());
  });
  if (port.site.sabotage == "blind-boot") return *rollback_index = 99, 0;
  if (image == port.site.images.end()) return -1;
  *rollback_index = image->info.rollback_index;
  if (!whole) return 0;
  // The bytes themselves instead of their hash: the same answer in a sixth of the time.
  Bytes content(image->bytes->size());
  const bool same = port.chip.Read(port.site.slot_at(slot), content).ok() &&
                    memcmp(content.data(), image->bytes->data(), content.size()) == 0;
  return same ? 0 : -1;
}

}  // namespace

// A stable boot is not hashed: a board may turn that off, and the proof must hold then too.
BootChoice Boot(const Site& site, NorChip& chip) {
  const Geometry& g = site.geometry;
  auto opened = device::FlashRecords::Open(std::make_unique<NorPartition>(chip, g.boot_at(), 2 * g.block_bytes));
  BootPort context{chip, site, SabotagedRecords(site, std::move(opened).value())};
  const auto say = [](void*, till_boot_event, uint8_t, uint8_t) {};
  const till_boot_port port{&context, ReadCopy, WriteCopy, ProgramAgain, CheckImage, say, 0};
  till_boot_decision decision;
  if (!till_boot_choose(&port, &decision)) return {};
  return {decision.slot, decision.trial != 0};
}

// --- Judging ---

till_boot_copies ReadRecord(const Site& site, NorChip& chip) {
  const Geometry& g = site.geometry;
  auto opened = device::FlashRecords::Open(std::make_unique<NorPartition>(chip, g.boot_at(), 2 * g.block_bytes));
  device::BootControl boot(SabotagedRecords(site, std::move(opened).value()));
  const auto read = boot.Read();
  return read.ok() ? *read : till_boot_copies{};
}

namespace {

void Note(Verdict& verdict, uint64_t& counter, std::string reason) {
  counter++;
  if (verdict.reason.empty()) verdict.reason = std::move(reason);
}

// O1 of the threat catalogue: what was booted is a signed image, whole, at or above the floor. Answers its version.
std::string JudgeBoot(const Site& site, World& world, const BootChoice& choice, Verdict& verdict) {
  verdict.boots++;
  const auto slot = static_cast<unsigned>(choice.slot);
  const auto held = std::find_if(site.images.begin(), site.images.end(), [&](const SignedImage& image) {
    return world.chip.Holds(site.slot_at(slot), *image.bytes);
  });
  if (held == site.images.end()) {
    Note(verdict, verdict.unverified_boots, "a slot without a signed image ran");
    return "";
  }
  const bool app = site.app_images.empty() ||
                   std::any_of(site.app_images.begin(), site.app_images.end(), [&](const SignedImage& image) {
                     return world.chip.Holds(site.geometry.app_at(slot), *image.bytes);
                   });
  if (!app) Note(verdict, verdict.unverified_boots, "a slot ran whose application is not whole");
  const uint32_t index = held->info.rollback_index;
  if (index < world.floor_seen) Note(verdict, verdict.floor_ahead, "what runs is below a floor that stood before");
  const till_boot_copies read = ReadRecord(site, world.chip);
  if (!read.found) return held->info.version;
  if (index < read.record.floor) Note(verdict, verdict.floor_ahead, "the floor is ahead of what runs");
  world.floor_seen = std::max(world.floor_seen, read.record.floor);
  return held->info.version;
}

class Slots final : public device::SlotBank {
 public:
  // `app`: of the second component.
  Slots(const Site& site, NorChip& chip, bool app) : site_(site), chip_(chip), app_(app) {}
  Result<std::unique_ptr<Source>> OpenForReading(SlotId slot) override {
    auto opened = TILL_TRY(Open(slot));
    if (app_) return std::unique_ptr<Source>(std::move(opened));
    return SabotagedSource(site_, static_cast<unsigned>(slot), std::move(opened));
  }
  Result<std::unique_ptr<device::Slot>> OpenSpare(SlotId spare, SlotId running) override {
    if (spare == running) return Error{ErrorCode::kRefused, "this is the running slot"};
    return SabotagedSlot(site_, TILL_TRY(Open(site_.sabotage == "wrong-slot" ? running : spare)));
  }

 private:
  Result<std::unique_ptr<device::FlashSlot>> Open(SlotId slot) {
    const Geometry& g = site_.geometry;
    const auto number = static_cast<unsigned>(slot);
    return device::FlashSlot::Open(std::make_unique<NorPartition>(chip_, app_ ? g.app_at(number) : g.slot_at(number),
                                                                  app_ ? g.app_slot_bytes : g.slot_bytes));
  }
  const Site& site_;
  NorChip& chip_;
  const bool app_;
};

device::Config ConfigFor(const Site& site, const std::string& data_dir) {
  device::Config config;
  config.server = "http://127.0.0.1:1";
  config.controller_id = "pos-1";
  config.data_dir = config.run_dir = data_dir;
  config.board = "acme,pos-100";
  config.product = "pos";
  if (!site.app_images.empty()) config.components = "app=/app-a,/app-b";
  config.origins.assign(device::ConfigKeys().size(), device::Origin::kDefault);
  config.bundle_bytes = 0;  // the log of a failure is for people
  config.pstore_dir = "";
  config.health_dir = site.health_dir;
  return config;
}

Result<device::Parts> PartsFor(const Site& site, World& world, Trace* trace) {
  const Geometry& g = site.geometry;
  device::Parts parts;
  parts.journal = SabotagedRecords(
      site,
      TILL_TRY(device::FlashLog::Open(std::make_unique<NorPartition>(world.chip, g.journal_at(), 2 * g.block_bytes))));
  parts.boot_record = SabotagedRecords(
      site,
      TILL_TRY(device::FlashRecords::Open(std::make_unique<NorPartition>(world.chip, g.boot_at(), 2 * g.block_bytes))));
  parts.slots = std::make_unique<Slots>(site, world.chip, false);
  if (!site.app_images.empty()) parts.more_slots.push_back(std::make_unique<Slots>(site, world.chip, true));
  parts.clock = &still_clock;
  parts.server = std::make_unique<ScriptedServer>(site, world, trace);
  parts.fetcher = std::make_unique<MemoryFetcher>(site, world, trace);
  parts.judge = std::make_unique<ScriptedJudge>(site);
  return parts;
}

void PutHead(const std::string& path, const World& world) {
  if (!world.head) {
    unlink(path.c_str());
    return;
  }
  const UniqueFd fd = OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC).value();
  assert(WriteAll(fd.get(), *world.head).ok());
}

}  // namespace

void RememberFloor(const Site& site, World& world) {
  const till_boot_copies read = ReadRecord(site, world.chip);
  if (read.found) world.floor_seen = std::max(world.floor_seen, read.record.floor);
}

Verdict Drive(const Site& site, const std::string& data_dir, World& world, const DriveOptions& options) {
  Verdict verdict;
  const std::string head = HeadPath(data_dir);
  PutHead(head, world);
  world.chip.Watch(options.trace);
  bool boot = true;
  SlotId running = SlotId::kA;
  bool done = false;
  for (int starts = 0; !done && starts < kMaxStarts; starts++) {
    if (boot) {
      const BootChoice choice = Boot(site, world.chip);
      if (choice.slot < 0) {
        Note(verdict, verdict.not_bootable, "no slot is bootable");
        break;
      }
      const std::string version = JudgeBoot(site, world, choice, verdict);
      running = static_cast<SlotId>(choice.slot);
      if (!version.empty() && version == site.crashing_version) continue;
    }
    auto parts = PartsFor(site, world, options.trace);
    if (!parts.ok()) break;
    const device::Config config = ConfigFor(site, data_dir);
    device::Runner runner(config, "", running, std::move(parts).value());
    if (const auto refusal = runner.Start()) {
      Note(verdict, verdict.stuck, "the agent does not start: " + refusal->Reason());
      break;
    }
    const device::RunEnd end = runner.Run(/*once=*/true);
    TakeHead(head, world);
    boot = end == device::RunEnd::kRebootWanted;
    if (boot && options.stop_at_reboot) return verdict;
    done = !boot && end == device::RunEnd::kStopped && !world.server.outcome.empty();
  }
  if (!done && verdict.good()) Note(verdict, verdict.stuck, "it does not come to rest");
  world.chip.Watch(nullptr);
  return verdict;
}

}  // namespace till::power
