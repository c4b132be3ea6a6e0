#!/usr/bin/env python3
"""Runs Spin over boot_state.pml: every reachable state, both LTL formulas, and the mutations, each of which must give a
counterexample (a check that cannot fail shows nothing).

usage: check.py [--long] [--work DIR]      --long: two cuts in a history everywhere (about two minutes, 3 GB)
Prints a line for each run; ends with 1 when a promise broke or a mutation was not noticed.
"""
import argparse, os, re, subprocess, sys, tempfile, time

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "boot_state.pml")
# name, definitions, formula (None: assertions and deadlocks), must it hold
RUNS = [
    ("every state", ["CUTS=1"], None, True),
    ("comes_up", ["CUTS=1"], "comes_up", True),
    ("falls_back", ["CUTS=1"], "falls_back", True),
    ("without programming a marginal copy again", ["NO_SETTLE"], None, False),
    ("without counting trial boots", ["NO_COUNT", "CUTS=1", "FAULTS=0"], "falls_back", False),
    ("without checking the image", ["NO_VERIFY", "CUTS=1"], None, False),
    ("without the floor", ["NO_FLOOR", "CUTS=1"], None, False),
    ("without rebuilding a lost record", ["NO_REBUILD", "CUTS=1"], "falls_back", False),
]


def run(folder, definitions, formula):
    """(states, errors, the broken promise)"""
    quiet = {"cwd": folder, "check": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    subprocess.run(["spin", *["-D" + d for d in definitions], "-a", MODEL], **quiet)
    flags = [] if formula else ["-DSAFETY", "-DNOCLAIM"]
    subprocess.run(["gcc", "-O2", "-w", "-DCOLLAPSE", *flags, "-o", "pan", "pan.c"], **quiet)
    arguments = ["-a", "-N", formula] if formula else []
    out = subprocess.run(["./pan", "-m2000000", *arguments], cwd=folder, capture_output=True, text=True).stdout
    errors, states = re.search(r"errors: (\d+)", out), re.search(r"(\d+) states, stored", out)
    if not errors or not states or "max search depth too small" in out or "out of memory" in out:
        sys.exit(f"check.py: the search was not whole:\n{out}")
    broken = re.search(r"pan:\d+: (.*)", out)
    return int(states[1]), int(errors[1]), broken[1] if broken else ""


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--work")
    arguments = parser.parse_args()
    failed = False
    for name, definitions, formula, holds in RUNS:
        if arguments.long and holds:
            definitions = ["CUTS=2"]
        with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
            began = time.monotonic()
            states, errors, broken = run(folder, definitions, formula)
        good = (errors == 0) == holds
        failed |= not good
        verdict = "holds" if not errors else "broken: " + broken
        print(f"{'ok  ' if good else 'FAIL'} {name:42} {states:>9} states {time.monotonic() - began:5.1f} s  {verdict}")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
