#!/bin/sh
# make_firmware.sh OUT_DIR: real firmware for the demo and the tests, in two releases and a bad one:
#   rootfs-1.0.0.squashfs  rootfs-1.1.0.squashfs  rootfs-1.1.1-bad.squashfs  firmware.txt (what they are made of)
# A small root file system from Debian's mipsel packages, packed as OpenWrt packs its own (squashfs-xz, 256 KiB blocks).
# 1.0.0 takes the lowest published version of each package, 1.1.0 the highest; the till's application and its
# configuration change too. The same packages give the same bytes; downloads and images are kept in the
# cache (tools/apt_state.py).   TILL_CACHE=DIR   another cache (an empty one rebuilds everything)
set -eu
umask 022
[ $# -eq 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"; out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
cache=$(python3 tools/apt_state.py)
unset SOURCE_DATE_EPOCH   # mksquashfs refuses it beside -mkfs-time

packages="libc6 libgcc-s1 libatomic1 libcrypt1 zlib1g busybox openssl libssl3 openssh-client openssh-server
  openssh-sftp-server libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1 libselinux1
  libpcre2-8-0 libpam0g libaudit1 libcap-ng0 libwrap0 libnsl2 libtirpc3 libsystemd0 liblzma5 liblz4-1 libzstd1
  libgcrypt20 libgpg-error0 libcap2 libsqlite3-0 tzdata"
plan=$(python3 tools/mipsel_apt.py ends $packages)
key=$( { cat "$0"; echo "$plan" | cut -d" " -f1-3; mksquashfs -version | head -n 1; } | sha256sum | cut -c1-16)
images=$cache/firmware-$key

# pos_app VERSION DISCOUNT: the till's application; --selftest is what a health check asks.
pos_app() {
  cat <<APP
#!/bin/sh
# The till's application, version $1. Prices in cents, no floating point.
version=$1
total() { # quantity price ...: the receipt's total with 19 % tax, rounded half up, after the discount
  sum=0
  while [ \$# -gt 0 ]; do sum=\$((sum + \$1 * \$2)); shift 2; done
  echo \$(((sum * 119 + 50) / 100 - sum * $2 / 1000))
}
case "\${1:-}" in
  --version) echo "pos-app \$version" ;;
  --selftest)
    got=\$(total 2 499 1 1250)
    if [ "\$got" != "\$((2675 - 2248 * $3 / 1000))" ]; then
      echo "pos-app \$version: receipt total \$got is wrong" >&2; exit 1
    fi
    echo "pos-app \$version: selftest ok" ;;
  *) echo "pos-app \$version: waiting for the first customer"; exec sleep 2147483647 ;;
esac
APP
}

# tree DIR LOWEST|HIGHEST VERSION: unpacks the packages and leaves out what a terminal has no room for.
tree() {
  rm -rf "$1" && mkdir -p "$1"
  echo "$plan" | while read -r _ _ _ lowest highest; do
    [ "$2" = LOWEST ] && dpkg-deb -x "$lowest" "$1" || dpkg-deb -x "$highest" "$1"
  done
  (cd "$1" && rm -rf usr/share/doc usr/share/man usr/share/lintian usr/share/bug usr/share/locale usr/share/runit \
     usr/share/initramfs-tools usr/share/apport usr/share/perl5 usr/lib/*/gconv usr/lib/*/audit \
     usr/lib/*/perl* lib/systemd usr/lib/systemd etc/init.d etc/default var \
     usr/share/zoneinfo/right usr/share/zoneinfo/posix
   find usr/share/zoneinfo -mindepth 1 -maxdepth 1 ! -name Europe ! -name 'UTC' ! -name 'Etc' -exec rm -rf {} +
   mkdir -p dev proc sys tmp overlay etc/pos usr/bin
   for applet in ash cat cp ls mount sh umount wget; do ln -sf busybox "bin/$applet"; done)
  printf 'NAME=tillrace-demo\nVERSION=%s\nBOARD=acme,pos-100\n' "$3" >"$1/etc/tillrace-release"
  printf 'server = https://ota.acme.example\nprinter = /dev/usb/lp0\nreceipt_footer = release %s\n' "$3" \
    >"$1/etc/pos/till.conf"
}

pack() {  # pack TREE FILE: fixed times and owner, files in name order
  chmod -R u+rwX,go+rX,go-w "$1"
  mksquashfs "$1" "$2" -comp xz -b 262144 -noappend -no-exports -no-xattrs -all-root \
    -mkfs-time 1767225600 -all-time 1767225600 -no-progress -quiet >&2
}

build() {
  work=$cache/firmware-work; rm -rf "$work" "$images.new"; mkdir -p "$work" "$images.new"
  echo "Making two firmware releases from Debian's mipsel packages (about a minute)" >&2
  tree "$work/1.0.0" LOWEST 1.0.0
  pos_app 1.0.0 0 0 >"$work/1.0.0/usr/bin/pos-app"
  tree "$work/1.1.0" HIGHEST 1.1.0
  pos_app 1.1.0 20 20 >"$work/1.1.0/usr/bin/pos-app"
  chmod 755 "$work"/*/usr/bin/pos-app
  pack "$work/1.0.0" "$images.new/rootfs-1.0.0.squashfs"
  pack "$work/1.1.0" "$images.new/rootfs-1.1.0.squashfs"
  # The bad one: as 1.1.0, but the application gives the discount twice, and its self test says so.
  sed -i 's/1\.1\.0/1.1.1/' "$work/1.1.0/etc/tillrace-release" "$work/1.1.0/etc/pos/till.conf"
  pos_app 1.1.1 40 20 >"$work/1.1.0/usr/bin/pos-app"
  pack "$work/1.1.0" "$images.new/rootfs-1.1.1-bad.squashfs"
  {
    echo "$plan" | awk '$2 != $3 {print "changed  " $1 "  " $2 " -> " $3; n++} $2 == $3 {same = same " " $1}
      END {if (!n) print "note  each package has one version now: only pos-app and its configuration differ"
           print "same    " same}'
    echo "changed  pos-app  1.0.0 -> 1.1.0 (ours: one program and its configuration /etc/pos/till.conf)"
    echo "bad      1.1.1 = 1.1.0 with a pos-app whose --selftest fails"
  } >"$images.new/firmware.txt"
  rm -rf "$work" "$images" && mv "$images.new" "$images"
}

[ -f "$images/firmware.txt" ] || build
cp -f "$images"/* "$out/"
cat "$out/firmware.txt"
cd "$out"
for f in rootfs-*.squashfs; do
  echo "$f  $(stat -c %s "$f") bytes  sha256 $(sha256sum "$f" | cut -c1-64)"
done
