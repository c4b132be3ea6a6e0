// A slot in a file or a block device (eMMC, SD): written in place through the page cache, durable by fdatasync.
#pragma once

#include "core/file.h"
#include "device/slots/slot.h"

namespace till::device {

// Device nodes have no size in stat(): seek tells it for both kinds.
Result<uint64_t> EndOfDevice(int fd);
Result<std::unique_ptr<Slot>> MakeFileSlot(UniqueFd fd);

}  // namespace till::device
