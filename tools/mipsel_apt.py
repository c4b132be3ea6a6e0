#!/usr/bin/env python3
"""Debian's mipsel packages through apt, without touching the system's own apt state (tools/apt_state.py).

usage: mipsel_apt.py update                     fetch the package lists (at most once a day)
       mipsel_apt.py closure DIR PACKAGE... [-PACKAGE...]   download PACKAGEs and all they depend on, unpack them into
                                                DIR, leaving out the ones written with a minus
       mipsel_apt.py versions PACKAGE...        a line for each: name and published versions, lowest first
       mipsel_apt.py ends PACKAGE...            download the lowest and the highest version of each; a line for each:
                                                name, lowest version, highest version, path, path
       mipsel_apt.py download PACKAGE=VERSION...  download exactly these; prints one path a line

A version that a mirror lists and has not is passed over for the next one, with a line that says so (closure, ends).
"""
import glob, os, re, subprocess, sys

from apt_state import ARCHIVES, VERSION_ORDER, AptState

APT = AptState("deb", "mipsel-apt")


def archive(name, version):
    """The downloaded file, or None."""
    found = glob.glob(os.path.join(ARCHIVES, f"{glob.escape(name)}_{version.replace(':', '%3a')}_*.deb"))
    return found[0] if found else None


def passed_over(name, version):
    print(f"mipsel_apt: {name} {version} is listed, but no mirror has its file: trying another version",
          file=sys.stderr)


def cannot_be_had(names):
    sys.exit(f"mipsel_apt: no published version of {', '.join(names)} can be had. Packages come from the Debian 12 "
             "mirrors this machine's apt uses: is there a network? Without one, put the .deb files for mipsel into "
             f"{ARCHIVES}")


def source_of(name, version):
    """Name and version of the source package that this package was built from."""
    text = APT.run("apt-cache", "show", f"{name}={version}", stdout=subprocess.PIPE).stdout
    match = re.search(r"^Source: (\S+)(?: \((\S+)\))?$", text, re.M)
    return (match[1], match[2] or version) if match else (name, version)


def planned(packages):
    """[(name, version)] that apt would install."""
    plan = APT.run("apt-get", "install", "-y", "--simulate", *packages, stdout=subprocess.PIPE, check=False)
    return re.findall(r"^Inst (\S+) \((\S+) ", plan.stdout, re.M) if plan.returncode == 0 else []


def obtainable(packages):
    """A plan all of whose files are there. Packages of one source go together: all of them are passed over."""
    pins = []
    while plan := planned(packages):
        if all(archive(*step) for step in plan):
            return plan
        APT.run("apt-get", "install", "-y", "--download-only", "--fix-missing", *packages, stdout=sys.stderr,
                check=False)
        missing = [step for step in plan if not archive(*step)]
        for step in missing:
            passed_over(*step)
            source, _ = source_of(*step)
            pins.append(f"Package: src:{source}\nPin: version {step[1]}\nPin-Priority: -1\n")
        APT.write("preferences", "\n".join(pins))
    return cannot_be_had(packages)


def closure(folder, arguments):
    APT.update()
    without = [p[1:] for p in arguments if p.startswith("-")]
    plan = [step for step in obtainable([p for p in arguments if not p.startswith("-")]) if step[0] not in without]
    os.makedirs(folder, exist_ok=True)
    for step in plan:
        subprocess.run(["dpkg-deb", "-x", archive(*step), folder], check=True)
    print(f"unpacked {len(plan)} packages into {folder}", file=sys.stderr)


def versions(packages):
    """{package: published versions, lowest first}"""
    APT.update()
    out = APT.run("apt-cache", "madison", *packages, stdout=subprocess.PIPE).stdout
    rows = [[column.strip() for column in line.split("|")] for line in out.splitlines() if line.count("|") == 2]
    return {package: sorted({version for name, version, origin in rows if name == package and "Sources" not in origin},
                            key=VERSION_ORDER) for package in packages}


def fetch(specs):
    """Downloads what is missing of [(name, version)]; what cannot be had is still missing afterwards."""
    if missing := ["=".join(spec) for spec in specs if not archive(*spec)]:
        APT.run("apt-get", "download", *missing, cwd=ARCHIVES, stdout=sys.stderr, check=False)


def first_obtainable(name, candidates):
    for version in candidates:
        fetch([(name, version)])
        if archive(name, version):
            return version
        passed_over(name, version)
    return cannot_be_had([name])


def ends(packages):
    """[(name, lowest, highest)] of the versions that can be had."""
    published = versions(packages)
    fetch([(name, found[at]) for name, found in published.items() if found for at in (0, -1)])
    return [(name, first_obtainable(name, found), first_obtainable(name, reversed(found)))
            for name, found in published.items()]


def download(specs):
    APT.update()
    fetch(specs)
    missing = ["=".join(spec) for spec in specs if not archive(*spec)]
    if missing:
        cannot_be_had(missing)
    return [archive(*spec) for spec in specs]


def main(argv):
    if argv[1:] == ["update"]:
        APT.update()
    elif len(argv) > 3 and argv[1] == "closure":
        closure(argv[2], argv[3:])
    elif len(argv) > 2 and argv[1] == "versions":
        for package, found in versions(argv[2:]).items():
            print(package, *found)
    elif len(argv) > 2 and argv[1] == "ends":
        for name, lowest, highest in ends(argv[2:]):
            print(name, lowest, highest, archive(name, lowest), archive(name, highest))
    elif len(argv) > 2 and argv[1] == "download":
        print("\n".join(download([tuple(spec.split("=", 1)) for spec in argv[2:]])))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv)
    except subprocess.CalledProcessError as error:
        sys.exit(f"mipsel_apt: {' '.join(error.cmd)} ended with {error.returncode}. Packages come from the Debian 12 "
                 "mirrors this machine's apt uses: is there a network?")
