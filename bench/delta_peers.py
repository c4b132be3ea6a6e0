#!/usr/bin/env python3
"""delta_peers.py [--pair OLD NEW]... [--json]: our delta beside Debian's bsdiff, xdelta3 and zstd, in the same run.

Without --pair: the demo's firmware (tools/make_firmware.sh) and, where ../shared/corpus holds them, the firmware pairs.
Sizes are bytes as they travel (ours with header and hashes). CPU seconds and peak memory are the operating system's
own account of each finished process; the ratios are what to quote, the machine is not. Every delta is applied and the
result compared with the new image.
"""
import argparse
import filecmp
import json
import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("TILL_BIN", TOP / "build/dev/bin"))


def tools(old, new, work):
    """name -> (make command, apply command); each makes work/NAME and work/out."""
    out = str(work / "out")
    path = {name: str(work / name) for name in ("tillrace", "bsdiff", "xdelta3", "zstd")}
    return {
        "tillrace": ([str(BIN / "tillpack"), "delta", "--from", old, "--to", new, "-o", path["tillrace"]],
                     [str(BIN / "till-apply"), "--base", old, "--payload", path["tillrace"], "--out", out]),
        "bsdiff": (["bsdiff", old, new, path["bsdiff"]], ["bspatch", old, out, path["bsdiff"]]),
        "xdelta3": (["xdelta3", "-e", "-9", "-S", "lzma", "-f", "-s", old, new, path["xdelta3"]],
                    ["xdelta3", "-d", "-f", "-s", old, path["xdelta3"], out]),
        "zstd": (["zstd", "-q", "-f", "--ultra", "-22", "--long=27", f"--patch-from={old}", new, "-o", path["zstd"]],
                 ["zstd", "-q", "-f", "-d", "--long=27", f"--patch-from={old}", path["zstd"], "-o", out]),
    }


def account(command):
    """Runs a command to its end: CPU seconds and peak memory in KiB, of this process alone.

    Through GNU time: a process started from here would count this interpreter's memory as its own peak.
    """
    with tempfile.NamedTemporaryFile("r") as figures:
        done = subprocess.run(["/usr/bin/time", "-o", figures.name, "-f", "%U %S %M", *command],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"failed ({done.returncode}): {' '.join(command)}\n{done.stderr.decode(errors='replace')}")
        user, system, peak_kib = figures.read().split()
    return float(user) + float(system), int(peak_kib)


def measure(label, old, new):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for name, (make, apply) in tools(old, new, work).items():
            make_cpu, make_rss = account(make)
            (work / "out").unlink(missing_ok=True)
            apply_cpu, apply_rss = account(apply)
            if not filecmp.cmp(work / "out", new, shallow=False):
                sys.exit(f"{name} did not give the new image back")
            rows.append({"pair": label, "tool": name, "bytes": (work / name).stat().st_size, "make_cpu_s": make_cpu,
                         "make_rss_kib": make_rss, "apply_cpu_s": apply_cpu, "apply_rss_kib": apply_rss})
    best = min(row["bytes"] for row in rows if row["tool"] != "tillrace")
    for row in rows:
        row["of_best_peer"] = row["bytes"] / best
    return rows


def default_pairs():
    firmware = TOP / "build/firmware"
    subprocess.run([str(TOP / "tools/make_firmware.sh"), str(firmware)], check=True, stdout=subprocess.DEVNULL)
    pairs = [("demo", firmware / "rootfs-1.0.0.squashfs", firmware / "rootfs-1.1.0.squashfs")]
    corpus = TOP.parent / "shared/corpus"
    if corpus.is_dir():
        pairs += [("S", corpus / "rootfs-1.4.0.squashfs", corpus / "rootfs-1.4.1.squashfs"),
                  ("M", corpus / "rootfs-1.4.0.squashfs", corpus / "rootfs-1.4.2.squashfs"),
                  ("kernel", corpus / "kernel-24.10.0.uImage", corpus / "kernel-24.10.1.uImage")]
    return [(label, str(old), str(new)) for label, old, new in pairs if old.exists() and new.exists()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", nargs=2, action="append", metavar=("OLD", "NEW"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    given = [(pathlib.Path(new).name, old, new) for old, new in arguments.pair or []]
    results = [row for pair in given or default_pairs() for row in measure(*pair)]
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    print("| pair | tool | bytes | of best peer | make CPU s | make MiB | apply CPU s | apply MiB |")
    print("|---|---|---|---|---|---|---|---|")
    for row in results:
        make = f"{row['make_cpu_s']:.1f} | {row['make_rss_kib'] / 1024:.0f}"
        apply = f"{row['apply_cpu_s']:.2f} | {row['apply_rss_kib'] / 1024:.1f}"
        print(f"| {row['pair']} | {row['tool']} | {row['bytes']:,} | {row['of_best_peer']:.3f} | {make} | {apply} |")


if __name__ == "__main__":
    main()
