// Raw flash as the slots, the boot record and the journal need it: one partition, addressed from its start.
//   Erase sets every bit of one erase block; Program only clears bits, within one erase block, in whole program units;
//   Read gives what is there. Two stand behind it: MTD (mtd.h) and the NOR simulator of the tests, which is cut at
//   every operation (tests/power/nor_sim.h).
//   Errors: kIo; kCorrupt when flash reports bits it could not mend. Thread rule: one thread at a time.
#pragma once

#include <cstdint>

#include "core/bytes.h"
#include "core/result.h"

namespace till::device {

struct FlashGeometry {
  uint64_t size_bytes = 0;
  uint32_t erase_bytes = 64 * 1024;
  uint32_t program_bytes = 1;   // 1 on NOR, a page on NAND
  bool bit_writeable = true;    // programming the same bytes again is harmless (NOR without its own ECC)
  bool has_bad_blocks = false;  // NAND
};

class FlashDevice {
 public:
  virtual ~FlashDevice() = default;
  virtual const FlashGeometry& geometry() const = 0;
  virtual Status Erase(uint64_t block_offset) = 0;
  virtual Status Program(uint64_t offset, ByteView bytes) = 0;
  virtual Status Read(uint64_t offset, MutableByteView out) = 0;
  virtual Result<bool> IsBad(uint64_t block_offset) = 0;  // false without has_bad_blocks
  virtual Status MarkBad(uint64_t block_offset) = 0;
};

}  // namespace till::device
