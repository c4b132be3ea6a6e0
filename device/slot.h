// A place for one image. Reading is allowed always, writing only to the slot that does not run: only OpenSpareSlot()
// hands out something writable, and it refuses the running one by its device and inode, not by its name.
//   Writes are sequential from where BeginAt() says (erase just ahead is the kind's own affair); Sync() makes what was
//   written durable. The image lies at the start; what follows it in the slot means nothing.
//   Errors: kIo, kLimit (no space, or past the slot's end), kRefused (the running slot). One thread at a time.
#pragma once

#include <memory>
#include <string>

#include "core/io.h"

namespace till::device {

class Slot : public Source {
 public:
  virtual Status BeginAt(uint64_t offset_bytes) = 0;
  virtual Status Write(ByteView bytes) = 0;
  virtual Status Sync() = 0;
  // Makes the slot unbootable and leaves nothing of a rejected image's start behind.
  virtual Status Erase() = 0;
};

Result<std::unique_ptr<Source>> OpenSlotForReading(const std::string& path);
// A file or block device of fixed size. `running` is the path of the slot that runs.
Result<std::unique_ptr<Slot>> OpenSpareSlot(const std::string& path, const std::string& running);

}  // namespace till::device
