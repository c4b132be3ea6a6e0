#!/usr/bin/env python3
"""The sources of the codecs whose exact bytes are part of the payload format, from Debian 12's source packages.

usage: pinned_codecs.py        fetches what is missing, checks it, unpacks it; prints the folder

What an encoder writes changes between its versions, so packer and terminal carry the same one: tools/pinned_codecs.json
names version and SHA-256 of each original archive (Debian's revisions share it), and the few edits that make it give
the same bytes on every machine. They are built by cmake/codecs.cmake.
Everything is kept in .cache/codecs (TILL_CACHE overrides .cache); nothing is fetched twice.
"""
import fcntl, hashlib, json, os, shutil, subprocess, sys, tarfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(os.environ.get("TILL_CACHE", os.path.join(ROOT, ".cache")), "codecs")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def check(codec, path):
    if not os.path.exists(path):
        sys.exit(f"pinned_codecs: the mirror has another version of {codec['source']}: there is no {codec['file']}")
    if sha256(path) != codec["sha256"]:
        sys.exit(f"pinned_codecs: {path} is not the archive that is pinned (SHA-256 {codec['sha256']})")


def unpack(codec, archive):
    folder = os.path.join(CACHE, codec["folder"])
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tar.extractall(CACHE)  # checked above: it is what it was when the pin was made
    for path, old, new in codec.get("edits", []):
        with open(os.path.join(folder, path)) as file:
            text = file.read()
        if old not in text:
            sys.exit(f"pinned_codecs: {path} of {codec['source']} has no '{old}'")
        with open(os.path.join(folder, path), "w") as out:
            out.write(text.replace(old, new))
    with open(os.path.join(folder, ".made-from"), "w") as out:
        out.write(json.dumps(codec))


def unpacked(codec):
    try:
        with open(os.path.join(CACHE, codec["folder"], ".made-from")) as file:
            return file.read() == json.dumps(codec)
    except FileNotFoundError:
        return False


def main():
    with open(os.path.join(ROOT, "tools", "pinned_codecs.json")) as file:
        codecs = json.load(file).values()
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [codec for codec in codecs if not unpacked(codec)]
        folder = CACHE
        if not all(os.path.exists(os.path.join(CACHE, codec["file"])) for codec in missing):
            folder = subprocess.run([os.path.join(ROOT, "tools", "mipsel_apt.py"), "source-files",
                                     *(codec["source"] for codec in missing)],
                                    stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")[-2]
        for codec in missing:
            archive = os.path.join(folder, codec["file"])
            check(codec, archive)
            unpack(codec, archive)
    print(CACHE)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit("pinned_codecs: the codecs' sources cannot be had. They come from Debian 12's source packages, over "
                 "the mirrors this machine's apt uses: is there a network? Without one, put the archives named in "
                 f"tools/pinned_codecs.json into {CACHE}.")
