"""Builds what the emulated terminal runs: Debian's malta kernel, a first file system that finds its slot, a root file
system with our mipsel programs, slot images of several versions, and a disk. Cached in build/qemu; used by rig.py.
"""
import gzip, hashlib, json, lzma, os, random, re, shutil, struct, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUT = os.path.join(ROOT, "build", "qemu")
UBOOT = os.path.join(ROOT, "build", "u-boot")
SYSROOT = os.path.join(ROOT, "build", "mipsel-sysroot")
HERE = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20
# bootloader/uboot/boards/malta.dts says the same: start, size
PARTITIONS = [(1 * MIB, 1 * MIB), (2 * MIB, 28 * MIB), (30 * MIB, 28 * MIB), (58 * MIB, 22 * MIB)]
DISK_BYTES = 80 * MIB
# What the first file system loads, with what each needs: the disk, the slot, the data, the network, a watchdog.
MODULES = ["ata_piix", "loop", "squashfs", "ext4", "crc32c_generic", "pcnet32", "softdog"]
DEBIAN = ["linux-image-4kc-malta", "busybox-static", "-initramfs-tools", "-systemd", "-udev"]


def run(*command, **kwargs):
    return subprocess.run(command, check=True, **kwargs)


def cpio(entries):
    """An initramfs: (name, mode, bytes, device) each."""
    out, inode = bytearray(), 0
    for name, mode, data, (major, minor) in [*entries, ("TRAILER!!!", 0, b"", (0, 0))]:
        inode += 1
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


def packages():
    """Debian's kernel and busybox, unpacked."""
    folder = os.path.join(OUT, "packages")
    if not os.path.exists(os.path.join(folder, ".done")):
        run(sys.executable, os.path.join(ROOT, "tools", "mipsel_apt.py"), "closure", folder, *DEBIAN, stdout=sys.stderr)
        open(os.path.join(folder, ".done"), "w").close()
    return folder


def modules(folder, wanted):
    """The wanted modules in loading order."""
    (version,) = os.listdir(os.path.join(folder, "lib", "modules"))
    paths = {}
    for at, _, names in os.walk(os.path.join(folder, "lib", "modules", version)):
        paths.update({n.removesuffix(".ko").replace("-", "_"): os.path.join(at, n) for n in names if n.endswith(".ko")})
    order = []

    def load(name):
        if name in order or name not in paths:   # the rest is built in
            return
        data = open(paths[name], "rb").read()
        depends = re.search(rb"\0depends=([^\0]*)\0", data)[1].decode()
        for other in filter(None, depends.split(",")):
            load(other.replace("-", "_"))
        order.append(name)

    for name in wanted:
        load(name)
    return [(name, paths[name]) for name in order]


def kernel(folder):
    """(raw bytes of the kernel itself, load address, entry), out of Debian's self-extracting one"""
    (name,) = [n for n in os.listdir(os.path.join(folder, "boot")) if n.startswith("vmlinuz")]
    data = open(os.path.join(folder, "boot", name), "rb").read()
    table, = struct.unpack("<I", data[28:32])
    count, = struct.unpack("<H", data[44:46])
    headers = [struct.unpack("<IIIII", data[table + 32 * i:table + 32 * i + 20]) for i in range(count)]
    ((_, offset, _, _, size),) = [h for h in headers if h[0] == 1]
    packed = data[offset:offset + size]
    at = [match.start() for match in re.finditer(b"\xfd7zXZ\0\0", packed)]
    plain = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(packed[at[-1]:])
    # Its last act (arch/mips/boot/compressed/head.S): lui t9, %hi(entry); ori t9, t9, %lo(entry); jalr t9.
    jump = re.search(b"(..)\x19\x3c(..)\x39\x37\x09\xf8\x20\x03", packed[:256], re.DOTALL)
    entry = struct.unpack("<H", jump[1])[0] << 16 | struct.unpack("<H", jump[2])[0]
    return plain, 0x80100000, entry


def initramfs(folder, wanted=MODULES, init="initramfs.sh", files=()):
    """`files`: (name, mode, bytes) more; with them it is read once, and packed fast."""
    directories = ["bin", "dev", "proc", "sys", "lib", "new"]
    entries = [(d, 0o040755, b"", (0, 0)) for d in directories]
    entries.append(("dev/console", 0o020600, b"", (5, 1)))
    entries.append(("bin/busybox", 0o100755, open(os.path.join(folder, "bin", "busybox"), "rb").read(), (0, 0)))
    order = []
    for name, path in modules(folder, wanted):
        stripped = os.path.join(OUT, "module.ko")
        run("mipsel-linux-gnu-strip", "--strip-debug", "-o", stripped, path)
        entries.append((f"lib/{name}.ko", 0o100644, open(stripped, "rb").read(), (0, 0)))
        order.append(name)
    entries.append(("lib/order", 0o100644, "\n".join(order).encode() + b"\n", (0, 0)))
    entries.append(("init", 0o100755, open(os.path.join(HERE, init), "rb").read(), (0, 0)))
    entries += [(name, 0o100000 | mode, data, (0, 0)) for name, mode, data in files]
    if files:
        return gzip.compress(cpio(entries), 1)
    return lzma.compress(cpio(entries), format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32,
                         filters=[{"id": lzma.FILTER_LZMA2, "dict_size": MIB}])


def libraries(programs):
    """The shared objects these programs load, from the sysroot."""
    found, todo = {}, list(programs)
    while todo:
        text = run("mipsel-linux-gnu-readelf", "-d", todo.pop(), capture_output=True, text=True).stdout
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", text):
            for place in ("lib/mipsel-linux-gnu", "usr/lib/mipsel-linux-gnu", "lib", "usr/lib"):
                path = os.path.join(SYSROOT, place, name)
                if name not in found and os.path.exists(path):
                    found[name] = os.path.realpath(path)
                    todo.append(path)
    return found


def rootfs(folder, version, health):
    """A squashfs with busybox, tilld, the system's start script and one health check."""
    tree = os.path.join(OUT, "tree")
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("bin", "dev", "proc", "sys", "tmp", "data", "lib", "etc/health.d"):
        os.makedirs(os.path.join(tree, name))
    programs = [os.path.join(ROOT, "build", "mipsel", "bin", name) for name in ("tilld", "till-bootctl")]
    for path in programs:
        run("mipsel-linux-gnu-strip", "-o", os.path.join(tree, "bin", os.path.basename(path)), path)
    for name, path in libraries(programs).items():
        shutil.copy(path, os.path.join(tree, "lib", name))
    shutil.copy(os.path.join(folder, "bin", "busybox"), os.path.join(tree, "bin", "busybox"))
    os.symlink("busybox", os.path.join(tree, "bin", "sh"))
    shutil.copy(os.path.join(HERE, "system.sh"), os.path.join(tree, "init"))
    with open(os.path.join(tree, "etc", "version"), "w") as out:
        out.write(version + "\n")
    with open(os.path.join(tree, "etc", "health.d", "10-pos-app"), "w") as out:
        out.write("#!/bin/sh\n" + health + "\n")
    for name in ("init", "etc/health.d/10-pos-app", "bin/busybox"):
        os.chmod(os.path.join(tree, name), 0o755)
    # Something that no delta can shorten, so that a download takes a while.
    with open(os.path.join(tree, "etc", "data"), "wb") as out:
        out.write(random.Random(version).randbytes(400_000))
    image = os.path.join(OUT, f"root-{version}.squashfs")
    if os.path.exists(image):
        os.remove(image)
    run("mksquashfs", tree, image, "-all-root", "-noappend", "-comp", "xz", "-b", "131072", "-mkfs-time", "0",
        "-all-time", "0", "-no-progress", "-quiet", stdout=sys.stderr)
    return image


VERSIONS = {  # version: rollback index, what its health check does
    "1.0.0": (1, "exit 0"),
    "1.1.0": (2, "exit 0"),
    "1.2.0": (3, 'echo "receipt total is wrong" >&2; exit 1'),   # rolls back by itself
    "1.3.0": (3, "# panics: see system.sh"),                     # crashes at start: the boot code gives up on it
    **{f"2.{n}.0": (4, "exit 0") for n in range(20)},             # for the cuts
}


def stamp():
    """Changes when anything that goes into the images does."""
    digest = hashlib.sha256()
    for path in [*(os.path.join(HERE, n) for n in ("guest.py", "initramfs.sh", "system.sh")),
                 os.path.join(ROOT, "bootloader", "uboot", "make_slot_image.py"),
                 *(os.path.join(ROOT, "build", "mipsel", "bin", n) for n in ("tilld", "till-bootctl"))]:
        digest.update(open(path, "rb").read())
    return digest.hexdigest()


def slot_images(versions):
    """{version: path}, made again only when their parts have changed."""
    os.makedirs(OUT, exist_ok=True)
    paths = {version: os.path.join(OUT, f"slot-{version}.img") for version in versions}
    note = os.path.join(OUT, "images.json")
    if not os.path.exists(note) or json.load(open(note)) != stamp():
        for name in os.listdir(OUT):
            if name.startswith("slot-"):
                os.remove(os.path.join(OUT, name))
        json.dump(stamp(), open(note, "w"))
    missing = [version for version in versions if not os.path.exists(paths[version])]
    if not missing:
        return paths
    folder = packages()
    data, load, entry = kernel(folder)
    with open(os.path.join(OUT, "kernel.bin"), "wb") as out:
        out.write(data)
    # As a slot's kernel is meant to be: in frames that a terminal can make again, each a loadable of its own.
    run(os.path.join(ROOT, "build", "dev", "bin", "tillpack"), "kernel", os.path.join(OUT, "kernel.bin"), "--load",
        hex(load), "--entry", hex(entry), "-o", os.path.join(OUT, "kernel.fit"), stdout=sys.stderr)
    with open(os.path.join(OUT, "initramfs.xz"), "wb") as out:
        out.write(initramfs(folder))
    for version in missing:
        index, health = VERSIONS[version]
        run(sys.executable, os.path.join(ROOT, "bootloader", "uboot", "make_slot_image.py"),
            "--key", os.path.join(UBOOT, "keys", "dev.pem"), "--kernel", os.path.join(OUT, "kernel.fit"),
            "--ramdisk", os.path.join(OUT, "initramfs.xz"), "--rootfs", rootfs(folder, version, health),
            "--rollback-index", str(index),
            "--bootargs", "console=ttyS0,115200 panic=3 quiet", "--out", paths[version] + ".new")
        os.rename(paths[version] + ".new", paths[version])
    return paths


def disk(path, slot_a, data_files):
    """A terminal as it leaves the factory: slot a, an empty slot b, no record yet, a data partition with its files."""
    table = bytearray(512)
    for i, (start, size) in enumerate(PARTITIONS):
        table[446 + 16 * i:462 + 16 * i] = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff",
                                                       start // 512, size // 512)
    table[510:512] = b"\x55\xaa"
    tree = path + ".data"
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    for name, content in data_files.items():
        with open(os.path.join(tree, name), "wb") as out:
            out.write(content)
    run("mke2fs", "-q", "-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^64bit", "-d", tree, path + ".ext4",
        str(PARTITIONS[3][1] // 1024), stdout=sys.stderr)
    with open(path, "wb") as out:
        out.truncate(DISK_BYTES)
        out.write(table)
        for start, source in ((PARTITIONS[1][0], slot_a), (PARTITIONS[3][0], path + ".ext4")):
            out.seek(start)
            out.write(open(source, "rb").read())
    shutil.rmtree(tree)
    os.remove(path + ".ext4")
