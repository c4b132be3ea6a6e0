#!/bin/busybox sh
# The first file system: loads the drivers and moves into the rootfs of the slot that the boot code chose. It looks at
# nothing the boot code has not verified.
b=/bin/busybox
$b mount -t proc none /proc
$b mount -t sysfs none /sys
$b mount -t devtmpfs none /dev
while read -r module; do
  case $module in softdog) $b insmod /lib/$module.ko soft_margin=60 soft_panic=1 ;; *) $b insmod /lib/$module.ko ;; esac
done </lib/order
# From here on somebody must feed it: opened once, it runs on when it is closed.
echo >/dev/watchdog
for word in $($b cat /proc/cmdline); do
  case $word in
    tillrace.slot=a) disk=/dev/sda2 ;;
    tillrace.slot=b) disk=/dev/sda3 ;;
    tillrace.rootfs=*) offset=${word#*=}; offset=${offset%,*} ;;
  esac
done
waited=0
while [ ! -b "$disk" ] && [ $waited -lt 100 ]; do $b usleep 100000; waited=$((waited + 1)); done
$b losetup -r -o "$offset" /dev/loop0 "$disk" && $b mount -t squashfs -o ro /dev/loop0 /new ||
  { echo "initramfs: no root file system"; $b sleep 2; $b reboot -f; }
$b mount -t ext4 /dev/sda4 /new/data || echo "initramfs: no data"
for place in dev proc sys; do $b mount -o move /$place /new/$place; done
exec $b switch_root /new /init
