// Which kind of slot a path leads to, and whether it may be written.
#include <fcntl.h>

#include "core/file.h"
#include "device/slots/device_name.h"
#include "device/slots/file_slot.h"
#include "device/slots/flash_slot.h"
#include "device/slots/mtd.h"
#include "device/slots/ubi_slot.h"

namespace till::device {
namespace {

class PathSlots final : public SlotBank {
 public:
  PathSlots(std::string path_a, std::string path_b) : paths_{std::move(path_a), std::move(path_b)} {}
  Result<std::unique_ptr<Source>> OpenForReading(SlotId slot) override { return OpenSlotForReading(Path(slot)); }
  Result<std::unique_ptr<Slot>> OpenSpare(SlotId spare, SlotId running) override {
    return OpenSpareSlot(Path(spare), Path(running));
  }

 private:
  const std::string& Path(SlotId slot) const { return paths_[static_cast<size_t>(slot)]; }
  const std::string paths_[2];
};

bool SameStorage(const struct stat& one, const struct stat& other) {
  if (one.st_dev == other.st_dev && one.st_ino == other.st_ino) return true;
  const bool nodes = !S_ISREG(one.st_mode) && !S_ISREG(other.st_mode);
  if (nodes && (one.st_mode & S_IFMT) == (other.st_mode & S_IFMT) && one.st_rdev == other.st_rdev) return true;
  const std::string storage = NameNode(one).storage;
  return !storage.empty() && storage == NameNode(other).storage;
}

template <typename T>
Result<std::unique_ptr<T>> OpenMtdSlot(UniqueFd fd) {
  return std::unique_ptr<T>(TILL_TRY(FlashSlot::Open(TILL_TRY(OpenMtd(std::move(fd))))));
}

}  // namespace

Result<std::unique_ptr<Source>> OpenSlotForReading(const std::string& path) {
  UniqueFd fd = TILL_TRY(OpenFile(path, O_RDONLY));
  struct stat node;
  if (fstat(fd.get(), &node) != 0) return SystemError("cannot look at the slot");
  if (NameNode(node).kind == NodeKind::kMtd) return OpenMtdSlot<Source>(std::move(fd));
  const uint64_t size_bytes = TILL_TRY(EndOfDevice(fd.get()));
  return std::unique_ptr<Source>(std::make_unique<FileSource>(std::move(fd), size_bytes));
}

Result<std::unique_ptr<Slot>> OpenSpareSlot(const std::string& path, const std::string& running) {
  struct stat running_node, spare_node;
  if (stat(running.c_str(), &running_node) != 0) return SystemError("cannot find the running slot");
  UniqueFd fd = TILL_TRY(OpenFile(path, O_RDWR));
  if (fstat(fd.get(), &spare_node) != 0) return SystemError("cannot look at the spare slot");
  if (SameStorage(spare_node, running_node)) return Error{ErrorCode::kRefused, "this is the running slot"};
  switch (NameNode(spare_node).kind) {
    case NodeKind::kFile:
    case NodeKind::kBlock:
      return MakeFileSlot(std::move(fd));
    case NodeKind::kMtd:
      return OpenMtdSlot<Slot>(std::move(fd));
    case NodeKind::kUbi: {
      const uint64_t size_bytes = TILL_TRY(EndOfDevice(fd.get()));
      return MakeUbiSlot(std::move(fd), size_bytes);
    }
    case NodeKind::kOther:
      break;
  }
  return Error{ErrorCode::kUnsupported, "a slot is a file, a block device, an MTD or a UBI volume"};
}

std::unique_ptr<SlotBank> SlotsAt(std::string path_a, std::string path_b) {
  return std::make_unique<PathSlots>(std::move(path_a), std::move(path_b));
}

}  // namespace till::device
