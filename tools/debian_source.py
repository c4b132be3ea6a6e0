#!/usr/bin/env python3
"""Debian 12's source packages, file by file: each from any suite whose lists name it with its SHA-256.

usage: debian_source.py unpack DIR PACKAGE     the newest source package that can be had, Debian's patches applied, as
                                               DIR, which must not exist; prints its version
       debian_source.py files PACKAGE          the same package's files, not unpacked; prints a path a line

A mirror may list a version and have no file of it, while another version or suite names the very file: all of them are
tried. What was fetched is kept and not fetched again; a file that a person put there counts as fetched.
"""
import hashlib, os, re, subprocess, sys

from apt_state import ARCHIVES, VERSION_ORDER, AptState

APT = AptState("deb-src", "source-apt")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def held(name, digest):
    """The path of the file in the archives when it is there and is the one that is wanted."""
    path = os.path.join(ARCHIVES, name)
    return path if os.path.exists(path) and sha256(path) == digest else None


def stanza_files(stanza):
    """{file name: SHA-256} of a stanza of a Sources list, or of a .dsc."""
    block = re.search(r"^Checksums-Sha256:((?:\n? .*)+)", stanza, re.M)
    return {name: digest for digest, _, name in map(str.split, filter(str.strip, block[1].splitlines()))} \
        if block else {}


def stanzas(wanted):
    """(address of the mirror, stanza) of all lists, for stanzas that hold the text `wanted`."""
    try:
        APT.update()
    except subprocess.CalledProcessError:
        print("debian_source: no source lists can be had", file=sys.stderr)
        return
    targets = APT.run("apt-get", "indextargets", "--format", "$(FILENAME)|$(REPO_URI)", "Created-By: Sources",
                      stdout=subprocess.PIPE).stdout
    for target in targets.split():
        path, mirror = target.split("|")
        text = APT.run("/usr/lib/apt/apt-helper", "cat-file", path, stdout=subprocess.PIPE).stdout
        for stanza in text.split("\n\n") if wanted in text else []:
            if wanted in stanza:
                yield mirror, stanza


def addresses(name, digest):
    found = []
    for mirror, stanza in stanzas(digest):
        folder = re.search(r"^Directory: (\S+)", stanza, re.M)
        if stanza_files(stanza).get(name) == digest and folder:
            found.append(f"{mirror.rstrip('/')}/{folder[1]}/{name}")
    return list(dict.fromkeys(found))


def fetch(name, digest):
    """The path of the file with this name and hash, from the archives or from any suite that lists it; None else."""
    if path := held(name, digest):
        return path
    path = os.path.join(ARCHIVES, name)
    for address in addresses(name, digest):
        if APT.run("/usr/lib/apt/apt-helper", "download-file", address, path + ".part", "SHA256:" + digest,
                   stdout=sys.stderr, check=False).returncode == 0:
            os.replace(path + ".part", path)
            return path
        print(f"debian_source: {name} is listed, but cannot be had from {address}", file=sys.stderr)
    return None


def published(package):
    """[(version, {file: SHA-256})], newest first: what the lists name, or the archives when there are no lists."""
    found = {}
    described = [stanza for _, stanza in stanzas(f"Package: {package}\n")]
    if not described and os.path.isdir(ARCHIVES):
        described = [open(os.path.join(ARCHIVES, name), encoding="utf-8").read() + f"\nDsc: {name}"
                     for name in os.listdir(ARCHIVES) if re.match(re.escape(package) + r"_[^_]*\.dsc$", name)]
    for stanza in described:
        version = re.search(r"^Version: (\S+)", stanza, re.M)
        if not version or not re.search(rf"^(Package|Source): {re.escape(package)}$", stanza, re.M):
            continue
        files = stanza_files(stanza)
        if dsc := re.search(r"^Dsc: (\S+)$", stanza, re.M):
            files[dsc[1]] = sha256(os.path.join(ARCHIVES, dsc[1]))
        found.setdefault(version[1], files)
    return [(version, found[version]) for version in sorted(found, key=VERSION_ORDER, reverse=True)]


def newest(package):
    """(version, paths) of the newest version all of whose files can be had."""
    tried = []
    for version, files in published(package):
        paths = [fetch(name, digest) for name, digest in sorted(files.items())]
        if all(paths):
            return version, paths
        print(f"debian_source: {package} {version} is listed, but not all of its files can be had: trying another "
              "version", file=sys.stderr)
        tried += files
    names = "\n".join("  " + name for name in tried) or f"  {package}_*.dsc and the files it names"
    return sys.exit(f"debian_source: the source package {package} cannot be had. It comes from the Debian 12 mirrors "
                    f"this machine's apt uses: is there a network? Without one, put its files (of one version)\n{names}"
                    f"\ninto {ARCHIVES}")


def unpack(folder, package):
    version, paths = newest(package)
    folder = os.path.abspath(folder)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    dsc = next(path for path in paths if path.endswith(".dsc"))
    subprocess.run(["dpkg-source", "--no-check", "-x", dsc, folder], check=True, stdout=sys.stderr)
    return version


def main(argv):
    if len(argv) == 4 and argv[1] == "unpack":
        print(unpack(argv[2], argv[3]))
    elif len(argv) == 3 and argv[1] == "files":
        print("\n".join(newest(argv[2])[1]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv)
