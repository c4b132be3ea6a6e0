/* One boot, from the two copies of the record to the slot that may be jumped into. The same file in U-Boot (behind the
 * till_boot command), in till-boot and in the host tests; flash and images stand behind struct till_boot_port.
 *   Order: read; make what was read hold (a copy left marginal by a cut is programmed again, an invalid copy is written
 *   anew, a lost record is rebuilt from what the slots hold); decide; write what the decision changed; check the
 *   image; on a bad one go on with the next. bootloader/model/boot_state.pml says why each step is there.
 *   C11, no allocation, no libc beyond memcpy/memset. One call per boot; the caller owns everything behind the port. */
#ifndef TILL_BOOTLOADER_BOOT_CHOICE_H_
#define TILL_BOOTLOADER_BOOT_CHOICE_H_

#include "bootloader/boot_state.h"

#ifdef __cplusplus
extern "C" {
#endif

enum till_boot_event {
  TILL_BOOT_EVENT_HEALED,      /* an invalid copy was written anew */
  TILL_BOOT_EVENT_REBUILT,     /* no copy was valid: a record by what the slots hold */
  TILL_BOOT_EVENT_NO_RECORD,   /* no copy is valid and none could be made: slot 0, then 1, as the checks let them */
  TILL_BOOT_EVENT_UNWRITABLE,  /* a write failed or did not read back */
  TILL_BOOT_EVENT_UNCOUNTED,   /* so the trial is not run: the stable slot is chosen */
  TILL_BOOT_EVENT_REJECTED,    /* `slot` for `reason` */
  TILL_BOOT_EVENT_CHOSEN,      /* `slot` */
  TILL_BOOT_EVENT_NOTHING_LEFT /* no slot may be booted */
};

/* All answer 0 for success. */
struct till_boot_port {
  void* context;
  int (*read_copy)(void* context, int copy, uint8_t out[TILL_BOOT_RECORD_BYTES]);
  /* Erases where that is needed, writes, reads back and compares. Touches nothing of the other copy. */
  int (*write_copy)(void* context, int copy, const uint8_t bytes[TILL_BOOT_RECORD_BYTES]);
  /* Raw flash: programs the bytes that were read over themselves, without erasing. Null for media whose controller
   * answers for what it read once. */
  int (*program_again)(void* context, int copy, const uint8_t bytes[TILL_BOOT_RECORD_BYTES]);
  /* Signature and hash of the slot's image, `whole`: of all it vouches for; its signed rollback index. */
  int (*check_image)(void* context, uint8_t slot, int whole, uint32_t* rollback_index);
  void (*say)(void* context, enum till_boot_event event, uint8_t slot, uint8_t reason);
  int hash_stable; /* stable boots check the whole image too, as trials always do */
};

/* Answers 1 with the slot to jump into, or 0: nothing may be booted. `out->record` is what stands on flash now. */
int till_boot_choose(const struct till_boot_port* port, struct till_boot_decision* out);

#ifdef __cplusplus
}
#endif

#endif /* TILL_BOOTLOADER_BOOT_CHOICE_H_ */
