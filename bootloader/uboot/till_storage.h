/* Where the record and the slots lie, as the control device tree says ("tillrace,boot"), and how to reach them: an MTD
 * device (raw NOR) or a block device. Everything is read within what the tree gave; offsets and sizes are bytes below
 * 4 GiB. All answer 0 or a negative errno. */
#ifndef TILL_STORAGE_H_
#define TILL_STORAGE_H_

#include <linux/types.h>

#include "bootloader/boot_state.h"

struct till_storage {
  void* mtd;         /* struct mtd_info*, or null */
  void* block;       /* struct blk_desc*, or null */
  u32 record[2];     /* offset of each copy: on MTD the start of an erase sector of its own */
  u32 slot[2];       /* offset of each slot */
  u32 slot_bytes;    /* of each */
  u32 fit_bytes_max; /* what the load address has room for */
  ulong load_address;
  u32 watchdog_ms; /* 0: no watchdog */
  int hash_stable;
};

int till_storage_open(struct till_storage* out);
int till_storage_read(const struct till_storage* storage, u32 offset, u32 count, void* out);
/* Erases the copy's sector (MTD), writes, reads back. */
int till_storage_write_record(const struct till_storage* storage, int copy, const u8 bytes[TILL_BOOT_RECORD_BYTES]);
/* NOR: programs without erasing. -ENOSYS elsewhere. */
int till_storage_program_again(const struct till_storage* storage, int copy, const u8 bytes[TILL_BOOT_RECORD_BYTES]);

#endif /* TILL_STORAGE_H_ */
