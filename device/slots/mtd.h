// An MTD partition as a FlashDevice: thin over the ioctls of <mtd/mtd-user.h>. 4-byte addressing of chips above 16 MiB,
// ECC and page cutting are the driver's. The system calls stand behind MtdCalls, so that a test can be the driver.
//   Errors: kIo (errno); kUnsupported for a device whose geometry cannot be read.
#pragma once

#include <sys/types.h>

#include <memory>

#include "core/file.h"
#include "device/slots/flash_device.h"

namespace till::device {

// As the system's own, errno included.
struct MtdCalls {
  int (*ioctl)(int fd, unsigned long request, void* argument);
  ssize_t (*pread)(int fd, void* out, size_t count, off_t offset);
  ssize_t (*pwrite)(int fd, const void* bytes, size_t count, off_t offset);
};
const MtdCalls& SystemMtdCalls();

Result<std::unique_ptr<FlashDevice>> OpenMtd(UniqueFd fd, const MtdCalls& calls = SystemMtdCalls());

}  // namespace till::device
