#include "device/adopt.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/file.h"
#include "core/text.h"
#include "device/faults.h"

namespace till::device {
namespace {

// A squashfs image is its superblock's bytes_used, padded to 4 KiB as mksquashfs does. 0 for anything else.
uint64_t SquashfsLength(Source& slot) {
  std::array<std::byte, 96> superblock;
  if (!ReadFully(slot, 0, superblock).ok() || memcmp(superblock.data(), "hsqs", 4) != 0) return 0;
  ByteReader in(ByteView(superblock).subspan(40));
  const auto used = in.U64();
  if (!used.ok() || *used > slot.size()) return 0;
  return std::min<uint64_t>((*used + 4095) / 4096 * 4096, slot.size());
}

}  // namespace

std::optional<Refusal> Adopt(const Config& config, const AdoptInput& input, Parts parts, Adopted& out) {
  const auto components = ComponentsOf(config);
  if (!components.ok()) return Refuse(kBadConfigLine, components.error());
  size_t component = 0;
  while (!input.component.empty() && component < components->size() &&
         (*components)[component].name != input.component) {
    component++;
  }
  if (component == components->size()) return Refuse(kWrongComponent, Printable(input.component));
  const ComponentSlots& slots = (*components)[component];
  auto slot = OpenSlotForReading(input.slot == SlotId::kA ? slots.slot_a : slots.slot_b);
  if (!slot.ok()) return Refuse(kSlotUnusable, slot.error());
  SlotImage& image = out.image;
  image.known = true;
  image.version = input.version;
  image.rollback_index = input.rollback_index;
  image.length_bytes = input.length_bytes;
  if (image.length_bytes == 0) image.length_bytes = SquashfsLength(**slot);
  if (image.length_bytes == 0) image.length_bytes = (*slot)->size();
  if (image.length_bytes > (*slot)->size()) return Refuse(kSlotTooSmall, "the image is longer than the slot");
  ImageInSlot view(**slot, image.length_bytes);
  const auto digest = crypto::Sha256OfSource(view);
  if (!digest.ok()) return Refuse(kSlotUnusable, digest.error());
  image.sha256 = *digest;

  // Metadata may be there already; then it knows version and index better.
  auto trust = Trust::Open(config.data_dir + "/tuf", "", *parts.clock);
  const tuf::TargetEntry* entry = trust.ok() ? (*trust)->FindImage(image.sha256) : nullptr;
  if (entry) {
    out.signed_image = true;
    image.version = entry->custom["version"].AsString();
    image.rollback_index = static_cast<uint32_t>(entry->custom["rollback_index"].AsInteger());
  }
  if (image.version.empty()) return Refuse(kUsage, "--image-version is needed");

  Journal journal(std::move(parts.journal));
  const Status loaded = journal.Load();
  if (!loaded.ok()) return Refuse(kJournal, loaded.error());
  AgentState state = journal.state();
  if (state.phase != Phase::kIdle) return Refuse(kJournal, "an update is under way");
  const SlotImage& before = state.slot(input.slot, component);
  out.changed = !before.known || before.sha256 != image.sha256 || before.version != image.version ||
                before.length_bytes != image.length_bytes || before.rollback_index != image.rollback_index;
  state.slot(input.slot, component) = image;
  const Status saved = out.changed ? journal.Save(state) : Ok();
  if (!saved.ok()) return Refuse(kJournal, saved.error());

  if (component != 0) return std::nullopt;
  BootControl boot(std::move(parts.boot_record));
  const auto read = boot.Read();
  Status made = read.ok() ? Ok() : Status(read.error());
  if (made.ok() && !read->found) made = boot.Factory(input.slot, image.version, image.rollback_index, 0);
  if (!made.ok()) return Refuse(kBootRecord, made.error());
  return std::nullopt;
}

}  // namespace till::device
