#!/usr/bin/env python3
"""make_jump.py OUT [VARIANT...]

A distribution jump to measure on, made of Debian's mipsel packages so that anyone can repeat it: an OpenWrt-like root
in the lowest and in the highest published version of each package (OpenSSL, OpenSSH, tzdata, Samba's libraries), with
the stripped modules of two kernels, so that every module changes and its folder's name too. OUT/VARIANT-old.squashfs
and -new.squashfs of each variant:

  xz         xz, 256 KiB blocks, padded, as the corpus of the design
  xz128      xz, 128 KiB, xattrs and exports, unpadded
  dictionary xz, 256 KiB, a dictionary of 64 KiB: the options stand behind the superblock
  bcj        xz with the ARM and x86 filters tried per block (mksquashfs -Xbcj)
  gzip       gzip 9, 128 KiB
  gzip-any   gzip with every strategy tried per block
  zstd       zstd 19, 128 KiB
  zstd3      zstd 3, 1 MiB
  lz4        lz4 -Xhc, 256 KiB
  sorted     xz, 256 KiB, the new image in another order of files
  nofrag     xz, 256 KiB, no fragments
  rebuilt    xz, 256 KiB, all times of the new image others

Without VARIANT: xz. Measure one with: ./dev bench delta --pair OUT/xz-old.squashfs OUT/xz-new.squashfs
Needs mksquashfs and Debian's mipsel strip (./dev setup).
"""
import pathlib, shutil, subprocess, sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from apt_state import cache_folder  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parent.parent
APT = TOP / "tools/mipsel_apt.py"
PACKAGES = """libc6 libgcc-s1 libatomic1 libstdc++6 libcrypt1 zlib1g busybox openssl libssl3 curl libcurl4
  libnghttp2-14 libidn2-0 libunistring2 librtmp1 libssh2-1 libpsl5 libldap-2.5-0 libsasl2-2 libgnutls30 libnettle8
  libhogweed6 libgmp10 libp11-kit0 libtasn1-6 libffi8 libbrotli1 dnsmasq-base libnetfilter-conntrack3 libnfnetlink0
  libdbus-1-3 wpasupplicant hostapd libnl-3-200 libnl-genl-3-200 libnl-route-3-200 libreadline8 libtinfo6 lighttpd
  libpcre2-8-0 libxxhash0 mosquitto libcjson1 libwrap0 libsystemd0 nftables libnftables1 libnftnl11 libmnl0
  libxtables12 libjansson4 libedit2 sqlite3 libsqlite3-0 pcscd libpcsclite1 libccid libusb-1.0-0 libudev1
  openssh-client openssh-server openssh-sftp-server libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2
  libkeyutils1 libselinux1 libpam0g libaudit1 libcap-ng0 libcap2 libgcrypt20 libgpg-error0 liblzma5 liblz4-1 libzstd1
  libwbclient0 libldb2 tzdata""".split()
FLAVOUR = "-4kc-malta"
MODULES = ["drivers/net/usb", "drivers/net/wireless", "drivers/usb", "drivers/mtd", "drivers/mmc", "drivers/input",
           "drivers/bluetooth", "net", "fs/ext4", "fs/fat", "fs/squashfs", "fs/ubifs", "fs/nfs", "fs/smb", "crypto",
           "sound/usb"]
LEFT_OUT = ["usr/share/doc", "usr/share/man", "usr/share/lintian", "usr/share/bug", "usr/share/locale",
            "usr/share/zoneinfo/right", "usr/share/zoneinfo/posix", "lib/systemd", "usr/lib/systemd", "var"]
XZ = ["-comp", "xz", "-b", "256K"]
VARIANTS = {
    "xz": XZ,
    "xz128": ["-comp", "xz", "-b", "128K", "-nopad"],
    "dictionary": [*XZ, "-Xdict-size", "64K"],
    "bcj": [*XZ, "-Xbcj", "arm,x86"],
    "gzip": ["-comp", "gzip", "-b", "128K"],
    "gzip-any": ["-comp", "gzip", "-b", "128K", "-Xstrategy", "default,filtered,huffman_only,run_length_encoded,fixed"],
    "zstd": ["-comp", "zstd", "-Xcompression-level", "19", "-b", "128K"],
    "zstd3": ["-comp", "zstd", "-Xcompression-level", "3", "-b", "1M"],
    "lz4": ["-comp", "lz4", "-Xhc", "-b", "256K"],
    "sorted": XZ,
    "nofrag": [*XZ, "-no-fragments"],
    "rebuilt": XZ,
}
TIME = 1767225600


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def published(packages):
    return {line.split()[0]: line.split()[1:] for line in run(APT, "versions", *packages).splitlines()}


def kernels():
    """The published kernel images of the flavour, lowest version first: at least two."""
    conf = pathlib.Path(cache_folder()) / "mipsel-apt/apt.conf"
    listed = run("apt-cache", "-c", conf, "pkgnames", "linux-image-6").split()
    names = [name for name in listed if name.endswith(FLAVOUR)]
    found = sorted((versions[-1], name) for name, versions in published(names).items())
    if len(found) < 2:
        sys.exit("make_jump: the mirror publishes one kernel only; nothing to jump from")
    return found[0], found[-1]


def unpack(specs, folder):
    for deb in run(APT, "download", *specs).split():
        run("dpkg-deb", "-x", deb, folder)


def add_modules(kernel, folder, work):
    version, name = kernel
    unpack([f"{name}={version}"], work)
    release = next((work / "lib/modules").iterdir())
    into = folder / "lib/modules" / release.name
    into.mkdir(parents=True)
    for part in MODULES:
        for module in sorted((release / "kernel" / part).rglob("*.ko")):
            shutil.copy(module, into / module.name)
    run("mipsel-linux-gnu-strip", "--strip-debug", *sorted(into.glob("*.ko")))
    shutil.rmtree(work)


def tree(folder, which, kernel):
    if (folder / "etc/jump-release").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    unpack([f"{name}={versions[which]}" for name, versions in published(PACKAGES).items()], folder)
    for name in LEFT_OUT:
        shutil.rmtree(folder / name, ignore_errors=True)
    add_modules(kernel, folder, folder.with_suffix(".kernel"))
    run("chmod", "-R", "u+rwX,go+rX,go-w", folder)
    (folder / "etc/jump-release").write_text(f"kernel {kernel[0]}\n")
    return folder


def pack(name, new, folder, image):
    options = list(VARIANTS[name])
    if name == "sorted" and new:
        order = image.with_suffix(".order")   # by size instead of by name
        files = sorted((p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()),
                       key=lambda p: (p.stat().st_size, str(p)))
        order.write_text("".join(f'"{p.relative_to(folder)}" {32000 - i % 65000}\n' for i, p in enumerate(files)
                                 if " " not in p.name and -32768 <= 32000 - i))
        options += ["-sort", order]
    time = TIME + 86400 * 30 if name == "rebuilt" and new else TIME
    image.unlink(missing_ok=True)
    run("mksquashfs", folder, image, *options, "-noappend", "-all-root", "-mkfs-time", time, "-all-time", time,
        "-processors", "1", "-no-progress", "-quiet")


def main(arguments):
    if not arguments or arguments[0].startswith("-") or any(name not in VARIANTS for name in arguments[1:]):
        sys.exit(__doc__)
    out = pathlib.Path(arguments[0])
    out.mkdir(parents=True, exist_ok=True)
    run(APT, "update")
    for which, label, kernel in zip((0, -1), ("old", "new"), kernels()):
        folder = tree(out / label, which, kernel)
        for name in arguments[1:] or ["xz"]:
            image = out / f"{name}-{label}.squashfs"
            pack(name, label == "new", folder, image)
            print(f"{image}: {image.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
