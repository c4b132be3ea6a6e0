#!/bin/sh
# The terminal's system: one watchdog feeder, the network, tilld. Lines that begin with "rig:" are for rig.py.
busybox mount -t tmpfs -o size=8m none /tmp
busybox mkdir /tmp/b && busybox --install -s /tmp/b
export PATH=/bin:/tmp/b
version=$(cat /etc/version)
for word in $(cat /proc/cmdline); do
  case $word in tillrace.slot=*) slot=${word#*=} ;; tillrace.trial=*) trial=${word#*=} ;; esac
done
free=$(free | awk '/^Mem/ {print $7}')
echo "rig: up version=$version slot=$slot trial=$trial free=$free uptime=$(cut -d' ' -f1 /proc/uptime)"
[ "$version" = 1.3.0 ] && echo c >/proc/sysrq-trigger
[ -e /data/hang ] && while :; do :; done
( while :; do echo >&3; sleep 10; done ) 3>/dev/watchdog &
ifconfig lo up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up && route add default gw 10.0.2.2
if [ ! -e /data/adopted ]; then
  tilld adopt --config /data/tilld.conf --slot "$slot" --image-version "$version" --rollback-index 1 \
    --length "$(cat /data/length)" &&
    touch /data/adopted && sync
fi
while :; do
  tilld run --config /data/tilld.conf --running-slot "$slot"
  status=$?
  echo "rig: tilld ended with $status"
  [ $status = 10 ] && { sync; umount /data; reboot -f; }
  sleep 1
done
