// The boot record in a file or device node: two copies, TILL_BOOT_COPY_STRIDE_BYTES apart. For the programs of this
// folder; tilld has its own (device/boot_control.h), whose writes the fault tests can stop.
//   Errors: kNotFound, kIo, kLimit (opening, reading, writing); kCorrupt when a write does not read back.
#pragma once

#include <string>

#include "bootloader/boot_state.h"
#include "core/result.h"

namespace till::bootloader {

Result<till_boot_copies> ReadStateFile(const std::string& path);
// Writes `next` over the copy that `read` does not use, makes it durable and reads it back.
Status WriteStateFile(const std::string& path, const till_boot_copies& read, const till_boot_record& next);
// Makes the file (both copies empty) when it is missing.
Status CreateStateFile(const std::string& path);

// "a", "b", or "-" for none; and back (TILL_BOOT_NO_SLOT when the text names no slot).
const char* SlotName(uint8_t slot);
uint8_t SlotFromName(const char* text);
// "tries used up", ...
const char* ReasonText(uint8_t reason);

}  // namespace till::bootloader
