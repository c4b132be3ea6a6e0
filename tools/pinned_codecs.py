#!/usr/bin/env python3
"""The sources of the codecs whose exact bytes are part of the payload format, from Debian 12's source packages.

usage: pinned_codecs.py        fetches what is missing, checks it, unpacks it; prints the folder

What an encoder writes changes between its versions, so packer and terminal carry the same one: tools/pinned_codecs.json
names version and SHA-256 of each original archive (Debian's revisions share it), and the few edits that make it give
the same bytes on every machine. They are built by cmake/codecs.cmake.
An archive is taken from the cache, else from any version and suite of the mirrors that lists it (debian_source.py).
Archives are kept in the cache's archives/, unpacked ones in its codecs/ (apt_state.py says which cache).
"""
import fcntl, json, os, shutil, sys, tarfile

from apt_state import ARCHIVES, ROOT, cache_folder
from debian_source import fetch

CODECS = os.path.join(cache_folder(), "codecs")


def unpack(codec, archive):
    folder = os.path.join(CODECS, codec["folder"])
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tar.extractall(CODECS)  # checked above: it is what it was when the pin was made
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
        with open(os.path.join(CODECS, codec["folder"], ".made-from")) as file:
            return file.read() == json.dumps(codec)
    except FileNotFoundError:
        return False


def refuse(codecs):
    wanted = "".join(f"  {codec['file']}\n    SHA-256 {codec['sha256']}\n" for codec in codecs)
    sys.exit("pinned_codecs: these sources cannot be had:\n" + wanted + "They are Debian 12's, from the mirrors this "
             f"machine's apt uses: is there a network? Without one, put these files into {ARCHIVES}\n"
             "A file there with another SHA-256 does not count.")


def main():
    with open(os.path.join(ROOT, "tools", "pinned_codecs.json")) as file:
        codecs = json.load(file).values()
    os.makedirs(CODECS, exist_ok=True)
    with open(os.path.join(CODECS, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [codec for codec in codecs if not unpacked(codec)]
        archives = [fetch(codec["file"], codec["sha256"]) for codec in missing]
        if not all(archives):
            refuse([codec for codec, archive in zip(missing, archives) if not archive])
        for codec, archive in zip(missing, archives):
            unpack(codec, archive)
    print(CODECS)


if __name__ == "__main__":
    main()
