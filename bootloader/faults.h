// What can go wrong at boot, as a person meets it. One per line: tools/make_error_pages.py reads this.
#pragma once

#include "core/fault.h"

namespace till::bootloader {

// clang-format off
inline constexpr Fault kStateUnreadable{"T6001", "the boot record cannot be read", "give the file or device with --state; 'till-bootctl init' makes one"};
inline constexpr Fault kStateInvalid{"T6002", "neither copy of the boot record is valid", "tilld restores it at its next start; 'till-bootctl init' does it by hand"};
inline constexpr Fault kStateUnwritable{"T6003", "the boot record cannot be written", "check that the storage is writable and not worn out"};
inline constexpr Fault kNoBootableSlot{"T6004", "no slot holds a bootable image", "write an image into a slot from the recovery console"};
inline constexpr Fault kChangeRefused{"T6005", "the boot record does not allow this change", "see 'till-bootctl show': only the spare slot is tried, never below the floor"};
inline constexpr Fault kUsage{"T6006", "the command line is not understood", "see --help"};
// clang-format on

}  // namespace till::bootloader
