// A slot in a UBI volume, replaced by UBI_IOCVOLUP: the volume is unreadable from the first byte of an update to its
// last, so an image is there whole or not at all. Wear and bad blocks are UBI's. Nothing is durable before the last
// byte: after a power cut the download begins anew.
//   The calls stand behind UbiCalls, so that a test can be the driver.
#pragma once

#include <sys/types.h>

#include <memory>

#include "core/file.h"
#include "device/slots/slot.h"

namespace till::device {

struct UbiCalls {
  int (*ioctl)(int fd, unsigned long request, void* argument);
  ssize_t (*write)(int fd, const void* bytes, size_t count);  // an update takes bytes in order, without an offset
  ssize_t (*pread)(int fd, void* out, size_t count, off_t offset);
};
const UbiCalls& SystemUbiCalls();

// `size_bytes`: what the volume can hold.
std::unique_ptr<Slot> MakeUbiSlot(UniqueFd fd, uint64_t size_bytes, const UbiCalls& calls = SystemUbiCalls());

}  // namespace till::device
