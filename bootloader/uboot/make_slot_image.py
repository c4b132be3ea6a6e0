#!/usr/bin/env python3
"""What goes into a slot: a signed FIT (kernel, device tree, first file system), then the root file system.

usage: make_slot_image.py --key KEY.pem --kernel FILE --rootfs FILE --rollback-index N --out IMAGE
           [--arch mips|sandbox] [--load ADDRESS] [--entry ADDRESS] [--compression none|lzma|gzip] [--dtb FILE]
           [--ramdisk FILE] [--bootargs TEXT] [--align BYTES]
       make_slot_image.py --key KEY.pem --add-key-to CONTROL.dtb
The signed configuration vouches for the FIT's images by their hashes and for the rootfs by offset, length and SHA-256.
--kernel: a raw or compressed kernel (--load, --entry, --compression), or a FIT that `tillpack kernel` packed: its
frames are taken over, each with its own address, and a terminal can make those that change again.
--align: where the rootfs begins, a multiple of this (65536: an erase block, as OpenWrt's splitter expects it).
--add-key-to: puts the public half into a boot loader's device tree, as required for every configuration.
Needs u-boot-tools (mkimage, dumpimage) and device-tree-compiler (fdtget). The same inputs give the same bytes.
"""
import argparse, hashlib, os, shutil, struct, subprocess, sys, tempfile

MAX_FRAMES = 88  # what U-Boot, as build.py makes it, has room to verify: 200 nodes, 4096 bytes of their paths
NODES = '''/dts-v1/;
/ {{
    description = "tillrace slot image";
    #address-cells = <1>;
    images {{
{kernel}{more}    }};
    configurations {{
        default = "slot";
        slot {{
            kernel = {kernel_names}; {names}
            tillrace,rollback-index = <{index}>;
            tillrace,rootfs-offset = <{offset}>;
            tillrace,rootfs-bytes = <{rootfs_bytes}>;
            tillrace,rootfs-sha256 = [{sha256}];
{bootargs}            signature {{ algo = "sha256,{algorithm}"; key-name-hint = "till"; sign-images = {signs}; }};
        }};
    }};
}};
'''
KERNEL = '''        {name} {{
            data = /incbin/("{path}"); type = "{kind}"; os = "linux"; arch = "{arch}"; compression = "{compression}";
            load = <{load}>; {entry}{coded_bytes}
            hash-1 {{ algo = "sha256"; }};
        }};
'''
MORE = '''        {name} {{
            data = /incbin/("{path}"); type = "{kind}"; arch = "{arch}"; compression = "none"; {os}
            hash-1 {{ algo = "sha256"; }};
        }};
'''


def mkimage(folder, *arguments):
    env = dict(os.environ, SOURCE_DATE_EPOCH=os.environ.get("SOURCE_DATE_EPOCH", "1700000000"))
    done = subprocess.run(["mkimage", *arguments], cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"make_slot_image: mkimage failed: {done.stdout}{done.stderr}")


def key_folder(folder, key):
    """mkimage takes keys by name from a folder, and wants a certificate beside them only for RSA engines' sake."""
    keys = os.path.join(folder, "keys")
    os.makedirs(keys, mode=0o700)
    shutil.copy(key, os.path.join(keys, "till.key"))
    subprocess.run(["openssl", "req", "-new", "-x509", "-key", key, "-subj", "/CN=till", "-days", "36500", "-out",
                    os.path.join(keys, "till.crt")], check=True, capture_output=True)
    return keys


def algorithm_of(key):
    text = subprocess.run(["openssl", "pkey", "-in", key, "-noout", "-text"], check=True, capture_output=True,
                          text=True).stdout
    for bits in ("2048", "3072", "4096"):
        if f"({bits} bit" in text and "modulus" in text.lower():
            return "rsa" + bits
    sys.exit("make_slot_image: the key must be RSA of 2048, 3072 or 4096 bits")


def tree(fit, node, name, kind):
    """A property of a FIT, or ""."""
    done = subprocess.run(["fdtget", "-t", kind, fit, node, name], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def kernel_nodes(arguments, folder):
    """(nodes, value of `kernel`, value of `loadables` or "")"""
    path = os.path.abspath(arguments.kernel)
    if open(path, "rb").read(4) != b"\xd0\x0d\xfe\xed":
        return KERNEL.format(name="kernel", path=path, kind="kernel", arch=arguments.arch, load=arguments.load,
                             compression=arguments.compression, entry=f"entry = <{arguments.entry}>;",
                             coded_bytes=""), '"kernel"', ""
    names = subprocess.run(["fdtget", "-l", path, "/images"], check=True, capture_output=True, text=True).stdout.split()
    if not names or len(names) > MAX_FRAMES:
        sys.exit(f"make_slot_image: {len(names)} frames; U-Boot verifies at most {MAX_FRAMES} beside the others")
    nodes = ""
    for index, name in enumerate(names):
        frame = os.path.join(folder, name)
        subprocess.run(["dumpimage", "-T", "flat_dt", "-p", str(index), "-o", frame, path], check=True,
                       capture_output=True)
        kind, arch, compression = (tree(path, f"/images/{name}", key, "s") for key in ("type", "arch", "compression"))
        load, entry, coded = (tree(path, f"/images/{name}", key, "u") for key in ("load", "entry",
                                                                                  "tillrace,coded-bytes"))
        nodes += KERNEL.format(name=name, path=frame, kind=kind, arch=arch, compression=compression, load=load,
                               entry=f"entry = <{entry}>;" if entry else "",
                               coded_bytes=f" tillrace,coded-bytes = <{coded}>;" if coded else "")
    return nodes, f'"{names[0]}"', ", ".join(f'"{name}"' for name in names[1:])


def fit(folder, keys, values, offset):
    with open(os.path.join(folder, "slot.its"), "w") as out:
        out.write(NODES.format(offset=offset, **values))
    mkimage(folder, "-f", "slot.its", "-k", keys, "-r", "slot.itb")
    return open(os.path.join(folder, "slot.itb"), "rb").read()


def build(arguments, folder):
    keys = key_folder(folder, arguments.key)
    kernel, kernel_names, loadables = kernel_nodes(arguments, folder)
    more, names, signs = "", "", '"kernel"'
    if loadables:
        names, signs = f"loadables = {loadables}; ", '"kernel", "loadables"'
    for name, kind, prop, path in (("fdt", "flat_dt", "fdt", arguments.dtb),
                                   ("ramdisk", "ramdisk", "ramdisk", arguments.ramdisk)):
        if path:
            more += MORE.format(name=name, kind=kind, path=os.path.abspath(path), arch=arguments.arch,
                                os='os = "linux";' if name == "ramdisk" else "")
            names += f'{prop} = "{name}"; '
            signs += f', "{prop}"'
    rootfs = open(arguments.rootfs, "rb").read()
    values = dict(kernel=kernel, kernel_names=kernel_names, more=more, names=names, signs=signs,
                  index=arguments.rollback_index, rootfs_bytes=len(rootfs), algorithm=algorithm_of(arguments.key),
                  sha256=hashlib.sha256(rootfs).hexdigest(),
                  bootargs=f'            tillrace,bootargs = "{arguments.bootargs}";\n' if arguments.bootargs else "")
    # The offset is signed, so the FIT is made twice: once to learn its length.
    length = len(fit(folder, keys, values, 0))
    offset = -(-length // arguments.align) * arguments.align
    head = fit(folder, keys, values, offset)
    if len(head) != length or struct.unpack(">I", head[4:8])[0] != length:
        sys.exit("make_slot_image: the FIT's length changed with its content")
    with open(arguments.out, "wb") as out:
        out.write(head + bytes(offset - length) + rootfs)


def add_key(arguments, folder):
    """mkimage writes a key into a device tree when it signs something with it: here, an empty FIT."""
    keys = key_folder(folder, arguments.key)
    open(os.path.join(folder, "empty"), "wb").write(b"\0")
    kernel = KERNEL.format(name="kernel", path="empty", kind="kernel", arch="mips", compression="none", load="0",
                           entry="entry = <0>;", coded_bytes="")
    values = dict(kernel=kernel, kernel_names='"kernel"', more="", names="", signs='"kernel"', index=0,
                  rootfs_bytes=0, algorithm=algorithm_of(arguments.key), sha256="00" * 32,
                  bootargs="", offset=0)
    with open(os.path.join(folder, "slot.its"), "w") as out:
        out.write(NODES.format(**values))
    mkimage(folder, "-f", "slot.its", "-k", keys, "-K", os.path.abspath(arguments.add_key_to), "-r", "slot.itb")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--key", required=True)
    parser.add_argument("--add-key-to")
    for name in ("kernel", "rootfs", "out", "dtb", "ramdisk", "bootargs"):
        parser.add_argument("--" + name)
    parser.add_argument("--rollback-index", type=int, default=0)
    parser.add_argument("--arch", default="mips")
    parser.add_argument("--load", default="0x80100000")
    parser.add_argument("--entry", default="0x80100000")
    parser.add_argument("--compression", default="none")
    parser.add_argument("--align", type=int, default=65536)
    arguments = parser.parse_args()
    if not arguments.add_key_to and not (arguments.kernel and arguments.rootfs and arguments.out):
        parser.error("--kernel, --rootfs and --out are needed")
    with tempfile.TemporaryDirectory() as folder:
        (add_key if arguments.add_key_to else build)(arguments, folder)


if __name__ == "__main__":
    main()
