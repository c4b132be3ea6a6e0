#include "tests/power/scenario.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/file.h"
#include "delta/chunks/chunk_assembler.h"
#include "delta/chunks/chunk_file.h"
#include "device/journal.h"
#include "device/record_flash.h"
#include "tests/delta/craft.h"

namespace till::power {
namespace {

using delta::Op;
using delta::OpKind;
using delta::testing::Craft;
using delta::testing::Noise;

constexpr uint64_t kFrameOverhead = 256;  // header and ops

SignedPayload Sign(Craft& craft, const device::SlotImage& target, uint32_t floor) {
  SignedPayload payload;
  const Bytes file = craft.File();
  device::Plan& plan = payload.plan;
  plan.kind =
      craft.header().kind == delta::PayloadKind::kDelta ? device::Plan::Kind::kDelta : device::Plan::Kind::kFull;
  plan.payload = crypto::Sha256Of(file);
  plan.payload_bytes = plan.travel_bytes = file.size();
  plan.chunk_list_bytes = file.size() - delta::testing::BodyOf(file).size();
  plan.chunk_list = crypto::Sha256Of(ByteView(file).first(plan.chunk_list_bytes));
  if (plan.is_delta()) {
    plan.base = craft.header().base_sha256;
    plan.base_bytes = craft.header().base_size;
  }
  plan.arena_bytes = craft.header().arena_bytes;
  plan.target = target;
  plan.signed_floor = floor;
  payload.file = std::make_shared<const Bytes>(file);
  return payload;
}

SignedPayload FullPayload(const SignedImage& target, uint64_t frame_bytes) {
  Craft craft = Craft::Full(*target.bytes);
  for (uint64_t at = 0; at < target.bytes->size();) {
    const uint64_t count = std::min(frame_bytes - kFrameOverhead, target.bytes->size() - at);
    craft.AddFrame({{OpKind::kData, count, 0}});
    at += count;
  }
  return Sign(craft, target.info, target.info.rollback_index);
}

// What differs travels as DATA, the rest is COPY; a frame ends when it is full.
SignedPayload DeltaPayload(const SignedImage& base, const SignedImage& target, uint64_t frame_bytes) {
  Craft craft(*base.bytes, *target.bytes);
  const Bytes& from = *base.bytes;
  const Bytes& to = *target.bytes;
  std::vector<Op> ops;
  uint64_t in_frame = 0;
  for (uint64_t at = 0; at < to.size();) {
    const bool same = from[at] == to[at];
    uint64_t end = at;
    const uint64_t most =
        same ? to.size() : std::min<uint64_t>(to.size(), at + frame_bytes - kFrameOverhead - in_frame);
    while (end < most && (from[end] == to[end]) == same) end++;
    ops.push_back({same ? OpKind::kCopy : OpKind::kData, end - at, same ? at : 0});
    if (!same) in_frame += end - at;
    at = end;
    if (in_frame < frame_bytes - kFrameOverhead && at < to.size()) continue;
    craft.AddFrame(ops);
    ops.clear();
    in_frame = 0;
  }
  return Sign(craft, target.info, target.info.rollback_index);
}

// The image as chunks of 1 KiB on average; what runs has most of them.
SignedPayload ChunksPayload(const SignedImage& target) {
  SignedPayload payload;
  MemorySource image(*target.bytes);
  MemorySink sink(64 << 20);
  const delta::ChunkFile made = delta::WriteChunkFile(image, delta::kMinAverageLog2, sink).value();
  const Bytes file(sink.bytes().begin(), sink.bytes().end());
  device::Plan& plan = payload.plan;
  plan.kind = device::Plan::Kind::kChunks;
  plan.payload = crypto::Sha256Of(file);
  plan.payload_bytes = file.size();
  plan.chunk_list_bytes = made.list_bytes;
  plan.chunk_list = made.list_sha256;
  plan.index_bytes = plan.travel_bytes = made.index_bytes;
  plan.index = made.index_sha256;
  plan.arena_bytes = delta::ChunkAssembler::ArenaBytesFor(made.index);
  plan.target = target.info;
  plan.signed_floor = target.info.rollback_index;
  payload.file = std::make_shared<const Bytes>(file);
  return payload;
}

// The next version: every other stretch is new, in bytes that differ from the old ones everywhere.
Bytes NextContent(const Bytes& old, uint64_t seed, uint64_t stretch) {
  Bytes next = old;
  const Bytes noise = Noise(old.size(), seed);
  for (size_t i = 0; i < next.size(); i++) {
    if (i / stretch % 4 == 1) next[i] = noise[i] == old[i] ? ~noise[i] : noise[i];
  }
  return next;
}

Site MakeSite(const Geometry& g, const std::string& sabotage) {
  Site site;
  site.geometry = g;
  site.sabotage = sabotage;
  Bytes first = Noise(g.image_bytes, 11);
  Bytes second = NextContent(first, 12, std::max<uint64_t>(g.image_bytes / 32, 512));
  Bytes older = NextContent(first, 13, 512);
  site.images.push_back(MakeImage("1.0.0", 2, std::move(first)));
  site.images.push_back(MakeImage("1.1.0", 3, std::move(second)));
  site.images.push_back(MakeImage("0.9.0", 1, std::move(older)));
  return site;
}

// A second component, and a release of it alone: the system's image is copied over so that both are switched at once.
void AddApp(Site& site) {
  const Geometry& g = site.geometry;
  Bytes first = Noise(g.app_image_bytes, 21);
  Bytes second = NextContent(first, 22, std::max<uint64_t>(g.app_image_bytes / 32, 512));
  site.app_images.push_back(MakeImage("2.0.0", 2, std::move(first)));
  site.app_images.push_back(MakeImage("2.1.0", 3, std::move(second)));
  site.offers = {FullPayload(site.app_images[1], g.frame_bytes)};
  site.offers[0].plan.component = 1;
}

// A folder of health checks that is not well without one being started: more of them than are allowed.
std::string FailingChecks(const std::string& data_dir) {
  std::string folder = data_dir + "/health.d";
  mkdir(folder.c_str(), 0755);
  for (int i = 0; i < 65; i++) {
    const std::string check = folder + "/" + std::to_string(i);
    if (symlink("/bin/false", check.c_str()) != 0 && errno != EEXIST) abort();
  }
  return folder;
}

// Every source has the same wrong byte, a quarter into the payload.
SignedPayload Damaged(SignedPayload payload) {
  Bytes file = *payload.file;
  file[file.size() / 4] ^= std::byte{1};
  payload.file = std::make_shared<const Bytes>(std::move(file));
  return payload;
}

device::Phase PhaseIn(World world, const Geometry& g) {
  device::Journal journal(
      device::FlashLog::Open(std::make_unique<NorPartition>(world.chip, g.journal_at(), 2 * g.block_bytes)).value());
  if (!journal.Load().ok()) abort();
  return journal.state().phase;
}

// The world half way through, where the power went and came back (resume), or as soon as the new image was read back
// and nothing is left but the commit: the boot record's trial, the restart, the count, the confirmation (confirm).
void PlayTo(Scenario& scenario, const std::string& data_dir, bool to_commit) {
  World world = scenario.start;
  Trace trace(world, HeadPath(data_dir));
  if (!Drive(scenario.site, data_dir, world, {.trace = &trace, .stop_at_reboot = true}).good()) abort();
  const size_t half = trace.operations().size() * 55 / 100;
  World middle = scenario.start;
  for (size_t i = 0; i < trace.operations().size(); i++) {
    const FlashOp& op = trace.operations()[i];
    const bool journal = op.offset >= scenario.site.geometry.journal_at() && op.offset < scenario.site.slot_at(0);
    trace.RestoreAt(i, middle);
    if (to_commit ? journal && PhaseIn(middle, scenario.site.geometry) == device::Phase::kVerified : i == half) break;
    middle.chip.Apply(op);
  }
  scenario.start = middle;
}

}  // namespace

const std::vector<std::string>& Kinds() {
  static const std::vector<std::string> kKinds = {"full",     "delta",    "chunks",  "resume", "app-only",
                                                  "fallback", "rollback", "confirm", "crash"};
  return kKinds;
}

Scenario MakeScenario(const std::string& kind, const Geometry& geometry, const std::string& data_dir,
                      const std::string& sabotage) {
  Site site = MakeSite(geometry, sabotage);
  const SignedPayload full = FullPayload(site.images[1], geometry.frame_bytes);
  const SignedPayload small = DeltaPayload(site.images[0], site.images[1], geometry.frame_bytes);
  site.offers = {kind == "full" ? full : small};
  if (kind == "chunks") site.offers = {ChunksPayload(site.images[1])};
  std::string outcome = "success";
  std::string version = "1.1.0";
  if (kind == "fallback") site.offers = {Damaged(small), full};
  if (kind == "app-only") {
    AddApp(site);
    version = "1.0.0";
  }
  if (kind == "rollback") {
    site.health_dir = FailingChecks(data_dir);
    outcome = "failure: health: ";
    version = "1.0.0";
  }
  if (kind == "crash") {
    site.crashing_version = "1.1.0";
    outcome = "failure: boot: tries used up";
    version = "1.0.0";
  }
  // Half of the kinds start in slot b: with no record left the boot code would guess slot a, and be wrong.
  site.start_slot = kind == "full" || kind == "resume" || kind == "crash" ? 0 : 1;
  World start = FactoryWorld(site);
  Scenario scenario{kind, std::move(site), std::move(start), std::move(outcome), std::move(version)};
  if (kind == "app-only") scenario.app_version = "2.1.0";
  if (kind == "resume" || kind == "confirm") PlayTo(scenario, data_dir, kind == "confirm");
  return scenario;
}

namespace {

std::string CheckApp(const Scenario& scenario, const World& world, unsigned slot) {
  for (const SignedImage& image : scenario.site.app_images) {
    if (!world.chip.Holds(scenario.site.geometry.app_at(slot), *image.bytes)) continue;
    return image.info.version == scenario.app_version ? "" : "beside it runs " + image.info.version;
  }
  return scenario.app_version.empty() ? "" : "the application is not whole";
}

}  // namespace

std::string CheckEnd(const Scenario& scenario, World& world) {
  const Site& site = scenario.site;
  const till_boot_copies read = ReadRecord(site, world.chip);
  if (!read.found) return "there is no boot record";
  const till_boot_record& record = read.record;
  if (record.trial != TILL_BOOT_NO_SLOT) return "a trial is still on";
  const auto image = std::find_if(site.images.begin(), site.images.end(), [&](const SignedImage& i) {
    return world.chip.Holds(site.slot_at(record.stable), *i.bytes);
  });
  if (image == site.images.end()) return "the stable slot holds no signed image";
  const bool fell_back = scenario.may_fall_back && record.stable == site.start_slot;
  if (image->info.version != scenario.version && !fell_back) return "it runs " + image->info.version;
  if (record.floor > image->info.rollback_index) return "the floor is ahead";
  if (record.floor != image->info.rollback_index) return "the floor did not follow";
  if (!fell_back) {
    std::string wrong = CheckApp(scenario, world, record.stable);
    if (!wrong.empty()) return wrong;
  }
  const std::string& outcome = world.server.outcome;
  const bool as_told = outcome.starts_with(scenario.outcome);
  const bool fell = fell_back && outcome.starts_with("failure: boot: tries used up");
  return as_told || fell ? "" : "the server heard '" + outcome + "'";
}

}  // namespace till::power
