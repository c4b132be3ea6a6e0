#!/usr/bin/env python3
"""Debian's mipsel packages through apt, without touching the system's own apt state.

usage: mipsel_apt.py update                     fetch the package lists (at most once a day)
       mipsel_apt.py closure DIR PACKAGE... [-PACKAGE...]   download PACKAGEs and all they depend on, unpack them into
                                                DIR, leaving out the ones written with a minus
       mipsel_apt.py versions PACKAGE...        a line for each: name and published versions, lowest first
       mipsel_apt.py download PACKAGE=VERSION...  download exactly these; prints one path a line
       mipsel_apt.py source DIR PACKAGE         the newest source package of PACKAGE, its signature checked by apt,
                                                unpacked (Debian's patches applied) as DIR, which must not exist
       mipsel_apt.py source-files PACKAGE...    the files of these source packages; prints the folder they are in

The mirrors are the ones this machine's apt already uses; entries for other distributions or vendors are left out.
State and archives are kept in .cache/mipsel-apt and .cache/source-apt (TILL_CACHE overrides .cache).
"""
import functools, glob, os, re, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Source lists are large and rarely wanted: a state of their own.
SOURCES = sys.argv[1:2] in (["source"], ["source-files"])
KIND = "deb-src" if SOURCES else "deb"
STATE = os.path.join(os.environ.get("TILL_CACHE", os.path.join(ROOT, ".cache")),
                     "source-apt" if SOURCES else "mipsel-apt")
ARCHIVES = os.path.join(STATE, "archives")
CONF = os.path.join(STATE, "apt.conf")
SUITE = re.compile(r"^(bookworm|stable)([-/](updates|security))?$")


def debian_sources():
    """The system's Debian 12 entries as deb822 and as one-line text, architecture limits removed."""
    deb822, lines = [], []
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", open(path).read()):
            fields = [l for l in stanza.splitlines()
                      if l.strip() and not l.startswith(("#", "Architectures:", "Types:"))]
            suites = next((l.split(":", 1)[1].split() for l in fields if l.startswith("Suites:")), [])
            if suites and all(SUITE.match(s) for s in suites) and not any("Enabled: no" in l for l in fields):
                deb822.append("\n".join([f"Types: {KIND}"] + fields))
    for path in ["/etc/apt/sources.list"] + sorted(glob.glob("/etc/apt/sources.list.d/*.list")):
        for line in open(path).read().splitlines() if os.path.exists(path) else []:
            match = re.match(r"^deb\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$", line)
            if match and SUITE.match(match[3]):
                options = re.sub(r"\barch=\S+\s*", "", (match[1] or "").strip("[] \t")).strip()
                lines.append(" ".join([KIND] + ([f"[{options}]"] if options else []) + list(match.groups()[1:])))
    if not deb822 and not lines:
        sys.exit("mipsel_apt: this machine's apt has no Debian 12 (bookworm) source to take mipsel packages from")
    return "\n\n".join(deb822) + "\n", "\n".join(lines) + "\n"


def prepare():
    for folder in ("lists/partial", "archives/partial", "sources"):
        os.makedirs(os.path.join(STATE, folder), exist_ok=True)
    deb822, lines = debian_sources()
    for name, text in (("sources/debian.sources", deb822), ("sources/debian.list", lines), ("status", "")):
        with open(os.path.join(STATE, name), "w") as out:
            out.write(text)
    with open(CONF, "w") as out:
        out.write(f'''APT::Architecture "mipsel"; APT::Architectures {{ "mipsel"; }};
Dir::State "{STATE}"; Dir::State::status "{STATE}/status"; Dir::State::lists "{STATE}/lists";
Dir::Cache "{STATE}"; Dir::Cache::archives "{ARCHIVES}"; Dir::Log "{STATE}";
Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "{STATE}/sources";
Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false"; Acquire::Languages "none"; Acquire::Retries "3";
APT::Sandbox::User "root"; APT::Install-Recommends "false"; APT::Keep-Downloaded-Packages "true";
Debug::NoLocking "true";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
''')


def apt(tool, *args, **kwargs):
    return subprocess.run([tool, "-q", "-c", CONF, *args], check=True, text=True, **kwargs)


def update():
    prepare()
    lists = glob.glob(os.path.join(STATE, "lists", "*_Sources*" if SOURCES else "*_Packages*"))
    stamp = CONF + ".updated"
    if lists and os.path.exists(stamp) and time.time() - os.path.getmtime(stamp) < 86400:
        return
    try:
        apt("apt-get", "update", stdout=sys.stderr)
    except subprocess.CalledProcessError:
        if not lists:
            raise
        print("mipsel_apt: no fresh package lists, using the ones of an earlier run", file=sys.stderr)
        return
    open(stamp, "w").close()


def archive(name, version):
    """A pattern for the downloaded file."""
    return os.path.join(ARCHIVES, f"{name}_{version.replace(':', '%3a')}_*.deb")


def unpack(deb, folder):
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["dpkg-deb", "-x", deb, folder], check=True)


def closure(folder, arguments):
    update()
    packages = [p for p in arguments if not p.startswith("-")]
    without = [p[1:] for p in arguments if p.startswith("-")]
    plan = apt("apt-get", "install", "-y", "--simulate", *packages, stdout=subprocess.PIPE).stdout
    debs = [archive(name, version) for name, version in re.findall(r"^Inst (\S+) \((\S+) ", plan, re.M)
            if name not in without]
    if not all(map(glob.glob, debs)):
        apt("apt-get", "install", "-y", "--download-only", *packages, stdout=sys.stderr)
    for deb in debs:
        unpack(glob.glob(deb)[0], folder)
    print(f"unpacked {len(debs)} packages into {folder}", file=sys.stderr)


def versions(packages):
    """{package: published versions, lowest first}"""
    update()
    out = apt("apt-cache", "madison", *packages, stdout=subprocess.PIPE).stdout
    rows = [[column.strip() for column in line.split("|")] for line in out.splitlines() if line.count("|") == 2]
    lower = lambda a, b: -1 if subprocess.run(["dpkg", "--compare-versions", a, "lt", b]).returncode == 0 else 1
    return {package: sorted({version for name, version, origin in rows if name == package and "Sources" not in origin},
                            key=functools.cmp_to_key(lower)) for package in packages}


def download(specs):
    update()
    paths = []
    for spec in specs:
        name, version = spec.split("=", 1)
        pattern = archive(name, version)
        if not glob.glob(pattern):
            apt("apt-get", "download", spec, cwd=ARCHIVES, stdout=sys.stderr)
        paths.append(glob.glob(pattern)[0])
    return paths


def source(folder, package):
    update()
    folder = os.path.abspath(folder)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    apt("apt-get", "source", "--download-only", package, cwd=ARCHIVES, stdout=sys.stderr)
    dsc = max(glob.glob(os.path.join(ARCHIVES, package + "_*.dsc")), key=os.path.getmtime)
    subprocess.run(["dpkg-source", "--no-check", "-x", dsc, folder], check=True, stdout=sys.stderr)
    print(os.path.basename(dsc).removeprefix(package + "_").removesuffix(".dsc"))


def source_files(packages):
    update()
    apt("apt-get", "source", "--download-only", "--only-source", *packages, cwd=ARCHIVES, stdout=sys.stderr)
    return ARCHIVES


def main(argv):
    if argv[1:] == ["update"]:
        update()
    elif len(argv) > 3 and argv[1] == "closure":
        closure(argv[2], argv[3:])
    elif len(argv) == 4 and argv[1] == "source":
        source(argv[2], argv[3])
    elif len(argv) > 2 and argv[1] == "source-files":
        print(source_files(argv[2:]))
    elif len(argv) > 2 and argv[1] == "versions":
        for package, found in versions(argv[2:]).items():
            print(package, *found)
    elif len(argv) > 2 and argv[1] == "download":
        print("\n".join(download(argv[2:])))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv)
