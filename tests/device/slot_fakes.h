// Drivers for slots where no flash is: MTD over the NOR simulator, MTD as NAND (whole pages once per erase, bad
// blocks), and a UBI volume. They answer system calls as the kernel's do (linux 6.1: drivers/mtd/mtdchar.c,
// drivers/mtd/ubi/cdev.c). One of each at a time: the calls are plain functions.
#pragma once

#include <set>

#include "device/slots/mtd.h"
#include "device/slots/ubi_slot.h"
#include "tests/power/nor_sim.h"

namespace till::device {

// What stands behind the MTD calls.
struct FakeMtd {
  power::NorChip* chip = nullptr;
  uint32_t page_bytes = 1;  // above 1: NAND
  uint64_t size_bytes = 0;
  std::set<uint64_t> bad_blocks;
  std::set<uint64_t> dying_blocks;  // erasing or programming them fails
  std::set<uint64_t> programmed;    // NAND pages since their erase
  bool interrupted = false;         // every other call is EINTR first
  uint64_t fail_at = 0;             // the n-th write or erase is EIO
  uint64_t calls = 0;
};
FakeMtd& TheFakeMtd();
const MtdCalls& FakeMtdCalls();

struct FakeUbi {
  Bytes volume;
  bool updating = false;  // from the start of an update to its last byte: not readable
  uint64_t wanted = 0, taken = 0;
  uint64_t fail_at = 0;
  uint64_t calls = 0;
  size_t most_per_write = 5000;  // short writes
};
FakeUbi& TheFakeUbi();
const UbiCalls& FakeUbiCalls();

}  // namespace till::device
