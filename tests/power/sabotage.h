// Faults put into the machinery on purpose: the proof that the power-cut proof can fail (tests/power/README.md).
//   "newer-first"    the boot record is written over the copy that counts
//   "one-copy"       both copies of a record are one place
//   "early-durable"  a slot calls durable what it still holds in memory
//   "lying-slot"     a slot stores another bit and reads back what it was given: the boot code must find it
//   "blind-boot"     the same, and the boot code checks nothing
//   "wrong-slot"     the agent writes the slot that runs
//   "uncounted"      the boot code does not write down that it tries
#pragma once

#include <memory>
#include <string>

#include "device/record_file.h"
#include "device/slots/slot.h"

namespace till::power {

struct Site;

std::unique_ptr<device::RecordFile> SabotagedRecords(const Site& site, std::unique_ptr<device::RecordFile> next);
std::unique_ptr<device::Slot> SabotagedSlot(const Site& site, std::unique_ptr<device::Slot> next);
// The source itself, or one that tells what should stand in the spare slot.
std::unique_ptr<Source> SabotagedSource(const Site& site, unsigned slot, std::unique_ptr<Source> next);

}  // namespace till::power
