# Image recipe for target/linux/ramips/image/mt76x8.mk: a slot's content (FIT + rootfs) and the factory flash.
# Packed further by the pipeline: `tillpack release` makes payloads of *-slot.bin, `tillpack factory` the flash's tables.

define Device/tillrace_ab-64m
  SOC := mt7688
  DEVICE_VENDOR := Tillrace
  DEVICE_MODEL := A/B 64M NOR
  DEVICE_DTS := mt7688_tillrace_ab-64m
  DEVICE_PACKAGES := tilld kmod-mtd-rw kmod-ramoops
  SUPPORTED_DEVICES := tillrace,ab-64m
  IMAGE_SIZE := 28672k
  BLOCKSIZE := 64k
  FILESYSTEMS := squashfs
  KERNEL := kernel-bin | lzma
  KERNEL_NAME := vmlinux
  IMAGES := slot.bin
  # The FIT is signed in the pipeline (tillpack, [sign] fit_key): it carries the rootfs' length and hash.
  IMAGE/slot.bin := append-kernel | pad-to $$$$(BLOCKSIZE) | append-rootfs | pad-rootfs | check-size | append-metadata
endef
TARGET_DEVICES += tillrace_ab-64m
