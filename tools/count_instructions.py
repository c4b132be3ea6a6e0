#!/usr/bin/env python3
"""count_instructions.py [--blocks BYTES] [--bytes N] [FILE]
       count_instructions.py --run PROGRAM [ARGUMENT...]

Instructions of a MIPS 24KEc for each plain byte, by codec and level: the table in delta/diff/profile.cc. N bytes
(1 MiB) of FILE in blocks of 256 KiB from all over it; without FILE, libcrypto of Debian's mipsel libssl3.
--run: all instructions of one program of the terminal, to compare an estimate with; say, after ./dev build,
  --run build/mipsel/bin/till-apply --base OLD --payload DELTA --out /dev/null

How: bench/terminal_costs.cc, built by the mipsel preset with the pinned codecs, runs under qemu-mipsel with
bench/instruction_counter.c, a TCG plugin that counts every executed guest instruction between marks. It counts
instructions, not cycles: nothing here knows of caches. The plugin's header comes from Debian's qemu source package.
Needs: qemu-user, the mipsel preset configured (./dev build does it after ./dev setup).
"""
import argparse, os, pathlib, subprocess, sys, tarfile, tempfile

from apt_state import cache_folder

TOP = pathlib.Path(__file__).resolve().parent.parent
APT = TOP / "tools/mipsel_apt.py"
SOURCE = TOP / "tools/debian_source.py"
BUILD = TOP / "build/mipsel"
CACHE = pathlib.Path(cache_folder()) / "qemu-plugin"


def run(*command, **more):
    return subprocess.run([str(part) for part in command], check=True, text=True, stdout=subprocess.PIPE, **more).stdout


def header():
    """qemu-plugin.h of the source package; its folder."""
    if not (CACHE / "qemu-plugin.h").exists():
        archive = next(path for path in run(SOURCE, "files", "qemu").splitlines() if ".orig.tar." in path)
        with tarfile.open(archive) as tar:
            member = next(m for m in tar if m.name.endswith("include/qemu/qemu-plugin.h"))
            CACHE.mkdir(parents=True, exist_ok=True)
            (CACHE / "qemu-plugin.h").write_bytes(tar.extractfile(member).read())
    return CACHE


def sample(path, block, total, work):
    """Whole blocks from all over the file."""
    if path is None:
        version = run(APT, "versions", "libssl3").split()[-1]
        run("dpkg-deb", "-x", run(APT, "download", f"libssl3={version}").split()[-1], work)
        path = next(work.rglob("libcrypto.so.3"))
    content = pathlib.Path(path).read_bytes()
    pieces = max(1, total // block)
    starts = [len(content) * (2 * i + 1) // (2 * pieces) // 4096 * 4096 for i in range(pieces)]
    cut = work / "sample"
    cut.write_bytes(b"".join(content[at:at + block] for at in starts))
    return cut


def count(work, *command):
    """What the guest printed, and its marks."""
    plugin, marks = work / "count.so", work / "marks"
    run("cc", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-isystem", header(), "-o", plugin,
        TOP / "bench/instruction_counter.c")
    printed = run("qemu-mipsel", "-cpu", "34Kf", "-L", TOP / "build/mipsel-sysroot", "-plugin",
                  f"{plugin},out={marks}", *command)
    return printed, {mark: int(spent) for mark, spent in map(str.split, marks.read_text().splitlines())}


def main():
    if sys.argv[1:2] == ["--run"] and len(sys.argv) > 2:
        with tempfile.TemporaryDirectory() as folder:
            printed, at = count(pathlib.Path(folder), *sys.argv[2:])
        return print(f"{printed}{at['exit']} instructions")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?")
    parser.add_argument("--blocks", type=int, default=256 << 10)
    parser.add_argument("--bytes", type=int, default=1 << 20)
    arguments = parser.parse_args()
    run("cmake", "--build", BUILD, "--target", "terminal_costs", "-j", os.environ.get("TILL_JOBS", "2"))
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        printed, at = count(work, BUILD / "bench/terminal_costs",
                            sample(arguments.file, arguments.blocks, arguments.bytes, work), arguments.blocks)
    for line in printed.splitlines():
        number, codec, way, plain_bytes = line.split()
        spent = at[str(int(number) + 1)] - at[number]
        print(f"{codec:18} {way:7} {spent / int(plain_bytes):10.1f}")


if __name__ == "__main__":
    main()
