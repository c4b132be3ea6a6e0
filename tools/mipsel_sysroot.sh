#!/bin/sh
# Makes build/mipsel-sysroot: the third-party libraries of the terminal, from Debian's mipsel packages, for the mipsel
# preset to link with and for qemu-mipsel-static to load. The C library's headers come from the cross compiler; its
# shared objects from here. Idempotent: does nothing while this script, what it calls and the sysroot agree.
set -eu
cd "$(dirname "$0")/.."
sysroot=build/mipsel-sysroot
stamp=$(cat tools/mipsel_sysroot.sh tools/mipsel_apt.py tools/apt_state.py | sha256sum | cut -c1-64)
[ "$(cat $sysroot/.stamp 2>/dev/null)" = "$stamp" ] && exit 0

echo "Making $sysroot from Debian's mipsel packages" >&2
rm -rf "$sysroot.new" && mkdir -p "$sysroot.new"
python3 tools/mipsel_apt.py closure "$sysroot.new" \
  libc6 libgcc-s1 libstdc++6 libssl-dev libcurl4-openssl-dev \
  -libc6-dev -linux-libc-dev -libcrypt-dev -libtirpc-dev -libnsl-dev -tzdata
# Header-only and the same on every machine; the package is not in the mipsel closure because it is "all".
cp -a /usr/include/rapidjson "$sysroot.new/usr/include/"
# Absolute links would lead out of the sysroot.
find "$sysroot.new" -type l -lname '/*' | while read -r link; do
  ln -sfnr "$sysroot.new$(readlink "$link")" "$link"
done
echo "$stamp" >"$sysroot.new/.stamp"
rm -rf "$sysroot" && mv "$sysroot.new" "$sysroot"
du -sh "$sysroot" >&2
