#!/usr/bin/env python3
"""No payload is larger than what a byte-level tool makes of the same images: covers the delta's floor.

usage: floor_test.py TILLPACK [--only WORD] [--seed N]

For each pair and profile: ours <= 1.02 x the best of `zstd --patch-from`, xdelta3 and bsdiff, + 1 KiB; and the payload
rebuilds the image in no more memory than the profile allows (the kernel refuses more: `tillpack apply --check`).
TILL_LONG=1: all pairs, about 15 minutes; otherwise a sample that changes with the commit.
"""
import argparse, hashlib, json, os, random, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import images

SAMPLE = 6
PROFILES = {"mt7688-64m": 6815744, "mt7688-128m": 16 << 20, "generic": 64 << 20}
PEERS = {"zstd": "zstd -q --ultra -22 --long=27 --patch-from=old.img new.img -f -o p.zstd",
         # -D: bytes as they are; else it opens gzip files with a program of its own.
         "xdelta3": "xdelta3 -e -9 -D -S lzma -f -s old.img new.img p.xdelta3",
         # Quadratic in long runs of one byte: then it is not a peer.
         "bsdiff": "prlimit --cpu=20 bsdiff old.img new.img p.bsdiff"}


def size(folder, name):
    return os.path.getsize(os.path.join(folder, name))


def command(words, folder):
    done = subprocess.run(words, cwd=folder, capture_output=True, shell=isinstance(words, str))
    if done.returncode != 0:
        raise RuntimeError(f"{words}: {done.returncode} {done.stderr.decode(errors='replace')[-300:]}")
    return done.stdout


def best_peer(folder):
    sizes = {}
    for name, line in PEERS.items():
        if subprocess.run(line, shell=True, cwd=folder, capture_output=True).returncode == 0:
            sizes[name] = size(folder, "p." + name)
    if not {"zstd", "xdelta3"} <= set(sizes):
        raise RuntimeError(f"zstd and xdelta3 must work here; only these do: {sorted(sizes)}")
    best = min(sizes, key=sizes.get)
    return best, sizes[best]


def judge(tillpack, name, seed, folder):
    """Lines that say what was wrong; what was measured."""
    images.make_pair(name, seed, folder)
    with open(os.path.join(folder, "new.img"), "rb") as image:
        wanted = hashlib.sha256(image.read()).hexdigest()
    peer, peer_bytes = best_peer(folder)
    wrong, row = [], [f"{name:58} image {size(folder, 'new.img'):9,}  {peer:7} {peer_bytes:9,}"]
    for profile, arena in PROFILES.items():
        command([tillpack, "delta", "--from", "old.img", "--to", "new.img", "-o", "d.till", "--profile", profile,
                 "-j", "1"],
                folder)
        ours, allowed = size(folder, "d.till"), peer_bytes * 102 // 100 + 1024
        row.append(f"{ours:9,}")
        if ours > allowed:
            wrong.append(f"{name} (seed {seed}), {profile}: {ours:,} bytes, {peer} {peer_bytes:,}: {allowed:,} allowed")
        said = json.loads(command([tillpack, "--json", "apply", "--check", "--from", "old.img", "--payload", "d.till"],
                                  folder))
        if said["sha256"] != wanted:
            wrong.append(f"{name} (seed {seed}), {profile}: it rebuilds another image")
        if said["arena_bytes"] > arena:
            wrong.append(f"{name} (seed {seed}), {profile}: {said['arena_bytes']:,} bytes of memory, {arena:,} allowed")
    return wrong, " ".join(row)


def commit_seed():
    done = subprocess.run(["git", "rev-parse", "--short=8", "HEAD"], capture_output=True, text=True,
                          cwd=os.path.dirname(os.path.abspath(__file__)))
    return int(done.stdout, 16) if done.returncode == 0 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tillpack")
    parser.add_argument("--only", help="pairs whose name holds WORD")
    parser.add_argument("--seed", type=int, help="of the contents and the sample (default: the commit)")
    arguments = parser.parse_args()
    seed = commit_seed() if arguments.seed is None else arguments.seed
    names = sorted(images.kinds())
    if len(names) < 60:
        sys.exit(f"floor_test: only {len(names)} kinds of pairs")
    if arguments.only:
        names = [name for name in names if arguments.only in name]
    elif not os.environ.get("TILL_LONG"):
        names = random.Random(seed).sample(names, SAMPLE)
    print(f"seed {seed}: {len(names)} pairs; bytes by profile: {', '.join(PROFILES)}", flush=True)

    def one(name):
        with tempfile.TemporaryDirectory(prefix="till-floor-") as folder:
            return judge(os.path.abspath(arguments.tillpack), name, seed, folder)

    wrong = []
    with ThreadPoolExecutor(min(len(names), os.cpu_count() or 1)) as pool:
        for found, row in pool.map(one, names):
            print(row, flush=True)
            wrong += found
    for line in wrong:
        print("WRONG:", line)
    sys.exit(1 if wrong or not names else 0)


if __name__ == "__main__":
    main()
