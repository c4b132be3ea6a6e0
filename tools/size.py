#!/usr/bin/env python3
"""Sections of the terminal's programs, and of the shared libraries they bring along, against a baseline.

usage: size.py BIN_DIR SYSROOT [--update] [--json]

Fails (4) when text + data of a program grew by 2 % or more over bench/baselines/size.json; --update writes it anew.
The libraries are Debian's builds, larger than OpenWrt's; they stand beside the programs so that nobody forgets them.
"""
import glob, json, os, re, subprocess, sys
from sources import ROOT

BASELINE = os.path.join(ROOT, "bench/baselines/size.json")
CROSS = "mipsel-linux-gnu-"
SYSTEM = ("libc.so", "libm.so", "ld.so", "libgcc_s.so", "libpthread.so")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def sections(path):
    text, data, bss = output(CROSS + "size", path).splitlines()[1].split()[:3]
    stripped = path + ".stripped"
    subprocess.run([CROSS + "strip", "-o", stripped, path], check=True)
    size = os.path.getsize(stripped)
    os.remove(stripped)
    return {"text": int(text), "data": int(data), "bss": int(bss), "file": size}


def needed(path, sysroot, seen):
    """Every shared library behind `path`, however deep, with its file."""
    for name in re.findall(r"\(NEEDED\).*\[(.*?)\]", output(CROSS + "readelf", "-d", path)):
        found = next(iter(glob.glob(f"{sysroot}/usr/lib/mipsel-linux-gnu/{name}") +
                          glob.glob(f"{sysroot}/lib/mipsel-linux-gnu/{name}")), None)
        if found and name not in seen:
            seen[name] = os.path.getsize(os.path.realpath(found))
            needed(found, sysroot, seen)
    return seen


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    options = {a for a in sys.argv[1:] if a.startswith("--")}
    if len(arguments) != 2 or options - {"--update", "--json"}:
        sys.exit(__doc__)
    programs = sorted(p for p in glob.glob(os.path.join(arguments[0], "*")) if os.access(p, os.X_OK))
    if not programs:
        sys.exit(f"size: no programs in {arguments[0]}")
    held = json.load(open(BASELINE)) if os.path.exists(BASELINE) else {}
    now, libraries, grown = {}, {}, []
    print(f"{'program':16} {'text':>9} {'data':>7} {'bss':>7} {'stripped':>9}   baseline", file=sys.stderr)
    for path in programs:
        name = os.path.basename(path)
        now[name] = size = sections(path)
        direct = needed(path, arguments[1], {})
        libraries.update(direct)
        before = held.get(name)
        ratio = (size["text"] + size["data"]) / (before["text"] + before["data"]) if before else None
        print(f"{name:16} {size['text']:9} {size['data']:7} {size['bss']:7} {size['file']:9}   "
              f"{f'{(ratio - 1) * 100:+.1f} %' if ratio else 'none: ./dev size --update'}", file=sys.stderr)
        print(f"{'':16} loads {', '.join(n for n in direct if not n.startswith(SYSTEM)) or 'the C library only'}",
              file=sys.stderr)
        if ratio and ratio >= 1.02:
            grown.append(name)
    # The pinned codecs are linked into the programs (what the linker drops of them is not counted off here).
    for archive in sorted(glob.glob(os.path.join(arguments[0], "..", "libpinned_*.a"))):
        text, data, bss = output(CROSS + "size", "-t", archive).splitlines()[-1].split()[:3]
        name = os.path.basename(archive)[len("libpinned_"):-len(".a")]
        print(f"{'codec ' + name:16} {int(text):9} {int(data):7} {int(bss):7}   in the programs", file=sys.stderr)
    for name, size in sorted(libraries.items(), key=lambda item: -item[1]):
        print(f"  {name:28} {size:9}", file=sys.stderr)
    if "--json" in options:
        print(json.dumps({"programs": now, "libraries": libraries}))
    if "--update" in options:
        os.makedirs(os.path.dirname(BASELINE), exist_ok=True)
        with open(BASELINE, "w") as out:
            out.write(json.dumps(now, indent=2, sort_keys=True) + "\n")
        return 0
    if grown:
        print(f"size: grew by 2 % or more: {', '.join(grown)}", file=sys.stderr)
    return 4 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
