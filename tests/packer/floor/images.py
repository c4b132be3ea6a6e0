"""Pairs of firmware images as OpenWrt, Buildroot and Yocto make them, small and from scratch: a release and the next.

Everything is made by the programs that make the real ones (mksquashfs, mke2fs, mkimage, ubinize, cpio, tar ...) from
two trees of files. The same seed gives the same trees.
"""
import hashlib, os, random, shutil, subprocess

TIME = 1600000000
ENVIRONMENT = {**os.environ, "SOURCE_DATE_EPOCH": str(TIME), "TZ": "UTC", "LC_ALL": "C",
               "E2FSPROGS_FAKE_TIME": str(TIME)}


def run(command, folder):
    done = subprocess.run(command, shell=True, cwd=folder, env=ENVIRONMENT, capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr.decode(errors='replace')[-500:]}")


# --- What stands in the files ---

def words(rng, count):
    return [bytes(rng.choice(b"abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 9))) for _ in range(count)]


def text(rng, vocabulary, size):
    parts, length = [], 0
    while length < size:
        parts.append(rng.choice(vocabulary))
        length += len(parts[-1]) + 1
    return b" ".join(parts)[:size]


# Words of 32 bits like a program's: few opcodes and registers, calls to functions of the same program.
def code(rng, functions):
    program, starts = [], []
    for _ in range(functions):
        starts.append(len(program))
        for _ in range(rng.randint(8, 60)):
            kind = rng.random()
            if kind < 0.12:
                program.append(("call", rng.randrange(functions)))
            elif kind < 0.5:
                program.append(("word", rng.choice((0x8fbf0000, 0xafb00000, 0x27bd0000)) | rng.randrange(32) << 2))
            else:
                program.append(("word", rng.choice((0x00a02021, 0x3c020000, 0x24420000, 0x10400000)) |
                                rng.randrange(1 << 12)))
        program.append(("word", 0x03e00008))
    return program, starts


def link(program, starts):
    out = bytearray(b"\x7fELF\x01\x01\x01" + b"\0" * 45)
    for kind, value in program:
        word = 0x0c000000 | (0x100000 + starts[value]) if kind == "call" else value
        out += word.to_bytes(4, "little")
    return bytes(out)


def insert_code(rng, program, starts):
    """A changed function: words go in, everything behind it moves, calls follow."""
    at = rng.randrange(len(starts))
    place, count = starts[at] + 2, rng.randint(1, 9)
    grown = program[:place] + [("word", 0x24000000 | rng.randrange(1 << 16)) for _ in range(count)] + program[place:]
    return grown, [s if s < place else s + count for s in starts]


def rebuild(rng, program, starts):
    """The same source with other options: the functions stand in another order, and little stays word for word."""
    order = list(range(len(starts)))
    rng.shuffle(order)
    built, place = [], [0] * len(starts)
    for function in order:
        place[function] = len(built)
        end = starts[function + 1] if function + 1 < len(starts) else len(program)
        for word in program[starts[function]:end]:
            chance = rng.random()
            if chance < 0.12:
                continue
            if chance < 0.24:
                built.append(("word", rng.choice((0x00a02021, 0x3c020000, 0x24420000)) | rng.randrange(1 << 12)))
            built.append(word if chance < 0.7 or word[0] == "call" else ("word", word[1] ^ rng.randrange(1, 32) << 16))
    return built, place


def trees(seed, scale):
    """Two dicts of path → bytes. `scale` 1 is about 1.2 MB of files."""
    rng = random.Random(seed)
    vocabulary = words(rng, 1500)
    old, new = {}, {}

    def both(path, before, after=None):
        old[path] = before
        new[path] = before if after is None else after

    for i in range(int(4 * scale)):
        program, starts = code(rng, rng.randint(300, 1600))
        before = link(program, starts)
        if i % 2 == 0:
            for _ in range(rng.randint(1, 6)):
                program, starts = insert_code(rng, program, starts)
        both(f"usr/bin/app{i}", before, link(program, starts))
    for i in range(int(5 * scale)):
        before = text(rng, vocabulary, rng.randint(20_000, 160_000))
        after = bytearray(before)
        for _ in range(rng.choice((0, 1, 4))):
            place = rng.randrange(len(after))
            after[place:place + rng.choice((0, 12))] = text(rng, vocabulary, rng.randint(1, 40))
        both(f"usr/share/data{i}.json", before, bytes(after))
    noise = rng.randbytes(int(150_000 * scale))
    both("lib/firmware/radio.bin", noise, noise[:5000] + rng.randbytes(64) + noise[5064:])
    both("usr/lib/libbig.so.1.2.3", link(*code(rng, 1200)))
    for i in range(30):
        both(f"etc/conf.d/{i:02}", b"option=%d\nlevel=%d\n" % (i, rng.randrange(100)) + text(rng, vocabulary, 300))
    new["etc/release"] = b"VERSION=2\n"
    old["etc/release"] = b"VERSION=1\n"
    new["usr/share/new.txt"] = text(rng, vocabulary, 9_000)
    del new["etc/conf.d/07"]
    new["usr/lib/libbig.so.1.2.4"] = new.pop("usr/lib/libbig.so.1.2.3")
    return old, new


def write_tree(files, folder):
    for path, content in files.items():
        full = os.path.join(folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as out:
            out.write(content)
    for where, folders, names in os.walk(folder):
        for name in folders + names:
            os.utime(os.path.join(where, name), (TIME, TIME))
    os.utime(folder, (TIME, TIME))


# --- What they are packed into: each takes a folder that holds `root`, and leaves `image` there ---

def squashfs(options, out="image"):
    def make(folder, release):
        run(f"rm -f {out}; mksquashfs root {out} -noappend -no-progress -quiet -all-root "
            f"-processors 1 {options}", folder)
    return make


def then(make, change):
    def both(folder, release):
        make(folder, release)
        path = os.path.join(folder, "image")
        image = open(path, "rb").read()
        open(path, "wb").write(change(image, release))
    return both


def padded(erase_bytes):
    return lambda image, release: image + b"\xff" * (-len(image) % erase_bytes) + b"\xff" * erase_bytes


def signed(image, release):
    signature = hashlib.sha512(image).digest() * 4
    return image + b"SIG0" + len(signature).to_bytes(4, "big") + signature


def prefixed(bytes_before):
    kernel = random.Random(77).randbytes(bytes_before)
    return lambda image, release: kernel + image


def filled(size):
    return lambda image, release: image + bytes(max(0, size - len(image)))


def sysupgrade(options, compress="cat"):
    def make(folder, release):
        squashfs(options, "root.sq")(folder, release)
        run(f"""rm -rf sysupgrade-acme_pos; mkdir sysupgrade-acme_pos
            echo BOARD=acme_pos > sysupgrade-acme_pos/CONTROL; mv root.sq sysupgrade-acme_pos/root
            python3 -c 'import random,sys; sys.stdout.buffer.write(random.Random(78).randbytes(200000))' \
              > sysupgrade-acme_pos/kernel
            tar --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime=@{TIME} -cf - sysupgrade-acme_pos \
              | {compress} > image""", folder)
    return make


def program(folder, release):
    """One program, and nothing around it; the second release is built anew."""
    rng = random.Random(os.path.getsize(os.path.join(folder, "root/lib/firmware/radio.bin")))
    built, starts = code(rng, 5000)
    if release == 2:
        built, starts = rebuild(rng, built, starts)
    with open(os.path.join(folder, "image"), "wb") as out:
        out.write(link(built, starts))


def archive(command):
    return lambda folder, release: run(f"cd root && {command} > ../image", folder)


NEWC = "find . -mindepth 1 | LC_ALL=C sort | cpio --reproducible -o -H newc -R 0:0 --quiet"
TAR = f"tar --format=ustar --sort=name --owner=0 --group=0 --mtime=@{TIME} -cf - ."


def ext4(options, size):
    def make(folder, release):
        run(f"rm -f image; mke2fs -q -t ext4 -d root -U 6ba7b810-9dad-11d1-80b4-00c04fd430c8 "
            f"-E hash_seed=6ba7b810-9dad-11d1-80b4-00c04fd430c8,root_owner=0:0 {options} image {size}", folder)
    return make


def ubi(volume, erase_bytes, page):
    """`volume` makes `image`, which becomes the only volume."""
    def make(folder, release):
        volume(folder, release)
        with open(os.path.join(folder, "ubi.ini"), "w") as ini:
            ini.write("[root]\nmode=ubi\nimage=volume\nvol_id=0\nvol_type=dynamic\nvol_name=root\n"
                      "vol_flags=autoresize\nvol_size=8MiB\n")
        run(f"mv image volume; ubinize -Q 1 -p {erase_bytes} -m {page} -o image ubi.ini", folder)
    return make


def ubifs(compressor):
    return lambda folder, release: run(
        f"rm -f image; mkfs.ubifs -r root -m 2048 -e 126976 -c 128 -x {compressor} -o image", folder)


def jffs2(options):
    return lambda folder, release: run(
        f"mkfs.jffs2 -r root -e 65536 -l -U -f {options} -o image", folder)


def uimage(kind, compress, prepare):
    def make(folder, release):
        run(f"(cd root/etc && {prepare}) | {compress} > member", folder)
        name = {"gzip -9n": "gzip", "lzma": "lzma", "cat": "none"}[compress]
        run(f"mkimage -q -A mips -O linux -T {kind} -C {name} -n test -d member image", folder)
    return make


def fit(kernel_compress, root_options):
    """Kernel, device tree, initramfs and a squashfs as members."""
    def make(folder, release):
        squashfs(root_options, "root.sq")(folder, release)
        run(f"""cat root/usr/bin/app0 root/usr/bin/app1 | {kernel_compress} > kernel.bin
            (cd root/etc && {NEWC}) | gzip -9n > initrd.bin
            echo '/dts-v1/; / {{ model = "acme"; compatible = "acme,pos-{release}"; }};' > a.dts
            dtc -q -O dtb -o a.dtb a.dts""", folder)
        name = kernel_compress.split()[0].replace("cat", "none")
        parts = "".join(f"""{n} {{ description = "{n}"; data = /incbin/("{f}"); type = "{t}"; arch = "mips";
            os = "linux"; compression = "{c}";
            load = <0x80000000>; entry = <0x80000000>; hash {{ algo = "sha256"; }}; }};"""
                        for n, f, t, c in (("kernel", "kernel.bin", "kernel", name),
                                           ("fdt", "a.dtb", "flat_dt", "none"),
                                           ("ramdisk", "initrd.bin", "ramdisk", "none"),
                                           ("rootfs", "root.sq", "filesystem", "none")))
        with open(os.path.join(folder, "image.its"), "w") as its:
            its.write(f"""/dts-v1/; / {{ description = "fit"; #address-cells = <1>; images {{ {parts} }};
                configurations {{ default = "c";
                c {{ kernel = "kernel"; fdt = "fdt"; ramdisk = "ramdisk"; }}; }}; }};""")
        run("mkimage -q -f image.its image", folder)
    return make


def kinds():
    """name → (maker, scale of its tree)."""
    found = {}
    blocks = ("4K", "16K", "64K", "128K", "256K", "512K", "1M")
    extra = ("", "-no-fragments", "-no-exports", "-always-use-fragments", "-no-xattrs -nopad", "-no-duplicates", "")
    for compressor in ("xz", "gzip", "zstd", "lz4", "lzo", "lzma"):
        for i, block in enumerate(blocks):
            # Of the ones that no terminal makes again the ends of the range say it all.
            if compressor in ("lzo", "lzma") and block not in ("4K", "128K", "1M"):
                continue
            if compressor == "lz4" and block in ("16K", "64K"):
                continue
            options = f"-comp {compressor} -b {block} {extra[i]}"
            if compressor == "lz4" and i % 2 == 0:
                options += " -Xhc"
            found[f"squashfs {options}"] = (squashfs(options), 1)
    owrt = "-comp xz -b 256K -nopad -no-exports -no-xattrs -Xbcj arm"
    found["openwrt squashfs, padded to erase blocks"] = (then(squashfs(owrt), padded(1 << 16)), 1)
    found["openwrt squashfs, signed"] = (then(squashfs(owrt), signed), 1)
    found["openwrt squashfs behind a kernel"] = (then(squashfs(owrt), prefixed(300_001)), 1)
    found["squashfs xz 1M behind a kernel, padded"] = (
        then(then(squashfs("-comp xz -b 1M"), prefixed(65_536)), padded(1 << 17)), 1)
    found["squashfs -Xbcj x86 -Xdict-size 50%"] = (squashfs("-comp xz -b 128K -Xbcj x86 -Xdict-size 50%"), 1)
    found["squashfs gzip level 6, window 12"] = (
        squashfs("-comp gzip -b 128K -Xcompression-level 6 -Xwindow-size 12"), 1)
    found["squashfs zstd level 22"] = (squashfs("-comp zstd -b 256K -Xcompression-level 22"), 1)
    found["squashfs nothing compressed"] = (squashfs("-comp gzip -noI -noD -noF -noX -noId"), 1)
    found["squashfs data not compressed"] = (squashfs("-comp xz -b 128K -noD -noF"), 1)
    for block, compress in (("256K", "cat"), ("1M", "cat"), ("256K", "gzip -9n")):
        found[f"sysupgrade tar, xz {block}, {compress}"] = (sysupgrade(f"-comp xz -b {block} -nopad", compress), 1)
    found["initramfs cpio"] = (archive(NEWC), 1)
    for compress in ("gzip -9n", "xz -9e --check=crc32", "zstd -q -19", "lz4 -q -9 -l", "lzma -9", "bzip2 -9",
                     "lzop -9"):
        found[f"initramfs cpio, {compress}"] = (archive(f"{NEWC} | {compress}"), 0.6)
    found["root tar"] = (archive(TAR), 1)
    found["root tar, gzip"] = (archive(f"{TAR} | gzip -9n"), 0.4)
    found["ext4 4K"] = (ext4("-b 4096 -J size=1", "4M"), 1)
    found["ext4 1K, no journal"] = (ext4("-b 1024 -O ^has_journal", "3M"), 1)
    found["ubi, squashfs xz"] = (ubi(squashfs("-comp xz -b 256K"), 131072, 2048), 1)
    found["ubi, squashfs zstd 1M"] = (ubi(squashfs("-comp zstd -b 1M"), 65536, 1), 1)
    for compressor in ("lzo", "zlib", "zstd", "none"):
        found[f"ubifs {compressor}"] = (ubi(ubifs(compressor), 131072, 2048), 0.7)
    found["jffs2"] = (jffs2(""), 0.7)
    found["jffs2 not compressed"] = (jffs2("-m none"), 0.7)
    found["uImage ramdisk, gzip"] = (uimage("ramdisk", "gzip -9n", NEWC), 1)
    found["uImage ramdisk, lzma"] = (uimage("ramdisk", "lzma", NEWC), 1)
    found["uImage, not compressed"] = (uimage("kernel", "cat", NEWC), 1)
    for compress in ("lzma", "gzip -9n", "cat"):
        found[f"FIT of four, {compress}"] = (fit(compress, "-comp xz -b 128K"), 1)
    found["a program built with other options"] = (program, 1)
    found["squashfs in a disk image"] = (
        then(then(squashfs("-comp gzip -b 128K"), prefixed(1 << 20)), filled(2 << 20)), 1)
    return found


def make_pair(name, seed, folder):
    """Writes `old.img` and `new.img` into `folder`."""
    make, scale = kinds()[name]
    for release, files in enumerate(trees(seed, scale), 1):
        work = os.path.join(folder, f"v{release}")
        write_tree(files, os.path.join(work, "root"))
        make(work, release)
        shutil.move(os.path.join(work, "image"), os.path.join(folder, ("old.img", "new.img")[release - 1]))
        shutil.rmtree(work)
