/* One slot's image: a FIT at its start, the root file system behind it. The FIT's default configuration is signed and
 * vouches for everything: the images in the FIT by their hashes, the rootfs by offset, length and SHA-256, the
 * rollback index, the kernel's arguments. Nothing from the slot is believed before its signature is checked. */
#ifndef TILL_IMAGE_H_
#define TILL_IMAGE_H_

#include "bootloader/uboot/till_storage.h"

struct till_image {
  u32 rollback_index;
  u32 rootfs_offset; /* from the start of the slot */
  u32 rootfs_bytes;
  u8 rootfs_sha256[32];
  const char* bootargs; /* inside the FIT at the load address, or null */
};

/* Loads the slot's FIT to the load address and verifies it, and the rootfs when `whole`. Prints what is wrong. */
int till_image_check(const struct till_storage* storage, u8 slot, int whole, struct till_image* out);

#endif /* TILL_IMAGE_H_ */
