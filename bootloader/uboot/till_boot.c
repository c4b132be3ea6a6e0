/* The command. `till_boot` chooses and boots, `till_boot select` stops before the jump, `till_boot show` only reads. */
#include <command.h>
#include <common.h>
#include <env.h>
#include <stdio.h>

#include "bootloader/boot_choice.h"
#include "bootloader/uboot/till_image.h"
#include "bootloader/uboot/till_watchdog.h"

static struct till_storage storage;
static struct till_image image;

static char letter(u8 slot) { return slot < TILL_BOOT_SLOTS ? 'a' + slot : '-'; }

static int read_copy(void* context, int copy, uint8_t out[TILL_BOOT_RECORD_BYTES]) {
  return till_storage_read(context, storage.record[copy], TILL_BOOT_RECORD_BYTES, out);
}

static int write_copy(void* context, int copy, const uint8_t bytes[TILL_BOOT_RECORD_BYTES]) {
  return till_storage_write_record(context, copy, bytes);
}

static int program_again(void* context, int copy, const uint8_t bytes[TILL_BOOT_RECORD_BYTES]) {
  return till_storage_program_again(context, copy, bytes);
}

static int check_image(void* context, uint8_t slot, int whole, uint32_t* rollback_index) {
  const int error = till_image_check(context, slot, whole, &image);
  *rollback_index = image.rollback_index;
  return error;
}

static void say(void* context, enum till_boot_event event, uint8_t slot, uint8_t reason) {
  static const char* const kReasons[] = {"none", "tries used up", "health", "image", "floor", "operator"};
  switch (event) {
    case TILL_BOOT_EVENT_HEALED:
      printf("till_boot: an invalid copy of the record was written anew\n");
      break;
    case TILL_BOOT_EVENT_REBUILT:
      printf("till_boot: no valid record: rebuilt from the slots\n");
      break;
    case TILL_BOOT_EVENT_NO_RECORD:
      printf("till_boot: no valid record\n");
      break;
    case TILL_BOOT_EVENT_UNWRITABLE:
      printf("till_boot: the record cannot be written\n");
      break;
    case TILL_BOOT_EVENT_UNCOUNTED:
      printf("till_boot: slot %c cannot be counted and is not tried\n", letter(slot));
      break;
    case TILL_BOOT_EVENT_REJECTED:
      printf("till_boot: slot %c rejected: %s\n", letter(slot), kReasons[reason]);
      break;
    case TILL_BOOT_EVENT_CHOSEN:
      break;
    case TILL_BOOT_EVENT_NOTHING_LEFT:
      printf("till_boot: no slot may be booted (T6004)\n");
      break;
  }
}

/* The kernel learns which slot runs; what the signed configuration says of arguments comes first. */
static int set_arguments(const struct till_boot_decision* decision) {
  char text[1024];
  const char* own = image.bootargs ? image.bootargs : "";
  const int length =
      snprintf(text, sizeof(text), "%s%stillrace.slot=%c tillrace.trial=%d tillrace.rootfs=%u,%u", own, *own ? " " : "",
               letter(decision->slot), decision->trial, image.rootfs_offset, image.rootfs_bytes);
  if (length < 0 || length >= (int)sizeof(text)) return -E2BIG;
  return env_set("bootargs", text);
}

static int choose(struct till_boot_decision* decision) {
  const struct till_boot_port port = {.context = &storage,
                                      .read_copy = read_copy,
                                      .write_copy = write_copy,
                                      .program_again = program_again,
                                      .check_image = check_image,
                                      .say = say,
                                      .hash_stable = storage.hash_stable};
  if (!till_boot_choose(&port, decision)) return CMD_RET_FAILURE;
  const struct till_boot_record* r = &decision->record;
  printf("till_boot: slot %c chosen: %s, tries left %u, failed %c, floor %u, index %u\n", letter(decision->slot),
         decision->trial ? "trial" : "stable", r->tries_left, letter(r->failed), r->floor, image.rollback_index);
  return set_arguments(decision) == 0 ? CMD_RET_SUCCESS : CMD_RET_FAILURE;
}

static void show(void) {
  u8 bytes[2][TILL_BOOT_RECORD_BYTES];
  struct till_boot_copies read;
  for (int copy = 0; copy < 2; copy++) {
    if (read_copy(&storage, copy, bytes[copy]) != 0) memset(bytes[copy], 0xff, sizeof(bytes[copy]));
  }
  till_boot_read(bytes[0], bytes[1], &read);
  printf("copies %s, %s\n", read.valid[0] ? "valid" : "invalid", read.valid[1] ? "valid" : "invalid");
  if (!read.found) return;
  printf("record %u: stable %c, trial %c, tries left %u, failed %c, floor %u\n", read.record.seq,
         letter(read.record.stable), letter(read.record.trial), read.record.tries_left, letter(read.record.failed),
         read.record.floor);
}

static int boot(const struct till_boot_decision* decision) {
  char command[32];
  if (storage.watchdog_ms != 0 && till_watchdog_start(storage.watchdog_ms) == 0) {
    printf("till_boot: watchdog runs, %u ms\n", storage.watchdog_ms);
  } else {
    printf("till_boot: no watchdog\n");
  }
  snprintf(command, sizeof(command), "bootm %lx", storage.load_address);
  return run_command(command, 0);
}

static int do_till_boot(struct cmd_tbl* table, int flag, int argc, char* const argv[]) {
  struct till_boot_decision decision;
  const int error = till_storage_open(&storage);
  if (error != 0) {
    printf("till_boot: the storage of the device tree cannot be used (%d)\n", error);
    return CMD_RET_FAILURE;
  }
  const char* what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "show") == 0) {
    show();
    return CMD_RET_SUCCESS;
  }
  if (*what && strcmp(what, "select") != 0) return CMD_RET_USAGE;
  const int chosen = choose(&decision);
  return chosen != CMD_RET_SUCCESS || *what ? chosen : boot(&decision);
}

U_BOOT_CMD(till_boot, 2, 0, do_till_boot, "boot one of two slots, as the record and the signatures allow",
           "        - choose, count, check and boot\n"
           "till_boot select - the same without the jump\n"
           "till_boot show   - print the record");
