#!/usr/bin/env python3
"""delta_peers.py [--pair OLD NEW]... [--expanded] [--json | --readme FILE]

Our delta beside what Debian has, in the same run: bsdiff, xdelta3, zstd --patch-from, and the chunk stores casync and
zchunk, which need no base known beforehand. Without --pair: the demo's firmware, which tools/make_firmware.sh makes of
Debian packages, and, where ../shared/corpus holds them, the firmware pairs; a kernel is also measured as `tillpack
kernel` packs it. --expanded gives the byte-level peers what `tillpack expand` writes: every compressed block of both
whole images replaced by its plain bytes.

Sizes are bytes as they travel (ours with header, hashes and chunk list). CPU seconds and peak memory are the operating
system's own account of each finished process; the ratios are what to quote, the machine is not. Every delta is applied
and the result compared with the new image. Seconds on an mt7688 are an estimate: counted instructions x 2.5 cycles at
580 MHz, where 2.5 is an assumption.
"""
import argparse, filecmp, json, os, pathlib, re, shutil, subprocess, sys, tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("TILL_BIN", TOP / "build/dev/bin"))
CYCLES_PER_INSTRUCTION, CYCLES_PER_SECOND = 2.5, 580e6
BYTE_LEVEL = ("bsdiff", "xdelta3", "zstd")


def tools(old, new, work):
    """name -> (make command, apply command); each makes work/NAME and work/out."""
    out = str(work / "out")
    path = {name: str(work / name) for name in ("tillrace", *BYTE_LEVEL)}
    return {
        "tillrace": ([str(BIN / "tillpack"), "delta", "--json", "--from", old, "--to", new, "-o", path["tillrace"]],
                     [str(BIN / "till-apply"), "--base", old, "--payload", path["tillrace"], "--out", out]),
        "bsdiff": (["bsdiff", old, new, path["bsdiff"]], ["bspatch", old, out, path["bsdiff"]]),
        "xdelta3": (["xdelta3", "-e", "-9", "-S", "lzma", "-f", "-s", old, new, path["xdelta3"]],
                    ["xdelta3", "-d", "-f", "-s", old, path["xdelta3"], out]),
        "zstd": (["zstd", "-q", "-f", "--ultra", "-22", "--long=27", f"--patch-from={old}", new, "-o", path["zstd"]],
                 ["zstd", "-q", "-f", "-d", "--long=27", f"--patch-from={old}", path["zstd"], "-o", out]),
    }


def account(command):
    """Runs a command to its end: what it printed, CPU seconds and peak memory in KiB, of this process alone.

    Through GNU time: a process started from here would count this interpreter's memory as its own peak.
    """
    with tempfile.NamedTemporaryFile("r") as figures:
        done = subprocess.run(["/usr/bin/time", "-o", figures.name, "-f", "%U %S %M", *command], capture_output=True)
        if done.returncode != 0:
            sys.exit(f"failed ({done.returncode}): {' '.join(command)}\n{done.stderr.decode(errors='replace')}")
        user, system, peak_kib = figures.read().split()
    return done.stdout.decode(errors="replace"), float(user) + float(system), int(peak_kib)


def delta_row(name, make, apply, work, new):
    printed, make_cpu, make_rss = account(make)
    (work / "out").unlink(missing_ok=True)
    _, apply_cpu, apply_rss = account(apply)
    if not filecmp.cmp(work / "out", new, shallow=False):
        sys.exit(f"{name} did not give the new image back")
    row = {"tool": name, "bytes": (work / name).stat().st_size, "make_cpu_s": make_cpu, "make_rss_kib": make_rss,
           "apply_cpu_s": apply_cpu, "apply_rss_kib": apply_rss}
    if name == "tillrace":
        said = json.loads(printed.strip().splitlines()[-1])
        row.update({key: said[key] for key in ("arena_bytes", "remade_blocks", "base_decodes", "mega_instructions")})
    return row


def casync_row(old, new, work):
    """The chunks a client that holds OLD lacks, as they travel, and the index."""
    store, index = work / "chunks", work / "new.caibx"
    account(["casync", "make", f"--store={store}", str(work / "old.caibx"), old])
    held = {p for p in store.rglob("*.cacnk")}
    _, make_cpu, make_rss = account(["casync", "make", f"--store={store}", str(index), new])
    fetched = sum(p.stat().st_size for p in store.rglob("*.cacnk") if p not in held)
    return {"tool": "casync", "bytes": fetched + index.stat().st_size, "make_cpu_s": make_cpu, "make_rss_kib": make_rss}


def zchunk_row(old, new, work):
    account(["zck", "-o", str(work / "old.zck"), old])
    _, make_cpu, make_rss = account(["zck", "-o", str(work / "new.zck"), new])
    printed, _, _ = account(["zck_delta_size", str(work / "old.zck"), str(work / "new.zck")])
    fetched = int(re.search(r"Would download (\d+) of", printed).group(1))
    return {"tool": "zchunk", "bytes": fetched, "make_cpu_s": make_cpu, "make_rss_kib": make_rss}


def measure(label, old, new, expanded):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        rows = [delta_row(name, *commands, work, new) for name, commands in tools(old, new, work).items()]
        rows += [casync_row(old, new, work), zchunk_row(old, new, work)]
        best = min(row["bytes"] for row in rows if row["tool"] in BYTE_LEVEL)
        for row in rows:
            row.update({"pair": label, "of_best_peer": row["bytes"] / best})
        if expanded:
            rows += expanded_rows(label, old, new, rows[0], work)
    return rows


def expanded_rows(label, old, new, ours, work):
    plain = {}
    for name, image in (("old", old), ("new", new)):
        plain[name] = str(work / f"{name}.plain")
        account([str(BIN / "tillpack"), "expand", image, "-o", plain[name]])
    commands = tools(plain["old"], plain["new"], work)
    rows = [delta_row(name, *commands[name], work, plain["new"]) for name in BYTE_LEVEL]
    best = min(row["bytes"] for row in rows)
    for row in rows:
        row.update({"pair": label, "tool": row["tool"] + ", expanded", "of_best_peer": row["bytes"] / best})
    return rows + [{**ours, "tool": "tillrace, of best on expanded", "of_best_peer": ours["bytes"] / best}]


def packed_kernel(image, work):
    packed = work / (pathlib.Path(image).name + ".packed")
    account([str(BIN / "tillpack"), "kernel", image, "-o", str(packed)])
    return str(packed)


def default_pairs(work):
    firmware = TOP / "build/firmware"
    subprocess.run([str(TOP / "tools/make_firmware.sh"), str(firmware)], check=True, stdout=subprocess.DEVNULL)
    pairs = [("demo firmware", firmware / "rootfs-1.0.0.squashfs", firmware / "rootfs-1.1.0.squashfs")]
    corpus = TOP.parent / "shared/corpus"
    if corpus.is_dir():
        kernels = [corpus / f"kernel-24.10.{n}.uImage" for n in (0, 1)]
        pairs += [("S", corpus / "rootfs-1.4.0.squashfs", corpus / "rootfs-1.4.1.squashfs"),
                  ("M", corpus / "rootfs-1.4.0.squashfs", corpus / "rootfs-1.4.2.squashfs"),
                  ("kernel as shipped", *kernels),
                  ("kernel, packed", *(packed_kernel(str(kernel), work) for kernel in kernels))]
    return [(label, str(old), str(new)) for label, old, new in pairs]


def table(results):
    yield ("| pair | tool | bytes | of best peer | make CPU s | make MiB | apply CPU s | apply MiB | arena MiB"
           " | base decodes / re-made blocks | mt7688 s |")
    yield "|" + "---|" * 11
    for row in results:
        make = f"{row['make_cpu_s']:.1f} | {row['make_rss_kib'] / 1024:.0f}"
        apply = f"{row['apply_cpu_s']:.2f} | {row['apply_rss_kib'] / 1024:.1f}" if "apply_cpu_s" in row else " | "
        extra = " | | "
        if "arena_bytes" in row:
            seconds = row["mega_instructions"] * 2**20 * CYCLES_PER_INSTRUCTION / CYCLES_PER_SECOND
            extra = (f"{row['arena_bytes'] / 2**20:.2f} | {row['base_decodes']} / {row['remade_blocks']}"
                     f" | {seconds:.0f}")
        name = f"**{row['tool']}**" if row["tool"] == "tillrace" else row["tool"]
        yield f"| {row['pair']} | {name} | {row['bytes']:,} | {row['of_best_peer']:.3f} | {make} | {apply} | {extra} |"


def write_readme(path, lines):
    text = pathlib.Path(path).read_text()
    begin, end = "<!-- bench:delta -->\n", "<!-- /bench:delta -->"
    head, rest = text.split(begin)
    pathlib.Path(path).write_text(head + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", nargs=2, action="append", metavar=("OLD", "NEW"))
    parser.add_argument("--expanded", action="store_true", help="the peers on the expanded images too (minutes)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--readme", metavar="FILE", help="replace the table of this file")
    arguments = parser.parse_args()
    missing = [name for name in (*BYTE_LEVEL, "casync", "zck") if shutil.which(name) is None]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)} (./dev setup installs them)")
    with tempfile.TemporaryDirectory() as folder:
        given = [(pathlib.Path(new).name, old, new) for old, new in arguments.pair or []]
        pairs = given or default_pairs(pathlib.Path(folder))
        results = [row for pair in pairs for row in measure(*pair, arguments.expanded)]
    if arguments.readme:
        write_readme(arguments.readme, list(table(results)))
    print(json.dumps(results, indent=2) if arguments.json else "\n".join(table(results)))


if __name__ == "__main__":
    main()
