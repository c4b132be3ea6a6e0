#include "tests/power/world.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

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
  LookAtHead();
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
  if (site.app_only) assert(world.chip.Program(g.slot_at(0), running).ok());  // the system's slots hold something too
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
  assert(journal.Save(state).ok());
  return world;
}

// --- The boot code ---

namespace {

struct BootFlash {
  NorChip& chip;
  const Site& site;
  std::unique_ptr<device::RecordFile> records;

  till_boot_copies Read() {
    uint8_t copies[2][TILL_BOOT_RECORD_BYTES];
    for (int copy = 0; copy < 2; copy++) {
      if (!records->Read(copy, std::as_writable_bytes(std::span(copies[copy]))).ok()) memset(copies[copy], 0, 64);
    }
    till_boot_copies read;
    till_boot_read(copies[0], copies[1], &read);
    return read;
  }

  // A trial that cannot be counted is not tried.
  void Settle(till_boot_decision& decision) {
    if (!decision.changed || site.sabotage == "uncounted") return;
    const till_boot_copies read = Read();
    till_boot_write write;
    till_boot_plan_write(&read, &decision.record, &write);
    uint8_t back[TILL_BOOT_RECORD_BYTES];
    // As tilld does (BootControl): what counts is made firm before the other copy is erased.
    till_boot_encode(&read.record, back);
    if (read.found) records->ProgramOver(read.copy, std::as_bytes(std::span(back))).ok();
    const bool written = records->Write(write.copy, std::as_bytes(std::span(write.bytes))).ok() &&
                         records->Read(write.copy, std::as_writable_bytes(std::span(back))).ok() &&
                         memcmp(back, write.bytes, sizeof(back)) == 0;
    if (written || !decision.trial) return;
    decision.slot = decision.record.stable;
    decision.trial = 0;
  }

  // The header always; all of it in a trial, or when the record told nothing. A stable boot is not hashed: a board
  // may turn that off, and the proof must hold then too.
  bool ImageIsGood(uint8_t slot, bool hash_all) {
    if (site.sabotage == "blind-boot") return true;
    Bytes header(kImageHeaderBytes);
    if (!chip.Read(site.slot_at(slot), header).ok()) return false;
    const auto signed_image = std::find_if(site.images.begin(), site.images.end(), [&](const SignedImage& image) {
      return std::equal(header.begin(), header.end(), image.bytes->begin());
    });
    if (signed_image == site.images.end()) return false;
    if (!hash_all) return true;
    // The bytes themselves instead of their hash: the same answer in a sixth of the time.
    Bytes content(signed_image->bytes->size());
    return chip.Read(site.slot_at(slot), content).ok() &&
           memcmp(content.data(), signed_image->bytes->data(), content.size()) == 0;
  }
};

}  // namespace

BootChoice Boot(const Site& site, NorChip& chip) {
  const Geometry& g = site.geometry;
  auto opened = device::FlashRecords::Open(std::make_unique<NorPartition>(chip, g.boot_at(), 2 * g.block_bytes));
  BootFlash flash{chip, site, SabotagedRecords(site, std::move(opened).value())};
  const till_boot_copies read = flash.Read();
  till_boot_decision decision;
  till_boot_decide(&read, &decision);
  flash.Settle(decision);
  while (decision.slot != TILL_BOOT_NO_SLOT && !flash.ImageIsGood(decision.slot, decision.trial || !read.found)) {
    till_boot_decision next;
    till_boot_reject(&decision, TILL_BOOT_REASON_IMAGE, &next);
    decision = next;
    flash.Settle(decision);
  }
  if (decision.slot == TILL_BOOT_NO_SLOT) return {};
  return {decision.slot, decision.trial != 0};
}

// --- Judging ---

namespace {

void Note(Verdict& verdict, uint64_t& counter, std::string reason) {
  counter++;
  if (verdict.reason.empty()) verdict.reason = std::move(reason);
}

till_boot_copies ReadRecord(const Site& site, NorChip& chip) {
  const Geometry& g = site.geometry;
  auto opened = device::FlashRecords::Open(std::make_unique<NorPartition>(chip, g.boot_at(), 2 * g.block_bytes));
  device::BootControl boot(SabotagedRecords(site, std::move(opened).value()));
  const auto read = boot.Read();
  return read.ok() ? *read : till_boot_copies{};
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
  Slots(const Site& site, NorChip& chip) : site_(site), chip_(chip) {}
  Result<std::unique_ptr<Source>> OpenForReading(SlotId slot) override {
    return SabotagedSource(site_, static_cast<unsigned>(slot), TILL_TRY(Open(slot)));
  }
  Result<std::unique_ptr<device::Slot>> OpenSpare(SlotId spare, SlotId running) override {
    if (spare == running) return Error{ErrorCode::kRefused, "this is the running slot"};
    return SabotagedSlot(site_, TILL_TRY(Open(site_.sabotage == "wrong-slot" ? running : spare)));
  }

 private:
  Result<std::unique_ptr<device::FlashSlot>> Open(SlotId slot) {
    const uint64_t at = site_.slot_at(static_cast<unsigned>(slot));
    return device::FlashSlot::Open(std::make_unique<NorPartition>(chip_, at, site_.slot_bytes()));
  }
  const Site& site_;
  NorChip& chip_;
};

device::Config ConfigFor(const Site& site, const std::string& data_dir) {
  device::Config config;
  config.server = "http://127.0.0.1:1";
  config.controller_id = "pos-1";
  config.data_dir = data_dir;
  config.board = "acme,pos-100";
  config.product = "pos";
  config.component = site.app_only ? "app" : "rootfs";
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
  parts.slots = std::make_unique<Slots>(site, world.chip);
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
    done = !boot && end == device::RunEnd::kStopped && world.server.outcomes.size() == site.offers.size();
  }
  if (!done && verdict.good()) Note(verdict, verdict.stuck, "it does not come to rest");
  world.chip.Watch(nullptr);
  return verdict;
}

}  // namespace till::power
