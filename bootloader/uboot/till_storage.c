#include "bootloader/uboot/till_storage.h"

#include <asm/cache.h>
#include <blk.h>
#include <common.h>
#include <dm.h>
#include <dm/device-internal.h>
#include <dm/ofnode.h>
#include <dm/uclass-internal.h>
#include <ide.h>
#include <linux/err.h>
#include <linux/mtd/mtd.h>
#include <malloc.h>
#include <mtd.h>

enum { SECTOR_BYTES = 512 };

/* Places that must not overlap: two copies of the record, two slots. */
static int layout_ok(const struct till_storage* s) {
  const u32 record_bytes = s->mtd ? ((struct mtd_info*)s->mtd)->erasesize : SECTOR_BYTES;
  const u64 size = s->mtd ? ((struct mtd_info*)s->mtd)->size
                          : (u64)((struct blk_desc*)s->block)->lba * ((struct blk_desc*)s->block)->blksz;
  const u32 start[4] = {s->record[0], s->record[1], s->slot[0], s->slot[1]};
  const u32 bytes[4] = {record_bytes, record_bytes, s->slot_bytes, s->slot_bytes};
  for (int i = 0; i < 4; i++) {
    if (start[i] % record_bytes != 0 || (u64)start[i] + bytes[i] > size) return 0;
    for (int j = 0; j < i; j++) {
      if ((u64)start[i] < (u64)start[j] + bytes[j] && (u64)start[j] < (u64)start[i] + bytes[i]) return 0;
    }
  }
  return 1;
}

#if IS_ENABLED(CONFIG_IDE)
/* Nobody calls ide_init() before the first command; and a board that touched the controller earlier (malta) has probed
 * it when no disk was known yet, so it is probed again. */
static void start_ide(void) {
  struct udevice* controller = NULL;
  ide_init();
  if (uclass_find_first_device(UCLASS_IDE, &controller) != 0 || !controller) return;
  device_remove(controller, DM_REMOVE_NORMAL);
  device_probe(controller);
}
#endif

static int open_device(struct till_storage* s, const char* kind, const char* device) {
  if (strcmp(kind, "mtd") == 0) {
#if IS_ENABLED(CONFIG_MTD)
    mtd_probe_devices();
    struct mtd_info* mtd = get_mtd_device_nm(device);
    if (IS_ERR_OR_NULL(mtd)) return -ENODEV;
    s->mtd = mtd;
    return 0;
#else
    return -ENOSYS;
#endif
  }
#if IS_ENABLED(CONFIG_IDE)
  if (strcmp(kind, "ide") == 0) start_ide();
#endif
#if IS_ENABLED(CONFIG_BLK)
  struct blk_desc* block = blk_get_devnum_by_uclass_idname(kind, (int)simple_strtol(device, NULL, 10));
  if (!block || block->lba == 0 || block->blksz != SECTOR_BYTES) return -ENODEV;
  s->block = block;
  return 0;
#else
  return -ENOSYS;
#endif
}

int till_storage_open(struct till_storage* s) {
  memset(s, 0, sizeof(*s));
  const ofnode node = ofnode_by_compatible(ofnode_null(), "tillrace,boot");
  if (!ofnode_valid(node)) return -ENOENT;
  const char* kind = ofnode_read_string(node, "storage");
  const char* device = ofnode_read_string(node, "device");
  u32 load = 0;
  if (!kind || !device || ofnode_read_u32_array(node, "record", s->record, 2) != 0 ||
      ofnode_read_u32_array(node, "slots", s->slot, 2) != 0 ||
      ofnode_read_u32(node, "slot-bytes", &s->slot_bytes) != 0 ||
      ofnode_read_u32(node, "fit-bytes-max", &s->fit_bytes_max) != 0 ||
      ofnode_read_u32(node, "load-address", &load) != 0) {
    return -EINVAL;
  }
  s->load_address = load;
  s->watchdog_ms = ofnode_read_u32_default(node, "watchdog-ms", 0);
  s->hash_stable = !ofnode_read_bool(node, "stable-unhashed");
  const int opened = open_device(s, kind, device);
  if (opened != 0) return opened;
  return layout_ok(s) ? 0 : -EINVAL;
}

static int read_block(struct blk_desc* block, u32 offset, u32 count, u8* out) {
  u8 sector[SECTOR_BYTES] __aligned(ARCH_DMA_MINALIGN);
  if (offset % SECTOR_BYTES != 0) return -EINVAL;
  const u32 whole = count / SECTOR_BYTES;
  if (whole && blk_dread(block, offset / SECTOR_BYTES, whole, out) != whole) return -EIO;
  const u32 rest = count % SECTOR_BYTES;
  if (rest == 0) return 0;
  if (blk_dread(block, offset / SECTOR_BYTES + whole, 1, sector) != 1) return -EIO;
  memcpy(out + whole * SECTOR_BYTES, sector, rest);
  return 0;
}

int till_storage_read(const struct till_storage* s, u32 offset, u32 count, void* out) {
  if (s->block) return read_block(s->block, offset, count, out);
#if IS_ENABLED(CONFIG_MTD)
  size_t got = 0;
  const int error = mtd_read(s->mtd, offset, count, &got, out);
  if (error != 0 && error != -EUCLEAN) return error; /* -EUCLEAN: corrected */
  return got == count ? 0 : -EIO;
#else
  return -ENODEV;
#endif
}

static int write_block(const struct till_storage* s, int copy, const u8* bytes) {
  u8 sector[SECTOR_BYTES] __aligned(ARCH_DMA_MINALIGN);
  memset(sector, 0xff, sizeof(sector));
  memcpy(sector, bytes, TILL_BOOT_RECORD_BYTES);
  return blk_dwrite(s->block, s->record[copy] / SECTOR_BYTES, 1, sector) == 1 ? 0 : -EIO;
}

static int write_mtd(const struct till_storage* s, int copy, const u8* bytes, int erase) {
#if IS_ENABLED(CONFIG_MTD)
  struct mtd_info* mtd = s->mtd;
  size_t written = 0;
  if (erase) {
    struct erase_info sector = {.mtd = mtd, .addr = s->record[copy], .len = mtd->erasesize};
    const int error = mtd_erase(mtd, &sector);
    if (error != 0) return error;
  }
  const int error = mtd_write(mtd, s->record[copy], TILL_BOOT_RECORD_BYTES, &written, bytes);
  if (error != 0) return error;
  return written == TILL_BOOT_RECORD_BYTES ? 0 : -EIO;
#else
  return -ENODEV;
#endif
}

int till_storage_write_record(const struct till_storage* s, int copy, const u8 bytes[TILL_BOOT_RECORD_BYTES]) {
  u8 back[TILL_BOOT_RECORD_BYTES];
  const int error = s->block ? write_block(s, copy, bytes) : write_mtd(s, copy, bytes, 1);
  if (error != 0) return error;
  if (till_storage_read(s, s->record[copy], sizeof(back), back) != 0) return -EIO;
  return memcmp(back, bytes, sizeof(back)) == 0 ? 0 : -EIO;
}

int till_storage_program_again(const struct till_storage* s, int copy, const u8 bytes[TILL_BOOT_RECORD_BYTES]) {
#if IS_ENABLED(CONFIG_MTD)
  if (s->mtd && ((struct mtd_info*)s->mtd)->type == MTD_NORFLASH) return write_mtd(s, copy, bytes, 0);
#endif
  return -ENOSYS;
}
