#include "bootloader/uboot/till_image.h"

#include <asm/cache.h>
#include <common.h>
#include <image.h>
#include <linux/libfdt.h>
#include <malloc.h>
#include <mapmem.h>
#include <time.h>
#include <u-boot/sha256.h>
#include <watchdog.h>

#include <asm/global_data.h>

DECLARE_GLOBAL_DATA_PTR;

enum { CHUNK_BYTES = 64 * 1024, ALIGNMENT_BYTES = 512 };

static int refuse(u8 slot, const char* why) {
  printf("till_boot: slot %c: %s\n", 'a' + slot, why);
  return -EINVAL;
}

/* fit_config_verify() answers "good" when no key is required: then nothing would be checked at all. */
static int key_is_required(void) {
  const void* tree = gd->fdt_blob;
  const int keys = fdt_subnode_offset(tree, 0, FIT_SIG_NODENAME);
  int key;
  if (keys < 0) return 0;
  fdt_for_each_subnode(key, tree, keys) {
    const char* required = fdt_getprop(tree, key, FIT_KEY_REQUIRED, NULL);
    if (required && strcmp(required, "conf") == 0) return 1;
  }
  return 0;
}

static int load_fit(const struct till_storage* storage, u8 slot, void* fit) {
  if (till_storage_read(storage, storage->slot[slot], ALIGNMENT_BYTES, fit) != 0) return refuse(slot, "cannot be read");
  if (fdt_check_header(fit) != 0) return refuse(slot, "holds no FIT");
  const u32 total = fdt_totalsize(fit);
  if (total < ALIGNMENT_BYTES || total > storage->fit_bytes_max || total > storage->slot_bytes) {
    return refuse(slot, "its FIT has an impossible size");
  }
  if (till_storage_read(storage, storage->slot[slot], total, fit) != 0) return refuse(slot, "cannot be read");
  if (fdt_totalsize(fit) != total || fit_check_format(fit, total) != 0) return refuse(slot, "its FIT is malformed");
  return 0;
}

/* Everything that the configuration names must lie inside the FIT and match its hash; a packed kernel is one image and
   many loadables. */
static int verify_images(u8 slot, const void* fit, int configuration) {
  static const char* const kNames[] = {FIT_KERNEL_PROP, FIT_FDT_PROP, FIT_RAMDISK_PROP, FIT_LOADABLE_PROP};
  for (unsigned i = 0; i < ARRAY_SIZE(kNames); i++) {
    const int count = fdt_stringlist_count(fit, configuration, kNames[i]);
    if (i == 0 && count < 1) return refuse(slot, "its FIT names no kernel");
    for (int index = 0; index < count; index++) {
      const int image = fit_conf_get_prop_node_index(fit, configuration, kNames[i], index);
      if (image < 0 || !fdt_getprop(fit, image, FIT_DATA_PROP, NULL)) return refuse(slot, "its FIT has no such image");
      if (!fit_image_verify(fit, image)) return refuse(slot, "an image in its FIT does not match its hash");
      schedule();
    }
  }
  return 0;
}

static int read_number(const void* fit, int node, const char* name, u32* out) {
  int length = 0;
  const fdt32_t* value = fdt_getprop(fit, node, name, &length);
  if (!value || length != 4) return -ENOENT;
  *out = fdt32_to_cpu(*value);
  return 0;
}

static int read_promises(const struct till_storage* storage, u8 slot, const void* fit, int node,
                         struct till_image* out) {
  int length = 0;
  const void* hash = fdt_getprop(fit, node, "tillrace,rootfs-sha256", &length);
  if (read_number(fit, node, "tillrace,rollback-index", &out->rollback_index) != 0 ||
      read_number(fit, node, "tillrace,rootfs-offset", &out->rootfs_offset) != 0 ||
      read_number(fit, node, "tillrace,rootfs-bytes", &out->rootfs_bytes) != 0 || !hash || length != 32) {
    return refuse(slot, "its FIT says nothing of index or rootfs");
  }
  memcpy(out->rootfs_sha256, hash, 32);
  if (out->rootfs_offset % ALIGNMENT_BYTES != 0 || out->rootfs_offset > storage->slot_bytes ||
      out->rootfs_bytes > storage->slot_bytes - out->rootfs_offset) {
    return refuse(slot, "its rootfs does not fit into the slot");
  }
  out->bootargs = fdt_getprop(fit, node, "tillrace,bootargs", &length);
  if (out->bootargs && (length < 1 || out->bootargs[length - 1] != 0)) return refuse(slot, "its arguments have no end");
  return 0;
}

static int hash_rootfs(const struct till_storage* storage, u8 slot, const struct till_image* image) {
  sha256_context sha;
  u8 digest[32];
  const ulong began = get_timer(0);
  u8* chunk = memalign(ARCH_DMA_MINALIGN, CHUNK_BYTES);
  if (!chunk) return refuse(slot, "no memory to hash with");
  int error = 0;
  sha256_starts(&sha);
  for (u32 done = 0; done < image->rootfs_bytes && error == 0;) {
    const u32 count = min_t(u32, CHUNK_BYTES, image->rootfs_bytes - done);
    error = till_storage_read(storage, storage->slot[slot] + image->rootfs_offset + done, count, chunk);
    sha256_update(&sha, chunk, count);
    done += count;
    schedule();
  }
  sha256_finish(&sha, digest);
  free(chunk);
  if (error != 0) return refuse(slot, "its rootfs cannot be read");
  if (memcmp(digest, image->rootfs_sha256, sizeof(digest)) != 0)
    return refuse(slot, "its rootfs is not the signed one");
  printf("till_boot: slot %c: rootfs of %u bytes hashed in %lu ms\n", 'a' + slot, image->rootfs_bytes,
         get_timer(began));
  return 0;
}

int till_image_check(const struct till_storage* storage, u8 slot, int whole, struct till_image* out) {
  void* fit = map_sysmem(storage->load_address, storage->fit_bytes_max);
  const ulong began = get_timer(0);
  memset(out, 0, sizeof(*out));
  if (!key_is_required()) return refuse(slot, "this boot loader holds no required key: nothing is bootable");
  int error = load_fit(storage, slot, fit);
  if (error != 0) return error;
  const int configuration = fit_conf_get_node(fit, NULL);
  if (configuration < 0) return refuse(slot, "its FIT has no default configuration");
  if (fit_config_verify(fit, configuration) != 0) return refuse(slot, "its FIT is not signed by a key we hold");
  error = read_promises(storage, slot, fit, configuration, out);
  if (error == 0) error = verify_images(slot, fit, configuration);
  if (error != 0) return error;
  printf("till_boot: slot %c: FIT of %u bytes verified in %lu ms\n", 'a' + slot, fdt_totalsize(fit), get_timer(began));
  return whole ? hash_rootfs(storage, slot, out) : 0;
}
