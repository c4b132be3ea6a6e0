/* The boot state: one 64-byte record in two copies, and the machine that moves it.
 *   Compiled unchanged into U-Boot, tilld, till-boot, till-bootctl and the tests: C11, no allocation, no libc beyond
 *   memcpy/memset/memcmp, no I/O. Whoever calls owns the flash: it reads both copies, asks here what to do, writes the
 *   64 bytes it is told over the copy it is told (never the other), and reads them back.
 *   Reading chooses the valid record with the newer sequence number (serial arithmetic, so that it may wrap); writing
 *   always takes the other copy. So a write torn anywhere leaves the state before it or the state after it.
 *   Layout and states: docs/formats/boot-state.md. Thread rule: pure functions. */
#ifndef TILL_BOOTLOADER_BOOT_STATE_H_
#define TILL_BOOTLOADER_BOOT_STATE_H_

#ifdef __UBOOT__
#include <linux/types.h>
#else
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define TILL_BOOT_RECORD_BYTES 64u
#define TILL_BOOT_COPY_STRIDE_BYTES 4096u /* in a file: copy 1 starts here (on flash: its own erase sector) */
#define TILL_BOOT_SLOTS 2u
#define TILL_BOOT_NO_SLOT 0xffu
#define TILL_BOOT_DEFAULT_TRIES 3u
#define TILL_BOOT_MAX_TRIES 15u
#define TILL_BOOT_VERSION_BYTES 12u

enum till_boot_reason {
  TILL_BOOT_REASON_NONE = 0,
  TILL_BOOT_REASON_TRIES = 1,    /* booted as often as allowed and never confirmed */
  TILL_BOOT_REASON_HEALTH = 2,   /* the agent's health checks failed */
  TILL_BOOT_REASON_IMAGE = 3,    /* the slot's hash, signature or form is wrong */
  TILL_BOOT_REASON_FLOOR = 4,    /* its rollback index is below the floor */
  TILL_BOOT_REASON_OPERATOR = 5, /* marked by hand */
  TILL_BOOT_REASON_COUNT
};

struct till_boot_slot {
  uint32_t rollback_index;
  char version[TILL_BOOT_VERSION_BYTES]; /* the start of its text, zero padded: for people, nothing decides by it */
};

struct till_boot_record {
  uint32_t seq;
  uint8_t stable;        /* the slot that is confirmed and chosen outside a trial */
  uint8_t trial;         /* the slot on trial, or TILL_BOOT_NO_SLOT: never equal to stable */
  uint8_t tries_left;    /* boots the trial slot still has; 0 outside a trial */
  uint8_t confirmed;     /* bit per slot: holds an image that was confirmed and has not been touched since */
  uint8_t failed;        /* the slot whose trial failed last, or TILL_BOOT_NO_SLOT */
  uint8_t failed_reason; /* enum till_boot_reason */
  uint32_t floor;        /* no slot with a lower rollback index is booted; never above the stable slot's */
  struct till_boot_slot slots[TILL_BOOT_SLOTS];
};

/* What reading two copies found. */
struct till_boot_copies {
  int valid[2]; /* per copy */
  int found;    /* 0: no copy is valid, `record` is all zero */
  int copy;     /* the copy `record` came from */
  struct till_boot_record record;
};

/* What to write where. */
struct till_boot_write {
  int copy;
  uint8_t bytes[TILL_BOOT_RECORD_BYTES];
};

struct till_boot_decision {
  uint8_t slot;    /* the slot to boot, or TILL_BOOT_NO_SLOT */
  uint8_t changed; /* `record` differs from what was read: write it BEFORE jumping into the slot */
  uint8_t trial;   /* this is a trial boot */
  struct till_boot_record record;
};

uint32_t till_boot_crc32(const uint8_t* bytes, size_t count); /* CRC-32/ISO-HDLC, as zlib's */

/* 1 when every field is lawful and they agree with each other. */
int till_boot_record_ok(const struct till_boot_record* record);
void till_boot_encode(const struct till_boot_record* record, uint8_t out[TILL_BOOT_RECORD_BYTES]);
/* 1 when the bytes are one canonical record: encode(decode(b)) == b. */
int till_boot_decode(const uint8_t bytes[TILL_BOOT_RECORD_BYTES], struct till_boot_record* out);

void till_boot_read(const uint8_t copy0[TILL_BOOT_RECORD_BYTES], const uint8_t copy1[TILL_BOOT_RECORD_BYTES],
                    struct till_boot_copies* out);
/* The next write after `read`, with the sequence number raised: always over the copy not in use. */
void till_boot_plan_write(const struct till_boot_copies* read, const struct till_boot_record* next,
                          struct till_boot_write* out);

/* --- Transitions. Each answers 1 and changes `record`, or 0 and leaves it as it was. --- */

/* A fresh record: `slot` is stable, its image confirmed, the other slot empty. */
int till_boot_factory(struct till_boot_record* record, uint8_t slot, const char* version, uint32_t rollback_index,
                      uint32_t floor);
/* `slot` is about to be written: from now on nothing may fall back to it. Refused for the stable slot and in a trial.
 */
int till_boot_withdraw(struct till_boot_record* record, uint8_t slot);
/* The spare slot is written and verified: try it. Refused in a trial, for the stable slot, and below the floor. */
int till_boot_begin_trial(struct till_boot_record* record, uint8_t slot, const char* version, uint32_t rollback_index,
                          uint8_t tries);
/* The slot on trial is good: it becomes stable, the floor rises to `signed_floor` but never above its own index. */
int till_boot_confirm(struct till_boot_record* record, uint8_t slot, uint32_t signed_floor);
/* The slot on trial is bad: back to the stable one. */
int till_boot_mark_failed(struct till_boot_record* record, uint8_t slot, uint8_t reason);

/* --- The boot code's choice. --- */

/* Which slot to boot, and the record that must be on flash first. Only a trial changes anything. With no valid record
 * the answer is slot 0, unchanged: the boot code's own image check has the last word then. */
void till_boot_decide(const struct till_boot_copies* read, struct till_boot_decision* out);
/* The slot just chosen failed the boot code's check of its image: what now? After a trial the stable slot; after the
 * stable slot the other one, if it was confirmed and is not below the floor; else TILL_BOOT_NO_SLOT. */
void till_boot_reject(const struct till_boot_decision* decision, uint8_t reason, struct till_boot_decision* out);

/* No copy is valid: a new record by what the slots hold (`good`: its image was verified just now, with this signed
 * index). Two good ones: slot 0 is tried and slot 1 kept, for nobody knows which of them is healthy. The floor is the
 * lesser index: more is not known. Refused when neither is good. */
int till_boot_rebuild(struct till_boot_record* record, const int good[TILL_BOOT_SLOTS],
                      const uint32_t rollback_index[TILL_BOOT_SLOTS]);

#ifdef __cplusplus
}
#endif

#endif /* TILL_BOOTLOADER_BOOT_STATE_H_ */
