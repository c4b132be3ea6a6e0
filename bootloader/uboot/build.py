#!/usr/bin/env python3
"""Builds U-Boot with till_boot: Debian's source package, this folder's files, three hooks (see bootloader/README.md).

usage: build.py BOARD [--key KEY.pem] [--jobs N]       BOARD: sandbox, malta, mt7688
Results in build/u-boot/BOARD/ (printed last). KEY.pem: the RSA key whose public half is built in; without --key a
development key is made in build/u-boot/keys. Nothing is built again that has not changed.
"""
import argparse, fcntl, os, shutil, struct, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(ROOT, "build", "u-boot")
SOURCE = os.path.join(OUT, "source")
# board: U-Boot's own configuration it starts from, cross compiler, what make builds
BOARDS = {
    "sandbox": ("sandbox_defconfig", "", ["u-boot"]),
    "malta": ("maltael_defconfig", "mipsel-linux-gnu-", ["u-boot-nodtb.bin"]),
    "mt7688": ("mt7628_rfb_defconfig", "mipsel-linux-gnu-", ["u-boot-with-spl.bin"]),
}
HOOKS = [  # file, text before which a line goes in, the line
    ("Makefile", "libs-y += common/", "libs-$(CONFIG_CMD_TILL_BOOT) += tillrace/\n"),
    ("cmd/Kconfig", "menu \"Info commands\"", "source \"tillrace/Kconfig\"\n\n"),
    # QEMU's malta has what -m says; U-Boot believes in 256 MiB and would move to memory that is not there.
    ("include/configs/malta.h", "#define CONFIG_SYS_INIT_SP_OFFSET",
     "#undef CONFIG_SYS_SDRAM_SIZE\n#define CONFIG_SYS_SDRAM_SIZE 0x4000000\n"),
    # Two nodes for each image that a signature covers, and a packed kernel is one image for every 256 KiB.
    ("boot/image-fit-sig.c", "#define FIT_MAX_HASH_PATH_BUF",
     "#undef IMAGE_MAX_HASHED_NODES\n#define IMAGE_MAX_HASHED_NODES 200\n"),
    # With ENV_WRITEABLE_LIST, nothing else is taken from the environment in flash: not bootcmd, not bootargs.
    ("include/configs/mt7628.h", "#define CONFIG_SYS_SDRAM_BASE",
     "#define CONFIG_ENV_FLAGS_LIST_STATIC \"ethaddr:mw,serial#:sw\"\n"),
]


def run(*command, **kwargs):
    print("+", *command, file=sys.stderr)
    subprocess.run(command, check=True, stdout=sys.stderr, **kwargs)


def put(text, path):
    """Writes a file unless it says so already: make looks at times."""
    if os.path.exists(path) and open(path).read() == text:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as out:
        out.write(text)


def prepare_source():
    if not os.path.exists(os.path.join(SOURCE, "Makefile")):
        run("python3", os.path.join(ROOT, "tools", "debian_source.py"), "unpack", SOURCE, "u-boot")
    for name, before, line in HOOKS:
        path = os.path.join(SOURCE, name)
        text = open(path).read()
        if line not in text:
            if text.count(before) != 1:
                sys.exit(f"build.py: {name} of this U-Boot has no single '{before}' to hook in")
            put(text.replace(before, line + before), path)
    ours = os.path.join(SOURCE, "tillrace")
    for name in sorted(os.listdir(HERE)):
        if name in ("Kconfig", "Makefile"):
            put(open(os.path.join(HERE, name)).read(), os.path.join(ours, name))
        if name.endswith((".c", ".h")):
            put(open(os.path.join(HERE, name)).read(), os.path.join(ours, "bootloader", "uboot", name))
    for name in ("boot_state.c", "boot_state.h", "boot_choice.c", "boot_choice.h"):
        put(open(os.path.join(ROOT, "bootloader", name)).read(), os.path.join(ours, "bootloader", name))


def make(board, folder, *targets, jobs):
    _, cross, _ = BOARDS[board]
    ccache = "ccache " if shutil.which("ccache") else ""
    env = dict(os.environ, CCACHE_NOHASHDIR="1", SOURCE_DATE_EPOCH="1700000000")
    run("make", "-s", f"-j{jobs}", "-C", SOURCE, f"O={folder}", "ARCH=" + ("mips" if cross else "sandbox"),
        f"CROSS_COMPILE={cross}", f"CC={ccache}{cross}gcc", f"HOSTCC={ccache}gcc", "NO_SDL=1",
        # binman and its Python bindings (swig) assemble images that nobody here wants; "imply" lets no fragment say so.
        "CONFIG_BINMAN=", "CONFIG_PYLIBFDT=", "CONFIG_DTOC=", *targets, env=env)


def configure(board, folder, jobs):
    base, _, _ = BOARDS[board]
    wanted = open(os.path.join(SOURCE, "configs", base)).read() + \
        open(os.path.join(HERE, "boards", board + ".config")).read()
    # The fragment's word is the last one of each symbol.
    final = {}
    for line in wanted.splitlines():
        symbol = line.removeprefix("# ").split("=")[0].split(" ")[0]
        if symbol.startswith("CONFIG_"):
            final[symbol] = line
    text = "\n".join(final.values()) + "\n"
    stamp = os.path.join(folder, "till.defconfig")
    if os.path.exists(stamp) and open(stamp).read() == text and os.path.exists(os.path.join(folder, ".config")):
        return
    put(text, os.path.join(SOURCE, "configs", f"till_{board}_defconfig"))
    make(board, folder, f"till_{board}_defconfig", jobs=jobs)
    got = open(os.path.join(folder, ".config")).read()
    for line in open(os.path.join(HERE, "boards", board + ".config")).read().splitlines():
        if line.startswith("CONFIG_") and line + "\n" not in got:
            sys.exit(f"build.py: {line} did not hold: this U-Boot has other rules")
    put(text, stamp)


def development_key():
    key = os.path.join(OUT, "keys", "dev.pem")
    if not os.path.exists(key):
        os.makedirs(os.path.dirname(key), exist_ok=True)
        run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", key + ".new")
        os.rename(key + ".new", key)
    return key


def device_tree(board, folder, key, name=None, overlay=""):
    """The control device tree with the public key in it; the path of the .dtb."""
    name = name or board
    source = open(os.path.join(HERE, "boards", board + ".dts")).read() + overlay
    path = os.path.join(folder, f"till-{name}.dts")
    dtb = path[:-1] + "b"
    put(source, path)
    include = ["-I" + os.path.join(SOURCE, d) for d in ("arch/mips/dts", "include", "arch/mips/include")]
    with open(path + ".pre", "w") as out:
        subprocess.run(["gcc", "-E", "-P", "-nostdinc", "-undef", "-D__DTS__", "-x", "assembler-with-cpp", *include,
                        path], check=True, stdout=out)
    run("dtc", "-q", "-I", "dts", "-O", "dtb", "-p", "4096", "-o", dtb, path + ".pre")
    run("python3", os.path.join(HERE, "make_slot_image.py"), "--key", key, "--add-key-to", dtb)
    return dtb


def swap_words(image):
    """As QEMU's malta shows its flash to a little-endian processor: every 32-bit word turned round."""
    image += b"\xff" * (-len(image) % 4)
    return b"".join(struct.pack(">I", word) for (word,) in struct.iter_unpack("<I", image))


def build(board, key, jobs):
    folder = os.path.join(OUT, board)
    os.makedirs(folder, exist_ok=True)
    lock = open(os.path.join(OUT, ".lock"), "w")   # one build at a time: they share the source
    fcntl.flock(lock, fcntl.LOCK_EX)
    prepare_source()
    configure(board, folder, jobs)
    if board == "mt7688":
        make(board, folder, *BOARDS[board][2], "EXT_DTB=" + device_tree(board, folder, key), jobs=jobs)
        image = os.path.join(folder, "u-boot-with-spl.bin")
        if os.path.getsize(image) > 0x50000:
            sys.exit("build.py: does not fit below the environment at 0x50000")
        return [image]
    make(board, folder, *BOARDS[board][2], jobs=jobs)
    dtb = device_tree(board, folder, key)
    if board == "sandbox":
        host = device_tree(board, folder, key, "host", '&till { storage = "host"; device = "0"; };\n')
        return [os.path.join(folder, "u-boot"), dtb, host]
    code = open(os.path.join(folder, "u-boot-nodtb.bin"), "rb").read() + open(dtb, "rb").read()
    flash = swap_words(code)
    if len(flash) > 0x3e0000:
        sys.exit("build.py: does not fit below the environment at 0x3e0000")
    with open(os.path.join(folder, "flash.bin"), "wb") as out:
        out.write(flash + b"\xff" * ((4 << 20) - len(flash)))
    return [os.path.join(folder, "flash.bin")]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("board", choices=BOARDS)
    parser.add_argument("--key")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    print("\n".join(build(arguments.board, arguments.key or development_key(), arguments.jobs)))


if __name__ == "__main__":
    main()
