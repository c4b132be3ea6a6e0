// Any 128 bytes as the two copies: the boot code's decision is sane, and what decodes encodes to the same bytes.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "bootloader/boot_state.h"

namespace {

void Check(bool holds) {
  if (!holds) abort();
}

void CheckDecision(const till_boot_copies& read) {
  till_boot_decision decision;
  till_boot_decide(&read, &decision);
  Check(decision.slot < TILL_BOOT_SLOTS);
  if (!read.found) {
    Check(decision.slot == 0 && !decision.changed);
    return;
  }
  Check(till_boot_record_ok(&decision.record) == 1);
  Check(decision.record.slots[decision.slot].rollback_index >= decision.record.floor);
  Check(decision.changed == (read.record.trial != TILL_BOOT_NO_SLOT));
  // However often a slot is rejected, it ends within two steps, and never below the floor.
  for (int steps = 0; decision.slot != TILL_BOOT_NO_SLOT; steps++) {
    Check(steps < 3);
    till_boot_decision next;
    till_boot_reject(&decision, TILL_BOOT_REASON_IMAGE, &next);
    Check(till_boot_record_ok(&next.record) == 1);
    if (next.slot != TILL_BOOT_NO_SLOT) {
      Check(next.record.slots[next.slot].rollback_index >= next.record.floor);
      Check((next.record.confirmed >> next.slot & 1) == 1);
    }
    decision = next;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint8_t copies[2][TILL_BOOT_RECORD_BYTES] = {};
  const size_t taken = size < sizeof(copies) ? size : sizeof(copies);
  if (taken > 0) memcpy(copies, data, taken);
  // Half of the inputs get their checksums mended, so that the fuzzer reaches what stands behind them.
  if (size > sizeof(copies) && data[sizeof(copies)] & 1) {
    for (auto& copy : copies) {
      const uint32_t crc = till_boot_crc32(copy, TILL_BOOT_RECORD_BYTES - 4);
      for (int i = 0; i < 4; i++) copy[TILL_BOOT_RECORD_BYTES - 4 + i] = static_cast<uint8_t>(crc >> 8 * i);
    }
  }
  for (const auto& copy : copies) {
    till_boot_record record;
    if (!till_boot_decode(copy, &record)) continue;
    uint8_t again[TILL_BOOT_RECORD_BYTES];
    till_boot_encode(&record, again);
    Check(memcmp(again, copy, sizeof(again)) == 0);
  }
  till_boot_copies read;
  till_boot_read(copies[0], copies[1], &read);
  CheckDecision(read);
  return 0;
}
