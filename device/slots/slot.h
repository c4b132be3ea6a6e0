// A place for one image. Reading is allowed always, writing only to the slot that does not run: only SlotBank hands out
// something writable, and it refuses the running one by its device, not by its name.
//   Kinds: a file, a block device (eMMC, SD), raw flash (NOR, NAND: flash_slot.h) and a UBI volume (ubi_slot.h).
//   Writes are sequential from where BeginAt() says; erasing just ahead is the kind's own affair. Sync() makes durable
//   what it can, and durable_end() says beforehand how far that will be. The image lies at the start; what follows it
//   in the slot means nothing.
//   Errors: kIo, kLimit (no space, or past the slot's end), kRefused (the running slot), kCorrupt (does not read back),
//   kUnsupported (no kind we know). One thread at a time.
#pragma once

#include <memory>
#include <string>

#include "core/io.h"
#include "device/boot_control.h"

namespace till::device {

class Slot : public Source {
 public:
  // The next Write() goes to `offset_bytes`; the image will have `image_bytes` in all. After a power cut the bytes
  // that follow must be those that came there before it: on NOR flash what was half written is written over.
  virtual Status BeginAt(uint64_t offset_bytes, uint64_t image_bytes) = 0;
  virtual Status Write(ByteView bytes) = 0;
  virtual Status Sync() = 0;
  // How much of the image a Sync() now would leave behind: what was written, or less where storage takes whole pages.
  virtual uint64_t durable_end() const = 0;
  // Whether ReadAt() answers what was written before the image is whole.
  virtual bool reads_back() const { return true; }
  // Makes the slot unbootable and leaves nothing of a rejected image's start behind.
  virtual Status Erase() = 0;
};

// The two slots of a terminal.
class SlotBank {
 public:
  virtual ~SlotBank() = default;
  virtual Result<std::unique_ptr<Source>> OpenForReading(SlotId slot) = 0;
  // `running` is the slot that runs; refused when `spare` leads to the same storage.
  virtual Result<std::unique_ptr<Slot>> OpenSpare(SlotId spare, SlotId running) = 0;
};

Result<std::unique_ptr<Source>> OpenSlotForReading(const std::string& path);
// `running` is the path of the slot that runs. The kind is found from what `path` is.
Result<std::unique_ptr<Slot>> OpenSpareSlot(const std::string& path, const std::string& running);
std::unique_ptr<SlotBank> SlotsAt(std::string path_a, std::string path_b);

}  // namespace till::device
