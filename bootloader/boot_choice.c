#include "bootloader/boot_choice.h"

#ifdef __UBOOT__
#include <linux/string.h>
#else
#include <string.h>
#endif

static void read_copies(const struct till_boot_port* port, struct till_boot_copies* out) {
  uint8_t bytes[2][TILL_BOOT_RECORD_BYTES];
  for (int copy = 0; copy < 2; copy++) {
    if (port->read_copy(port->context, copy, bytes[copy]) != 0) memset(bytes[copy], 0xff, sizeof(bytes[copy]));
  }
  till_boot_read(bytes[0], bytes[1], out);
  if (!out->found || !port->program_again) return;
  /* A failure is no news: the bytes read well just now, and the next write goes elsewhere. */
  port->program_again(port->context, out->copy, bytes[out->copy]);
}

/* Writes `next`; on success `read` says what stands on flash now. */
static int write_record(const struct till_boot_port* port, struct till_boot_copies* read,
                        const struct till_boot_record* next, uint8_t slot) {
  struct till_boot_write write;
  till_boot_plan_write(read, next, &write);
  if (port->write_copy(port->context, write.copy, write.bytes) != 0 || !till_boot_decode(write.bytes, &read->record)) {
    read->valid[write.copy] = 0;
    port->say(port->context, TILL_BOOT_EVENT_UNWRITABLE, slot, TILL_BOOT_REASON_NONE);
    return 0;
  }
  read->valid[write.copy] = 1;
  read->copy = write.copy;
  read->found = 1;
  return 1;
}

static void rebuild(const struct till_boot_port* port, struct till_boot_copies* read) {
  int good[TILL_BOOT_SLOTS];
  uint32_t index[TILL_BOOT_SLOTS] = {0};
  struct till_boot_record record;
  for (uint8_t slot = 0; slot < TILL_BOOT_SLOTS; slot++) {
    good[slot] = port->check_image(port->context, slot, 1, &index[slot]) == 0;
  }
  const int made = till_boot_rebuild(&record, good, index) && write_record(port, read, &record, record.stable);
  port->say(port->context, made ? TILL_BOOT_EVENT_REBUILT : TILL_BOOT_EVENT_NO_RECORD, TILL_BOOT_NO_SLOT,
            TILL_BOOT_REASON_NONE);
}

/* Writes what the decision changed. A trial that cannot be counted is not run. */
static void settle(const struct till_boot_port* port, struct till_boot_copies* read,
                   struct till_boot_decision* decision) {
  if (!decision->changed) return;
  decision->changed = 0;
  const int written = write_record(port, read, &decision->record, decision->slot);
  if (written) decision->record = read->record;
  if (written || !decision->trial) return;
  port->say(port->context, TILL_BOOT_EVENT_UNCOUNTED, decision->slot, TILL_BOOT_REASON_NONE);
  decision->slot = decision->record.stable;
  decision->trial = 0;
}

/* The reason not to boot the slot, or TILL_BOOT_REASON_NONE. */
static uint8_t check(const struct till_boot_port* port, const struct till_boot_copies* read,
                     const struct till_boot_decision* decision) {
  uint32_t index = 0;
  if (port->check_image(port->context, decision->slot, decision->trial || port->hash_stable, &index) != 0) {
    return TILL_BOOT_REASON_IMAGE;
  }
  if (!read->found) return TILL_BOOT_REASON_NONE;
  /* The signed index has the last word over what the running system wrote into the record: an image older than the
   * record says would let the floor rise above it at its confirmation. */
  const struct till_boot_record* r = &decision->record;
  if (index < r->floor || index < r->slots[decision->slot].rollback_index) return TILL_BOOT_REASON_FLOOR;
  return TILL_BOOT_REASON_NONE;
}

int till_boot_choose(const struct till_boot_port* port, struct till_boot_decision* out) {
  struct till_boot_copies read;
  read_copies(port, &read);
  if (!read.found) {
    rebuild(port, &read);
  }
  if (read.found && !(read.valid[0] && read.valid[1])) {
    /* It must not become valid again by itself, and the record must not hang on one copy. */
    if (write_record(port, &read, &read.record, read.record.stable)) {
      port->say(port->context, TILL_BOOT_EVENT_HEALED, read.record.stable, TILL_BOOT_REASON_NONE);
    }
  }
  till_boot_decide(&read, out);
  settle(port, &read, out);
  while (out->slot != TILL_BOOT_NO_SLOT) { /* every rejection takes a slot out, so this ends */
    struct till_boot_decision next;
    const uint8_t reason = check(port, &read, out);
    if (reason == TILL_BOOT_REASON_NONE) {
      port->say(port->context, TILL_BOOT_EVENT_CHOSEN, out->slot, reason);
      return 1;
    }
    port->say(port->context, TILL_BOOT_EVENT_REJECTED, out->slot, reason);
    till_boot_reject(out, reason, &next);
    *out = next;
    settle(port, &read, out);
  }
  port->say(port->context, TILL_BOOT_EVENT_NOTHING_LEFT, TILL_BOOT_NO_SLOT, TILL_BOOT_REASON_NONE);
  return 0;
}
