#include "bootloader/boot_state.h"

#ifdef __UBOOT__
#include <linux/string.h>
#else
#include <string.h>
#endif

/* Where each field stands; all numbers little endian. The CRC covers everything before it. */
enum {
  AT_MAGIC = 0,
  AT_VERSION = 4,
  AT_STABLE = 5,
  AT_TRIAL = 6,
  AT_TRIES = 7,
  AT_SEQ = 8,
  AT_CONFIRMED = 12,
  AT_FAILED = 13,
  AT_REASON = 14,
  AT_FLOOR = 16,
  AT_INDEX = 20, /* two of 4 bytes */
  AT_TEXT = 28,  /* two of 12 bytes */
  AT_RESERVED = 52,
  AT_CRC = 60
};

static const uint8_t kMagic[4] = {'T', 'L', 'B', 'S'};
static const uint8_t kLayoutVersion = 1;

static void put32(uint8_t* at, uint32_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
  at[2] = (uint8_t)(value >> 16);
  at[3] = (uint8_t)(value >> 24);
}

static uint32_t get32(const uint8_t* at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Bit by bit: 60 bytes at boot do not earn a table of 1 KiB in the boot loader. */
uint32_t till_boot_crc32(const uint8_t* bytes, size_t count) {
  uint32_t crc = 0xffffffffu;
  for (size_t i = 0; i < count; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
  }
  return ~crc;
}

static uint8_t bit_of(uint8_t slot) { return (uint8_t)(1u << slot); }
static uint8_t other_of(uint8_t slot) { return (uint8_t)(1u - slot); }

/* Printable ASCII, then only zeros. */
static int version_ok(const char* text) {
  int ended = 0;
  for (unsigned i = 0; i < TILL_BOOT_VERSION_BYTES; i++) {
    const char c = text[i];
    if (c == 0) {
      ended = 1;
    } else if (ended || c < 0x21 || c > 0x7e) {
      return 0;
    }
  }
  return 1;
}

static void set_version(struct till_boot_slot* slot, const char* version) {
  memset(slot->version, 0, sizeof(slot->version));
  for (unsigned i = 0; i < TILL_BOOT_VERSION_BYTES && version && version[i]; i++) {
    const char c = version[i];
    slot->version[i] = (char)((c < 0x21 || c > 0x7e) ? '?' : c);
  }
}

static int trial_ok(const struct till_boot_record* r) {
  if (r->trial == TILL_BOOT_NO_SLOT) return r->tries_left == 0;
  return r->trial == other_of(r->stable) && r->tries_left <= TILL_BOOT_MAX_TRIES &&
         !(r->confirmed & bit_of(r->trial)) && r->failed != r->trial;
}

static int failure_ok(const struct till_boot_record* r) {
  if (r->failed == TILL_BOOT_NO_SLOT) return r->failed_reason == TILL_BOOT_REASON_NONE;
  return r->failed == other_of(r->stable) && !(r->confirmed & bit_of(r->failed)) &&
         r->failed_reason != TILL_BOOT_REASON_NONE && r->failed_reason < TILL_BOOT_REASON_COUNT;
}

int till_boot_record_ok(const struct till_boot_record* r) {
  if (r->stable >= TILL_BOOT_SLOTS) return 0;
  if (r->confirmed >= 1u << TILL_BOOT_SLOTS || !(r->confirmed & bit_of(r->stable))) return 0;
  if (!trial_ok(r) || !failure_ok(r)) return 0;
  if (r->floor > r->slots[r->stable].rollback_index) return 0;
  for (unsigned i = 0; i < TILL_BOOT_SLOTS; i++) {
    if (!version_ok(r->slots[i].version)) return 0;
  }
  return 1;
}

void till_boot_encode(const struct till_boot_record* r, uint8_t out[TILL_BOOT_RECORD_BYTES]) {
  memset(out, 0, TILL_BOOT_RECORD_BYTES);
  memcpy(out + AT_MAGIC, kMagic, sizeof(kMagic));
  out[AT_VERSION] = kLayoutVersion;
  out[AT_STABLE] = r->stable;
  out[AT_TRIAL] = r->trial;
  out[AT_TRIES] = r->tries_left;
  put32(out + AT_SEQ, r->seq);
  out[AT_CONFIRMED] = r->confirmed;
  out[AT_FAILED] = r->failed;
  out[AT_REASON] = r->failed_reason;
  put32(out + AT_FLOOR, r->floor);
  for (unsigned i = 0; i < TILL_BOOT_SLOTS; i++) {
    put32(out + AT_INDEX + 4 * i, r->slots[i].rollback_index);
    memcpy(out + AT_TEXT + TILL_BOOT_VERSION_BYTES * i, r->slots[i].version, TILL_BOOT_VERSION_BYTES);
  }
  put32(out + AT_CRC, till_boot_crc32(out, AT_CRC));
}

int till_boot_decode(const uint8_t bytes[TILL_BOOT_RECORD_BYTES], struct till_boot_record* out) {
  memset(out, 0, sizeof(*out));
  if (memcmp(bytes + AT_MAGIC, kMagic, sizeof(kMagic)) != 0 || bytes[AT_VERSION] != kLayoutVersion) return 0;
  if (get32(bytes + AT_CRC) != till_boot_crc32(bytes, AT_CRC)) return 0;
  if (bytes[AT_REASON + 1] != 0) return 0;
  for (unsigned i = AT_RESERVED; i < AT_CRC; i++) {
    if (bytes[i] != 0) return 0;
  }
  struct till_boot_record r;
  memset(&r, 0, sizeof(r));
  r.seq = get32(bytes + AT_SEQ);
  r.stable = bytes[AT_STABLE];
  r.trial = bytes[AT_TRIAL];
  r.tries_left = bytes[AT_TRIES];
  r.confirmed = bytes[AT_CONFIRMED];
  r.failed = bytes[AT_FAILED];
  r.failed_reason = bytes[AT_REASON];
  r.floor = get32(bytes + AT_FLOOR);
  for (unsigned i = 0; i < TILL_BOOT_SLOTS; i++) {
    r.slots[i].rollback_index = get32(bytes + AT_INDEX + 4 * i);
    memcpy(r.slots[i].version, bytes + AT_TEXT + TILL_BOOT_VERSION_BYTES * i, TILL_BOOT_VERSION_BYTES);
  }
  if (!till_boot_record_ok(&r)) return 0;
  *out = r;
  return 1;
}

void till_boot_read(const uint8_t copy0[TILL_BOOT_RECORD_BYTES], const uint8_t copy1[TILL_BOOT_RECORD_BYTES],
                    struct till_boot_copies* out) {
  struct till_boot_record records[2];
  memset(out, 0, sizeof(*out));
  out->valid[0] = till_boot_decode(copy0, &records[0]);
  out->valid[1] = till_boot_decode(copy1, &records[1]);
  out->found = out->valid[0] || out->valid[1];
  if (out->valid[0] && out->valid[1]) {
    out->copy = (int32_t)(records[1].seq - records[0].seq) > 0 ? 1 : 0;
  } else {
    out->copy = out->valid[1] ? 1 : 0;
  }
  if (out->found) out->record = records[out->copy];
}

void till_boot_plan_write(const struct till_boot_copies* read, const struct till_boot_record* next,
                          struct till_boot_write* out) {
  struct till_boot_record numbered = *next;
  numbered.seq = read->found ? read->record.seq + 1u : 1u;
  out->copy = read->found ? 1 - read->copy : 0;
  till_boot_encode(&numbered, out->bytes);
}

int till_boot_factory(struct till_boot_record* record, uint8_t slot, const char* version, uint32_t rollback_index,
                      uint32_t floor) {
  if (slot >= TILL_BOOT_SLOTS || floor > rollback_index) return 0;
  memset(record, 0, sizeof(*record));
  record->stable = slot;
  record->trial = TILL_BOOT_NO_SLOT;
  record->confirmed = bit_of(slot);
  record->failed = TILL_BOOT_NO_SLOT;
  record->floor = floor;
  record->slots[slot].rollback_index = rollback_index;
  set_version(&record->slots[slot], version);
  return 1;
}

int till_boot_withdraw(struct till_boot_record* record, uint8_t slot) {
  if (slot >= TILL_BOOT_SLOTS || slot == record->stable || record->trial != TILL_BOOT_NO_SLOT) return 0;
  record->confirmed &= (uint8_t)~bit_of(slot);
  record->failed = TILL_BOOT_NO_SLOT;
  record->failed_reason = TILL_BOOT_REASON_NONE;
  memset(&record->slots[slot], 0, sizeof(record->slots[slot]));
  return 1;
}

int till_boot_begin_trial(struct till_boot_record* record, uint8_t slot, const char* version, uint32_t rollback_index,
                          uint8_t tries) {
  if (tries == 0 || tries > TILL_BOOT_MAX_TRIES || rollback_index < record->floor) return 0;
  if (!till_boot_withdraw(record, slot)) return 0;
  record->slots[slot].rollback_index = rollback_index;
  set_version(&record->slots[slot], version);
  record->trial = slot;
  record->tries_left = tries;
  return 1;
}

int till_boot_confirm(struct till_boot_record* record, uint8_t slot, uint32_t signed_floor) {
  if (slot >= TILL_BOOT_SLOTS || record->trial != slot) return 0;
  const uint32_t own_index = record->slots[slot].rollback_index;
  if (own_index < record->floor) return 0;
  const uint32_t wanted = signed_floor < own_index ? signed_floor : own_index;
  record->stable = slot;
  record->trial = TILL_BOOT_NO_SLOT;
  record->tries_left = 0;
  record->confirmed |= bit_of(slot);
  if (wanted > record->floor) record->floor = wanted;
  if (record->slots[other_of(slot)].rollback_index < record->floor) record->confirmed &= bit_of(slot);
  return 1;
}

int till_boot_mark_failed(struct till_boot_record* record, uint8_t slot, uint8_t reason) {
  if (slot >= TILL_BOOT_SLOTS || record->trial != slot) return 0;
  if (reason == TILL_BOOT_REASON_NONE || reason >= TILL_BOOT_REASON_COUNT) return 0;
  record->trial = TILL_BOOT_NO_SLOT;
  record->tries_left = 0;
  record->failed = slot;
  record->failed_reason = reason;
  return 1;
}

void till_boot_decide(const struct till_boot_copies* read, struct till_boot_decision* out) {
  memset(out, 0, sizeof(*out));
  if (!read->found) return; /* slot 0, nothing written: see the header */
  out->record = read->record;
  struct till_boot_record* r = &out->record;
  if (r->trial == TILL_BOOT_NO_SLOT) {
    out->slot = r->stable; /* a confirmed slot is never counted: no power cycle takes it away */
    return;
  }
  out->changed = 1;
  const uint8_t candidate = r->trial;
  if (r->slots[candidate].rollback_index < r->floor) {
    till_boot_mark_failed(r, candidate, TILL_BOOT_REASON_FLOOR);
  } else if (r->tries_left == 0) {
    till_boot_mark_failed(r, candidate, TILL_BOOT_REASON_TRIES);
  } else {
    r->tries_left--;
    out->slot = candidate;
    out->trial = 1;
    return;
  }
  out->slot = r->stable;
}

void till_boot_reject(const struct till_boot_decision* decision, uint8_t reason, struct till_boot_decision* out) {
  const struct till_boot_decision was = *decision;
  *out = was;
  out->trial = 0;
  out->slot = TILL_BOOT_NO_SLOT;
  struct till_boot_record* r = &out->record;
  if (!till_boot_record_ok(r)) { /* no record was found: slot 0 was a guess, slot 1 is the only other */
    if (was.slot == 0) out->slot = 1;
    return;
  }
  if (was.trial && till_boot_mark_failed(r, was.slot, reason)) {
    out->changed = 1;
    out->slot = r->stable;
    return;
  }
  const uint8_t other = other_of(r->stable);
  if (was.slot != r->stable || !(r->confirmed & bit_of(other)) || r->slots[other].rollback_index < r->floor) return;
  r->confirmed &= bit_of(other);
  r->failed = r->stable;
  r->failed_reason = reason;
  r->stable = other;
  out->changed = 1;
  out->slot = other;
}

int till_boot_rebuild(struct till_boot_record* record, const int good[TILL_BOOT_SLOTS],
                      const uint32_t rollback_index[TILL_BOOT_SLOTS]) {
  if (!good[0] && !good[1]) return 0;
  const uint8_t kept = good[1] ? 1 : 0;
  if (!(good[0] && good[1])) return till_boot_factory(record, kept, "", rollback_index[kept], rollback_index[kept]);
  const uint32_t least = rollback_index[0] < rollback_index[1] ? rollback_index[0] : rollback_index[1];
  return till_boot_factory(record, kept, "", rollback_index[kept], least) &&
         till_boot_begin_trial(record, 0, "", rollback_index[0], TILL_BOOT_DEFAULT_TRIES);
}
