// CRC-32/ISO-HDLC, as zlib's and till_boot_crc32's, by a table of 1 KiB: the journal is checked at every start, and bit
// by bit that was a quarter of the time of a small installation.
#pragma once

#include "core/bytes.h"

namespace till::device {

uint32_t Crc32(ByteView bytes);

}  // namespace till::device
