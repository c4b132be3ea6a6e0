#!/usr/bin/env python3
"""demo_e2e.py TILLCTL: the whole story on two small squashfs images, with the real programs; the sums must agree.

Hub, two edges and twelve terminals as processes; a rollout in waves, a power cut, a bad image, a lost edge. With --keep
the summary comes when the story is over, and all of it runs on until SIGTERM; then tillctl ends what it started. Its
exit code is 0 only when every terminal holds the right image byte for byte.
covers F01 F09 S04 W08
"""
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request

TERMINALS = 12
SECONDS = 280   # for the story


def image(folder, name, payload):
    tree = folder / name
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin/pos-app").write_text(f'#!/bin/sh\n# {name}\n[ "$1" = --selftest ] && echo ok\n')
    (tree / "firmware.bin").write_bytes(payload)
    out = folder / f"{name}.squashfs"
    options = ["-quiet", "-no-progress", "-all-root", "-mkfs-time", "0", "-all-time", "0"]
    subprocess.run(["mksquashfs", tree, out, *options], check=True, stdout=subprocess.DEVNULL)
    return out


def hub_answers(notice):
    """Whether the hub that the notice of --keep names is there."""
    url = re.search(r"TILL_URL=(\S+)", notice)
    if url is None:
        return False
    with urllib.request.urlopen(url[1] + "/healthz", timeout=30) as reply:
        return reply.status == 200


def play(tillctl, arguments, log):
    """The story with --keep: its summary, whether all was still running when it came, the exit code after SIGTERM."""
    with open(log, "w+", encoding="utf-8") as err:
        run = subprocess.Popen([tillctl, "--json", "demo", "--keep", *arguments], stdout=subprocess.PIPE, stderr=err,
                               text=True)
        too_late = threading.Timer(SECONDS, run.terminate)
        too_late.start()
        summary = run.stdout.readline()
        running = too_late.is_alive() and run.poll() is None
        running = running and hub_answers(pathlib.Path(log).read_text(encoding="utf-8"))
        too_late.cancel()
        run.terminate()
        rest = run.stdout.read()
        print(pathlib.Path(log).read_text(encoding="utf-8"), summary, rest)
        return json.loads(summary or "{}"), running and rest == "", run.wait()


def main():
    tillctl = sys.argv[1]
    rng = random.Random(8123)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        old_bytes = rng.randbytes(3 << 20)
        # A third of the image stays: the delta is near 2 MiB, long enough on the demo's links to be cut in the middle.
        old = image(folder, "old", old_bytes)
        new = image(folder, "new", old_bytes[:1 << 20] + rng.randbytes(2 << 20))
        summary, running, code = play(tillctl, ["--from", old, new, "--terminals", str(TERMINALS),
                                                "--folder", folder / "demo"], folder / "story.log")
        expected = {
            "exit code": code == 0,
            "the summary comes while all runs": running,
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
