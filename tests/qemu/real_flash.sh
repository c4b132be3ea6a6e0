#!/bin/busybox sh
# The system of real_flash.py: flash drivers, the tests on them, then tilld in the slot that the boot record names.
# Lines that begin with "rig:" are for real_flash.py.
b=/bin/busybox
$b mount -t proc none /proc
$b mount -t sysfs none /sys
$b mount -t devtmpfs none /dev
$b mkdir -p /tmp /data /b && $b --install -s /b
export PATH=/bin:/b
# NOR-like: 8 KiB blocks for the tests, two sectors for the record, two for the journal, a slot.
phram() { echo "$1" >/sys/module/phram/parameters/phram; }
while read -r module; do
  case $module in
    phram) insmod /lib/phram.ko phram=tests,0x6000000,0x20000,0x2000
      phram record,0x6100000,0x20000,0x10000
      phram journal,0x6200000,0x20000,0x10000
      phram slot,0x6300000,0x100000,0x10000 ;;
    # 16 MiB of NAND: 512-byte pages, 16 KiB blocks; 8 good blocks, 8 good and 3 bad ones, the rest for UBI.
    nandsim) insmod /lib/nandsim.ko first_id_byte=0x98 second_id_byte=0x73 parts=8,11 badblocks=9,11,12 ;;
    ubi) insmod /lib/ubi.ko mtd=6 ;;
    *) insmod /lib/$module.ko ;;
  esac
done </lib/order
cat /proc/mtd
make_volume /dev/ubi0 tests 140000 && make_volume /dev/ubi0 slot 1048576 || echo "rig: no volumes"
ls -l /dev/ubi0_0 /dev/ubi0_1
ifconfig lo up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up && route add default gw 10.0.2.2

TILL_REAL_SLOTS="Mtd,/dev/mtd0,1 Nand,/dev/mtd4,512 NandWithBadBlocks,/dev/mtd5,512 Ubi,/dev/ubi0_0,0" \
  TILL_REAL_RECORDS=/dev/mtd1 device_test --gtest_color=no --gtest_filter='*Real*'
echo "rig: tests ended with $?"

# The boot code's part, without its counting: of the record's two copies (erase sectors of 64 KiB) the one with the
# higher sequence number; byte 6 is the slot on trial, byte 5 the stable one.
chosen() {
  best=-1 chosen=
  for copy in 0 1; do
    dd if=/dev/mtd1 of=/tmp/copy bs=64 skip=$((copy * 1024)) count=1 2>/dev/null
    [ "$(head -c 4 /tmp/copy)" = TLBS ] || continue
    set -- $(od -An -tu4 -j8 -N4 /tmp/copy) $(od -An -tu1 -j5 -N2 /tmp/copy)
    [ $1 -gt $best ] && best=$1 chosen=$3 && [ $3 = 255 ] && chosen=$2
  done
  [ "$chosen" = 0 ] && echo a || echo b
}
cat /image >/dev/mtd3
slot=a
tilld adopt --config /tilld.conf --slot $slot --image-version 1.0.0 --rollback-index 1 --length "$(stat -c %s /image)"
while :; do
  echo "rig: runs slot=$slot"
  tilld run --config /tilld.conf --running-slot $slot
  status=$?
  echo "rig: tilld ended with $status"
  [ $status = 10 ] && slot=$(chosen)
  sleep 1
done
