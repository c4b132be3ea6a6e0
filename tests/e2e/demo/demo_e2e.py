#!/usr/bin/env python3
"""demo_e2e.py TILLCTL: the whole story on two small squashfs images, with the real programs; the sums must agree.

Hub, two edges and twelve terminals as processes; a rollout in waves, a power cut, a bad image, a lost edge. tillctl
ends what it started; its exit code is 0 only when every terminal holds the right image byte for byte.
covers F01 F09 S04 W08
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile

TERMINALS = 12


def image(folder, name, payload):
    tree = folder / name
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/pos-app").write_text(f'#!/bin/sh\n# {name}\n[ "$1" = --selftest ] && echo ok\n')
    (tree / "firmware.bin").write_bytes(payload)
    out = folder / f"{name}.squashfs"
    options = ["-quiet", "-no-progress", "-all-root", "-mkfs-time", "0", "-all-time", "0"]
    subprocess.run(["mksquashfs", tree, out, *options], check=True, stdout=subprocess.DEVNULL)
    return out


def main():
    tillctl = sys.argv[1]
    rng = random.Random(8123)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        old_bytes = rng.randbytes(3 << 20)
        # A third of the image stays: the delta is near 2 MiB, long enough on the demo's links to be cut in the middle.
        old = image(folder, "old", old_bytes)
        new = image(folder, "new", old_bytes[:1 << 20] + rng.randbytes(2 << 20))
        run = subprocess.run([tillctl, "--json", "demo", "--from", old, new, "--terminals", str(TERMINALS),
                              "--folder", folder / "demo"], capture_output=True, text=True, timeout=280)
        print(run.stderr, run.stdout)
        summary = json.loads(run.stdout.splitlines()[-1]) if run.stdout else {}
        expected = {
            "exit code": run.returncode == 0,
            "confirmed": summary.get("confirmed") == TERMINALS - 1,
            "rolled back": summary.get("rolled_back") == 1 and "health" in summary.get("rollback_reason", ""),
            "sums": sum(summary.get("served_bytes", {}).values())
            == summary.get("received_bytes", -1) + summary.get("repeated_bytes", -1),
            "failed over": summary.get("failed_over", 0) > 0,
            # An edge fetches each byte once: two edges, two deltas (1.1.0 and the bad one) at the most.
            "filled once": 0 < summary.get("edge_filled_bytes", 0) <= 4 * (2 << 20) * 11 // 10,
            "no faults": summary.get("faults") == [],
        }
        wrong = [what for what, holds in expected.items() if not holds]
        for what in wrong:
            print(f"FAILED: {what}")
        if wrong:
            for log in sorted((folder / "demo").glob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}")
        sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
