#!/usr/bin/env python3
"""A private state of apt's: the package lists of Debian 12 without touching the system's own.

The mirrors are the ones this machine's apt already uses; entries for other distributions or vendors are left out.
What is fetched is kept in the cache: TILL_CACHE, or the tree's own .cache where there is one, or tillrace in the
user's cache folder (so that another clone fetches nothing again). All that came from a mirror lies in its archives/.

usage: apt_state.py                 prints the cache's folder
       apt_state.py sources DIR     writes this machine's Debian 12 entries as DIR/debian.sources and DIR/debian.list
  TILL_APT_SOURCES=FOLDER   sources.list and sources.list.d are read there instead of in /etc/apt
"""
import functools, glob, os, re, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITE = re.compile(r"^(bookworm|stable)([-/](updates|security))?$")
LISTS_ARE_FRESH_S = 86400


def cache_folder():
    own = os.path.join(ROOT, ".cache")
    users = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tillrace")
    return os.path.abspath(os.environ.get("TILL_CACHE") or (own if os.path.isdir(own) else users))


ARCHIVES = os.path.join(cache_folder(), "archives")


def debian_sources(kind):
    """This machine's Debian 12 entries as deb822 and as one-line text, of `kind`, architecture limits removed."""
    etc = os.environ.get("TILL_APT_SOURCES", "/etc/apt")
    deb822, lines = [], []
    for path in sorted(glob.glob(etc + "/sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", open(path).read()):
            fields = [l for l in stanza.splitlines()
                      if l.strip() and not l.startswith(("#", "Architectures:", "Types:"))]
            suites = next((l.split(":", 1)[1].split() for l in fields if l.startswith("Suites:")), [])
            if suites and all(SUITE.match(s) for s in suites) and not any("Enabled: no" in l for l in fields):
                deb822.append("\n".join([f"Types: {kind}"] + fields))
    for path in [etc + "/sources.list"] + sorted(glob.glob(etc + "/sources.list.d/*.list")):
        for line in open(path).read().splitlines() if os.path.exists(path) else []:
            match = re.match(r"^deb\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$", line)
            if match and SUITE.match(match[3]):
                options = re.sub(r"\barch=\S+\s*", "", (match[1] or "").strip("[] \t")).strip()
                lines.append(" ".join([kind] + ([f"[{options}]"] if options else []) + list(match.groups()[1:])))
    if not deb822 and not lines:
        sys.exit(f"apt_state: {etc}/sources.list and {etc}/sources.list.d name no Debian 12 (bookworm) mirror to take "
                 "packages from")
    return "\n\n".join(deb822) + "\n", "\n".join(lines) + "\n"


def write_sources(kind, folder):
    for name, text in zip(("debian.sources", "debian.list"), debian_sources(kind)):
        with open(os.path.join(folder, name), "w") as out:
            out.write(text)


def lower(a, b):
    """Debian's order of versions, for sorted(key=VERSION_ORDER)."""
    if a == b:
        return 0
    return -1 if subprocess.run(["dpkg", "--compare-versions", a, "lt", b]).returncode == 0 else 1


VERSION_ORDER = functools.cmp_to_key(lower)


class AptState:
    """One kind of lists (deb or deb-src: source lists are large and rarely wanted) in a folder of the cache."""

    def __init__(self, kind, name):
        self.kind = kind
        self.folder = os.path.join(cache_folder(), name)
        self.conf = os.path.join(self.folder, "apt.conf")

    def run(self, tool, *arguments, **kwargs):
        kwargs.setdefault("check", True)
        return subprocess.run([tool, "-q", "-c", self.conf, *arguments], text=True, **kwargs)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as out:
            out.write(text)

    def prepare(self):
        for folder in (self.folder + "/lists/partial", self.folder + "/sources", ARCHIVES + "/partial"):
            os.makedirs(folder, exist_ok=True)
        write_sources(self.kind, self.folder + "/sources")
        self.write("status", "")
        self.write("preferences", "")
        self.write("apt.conf", f'''APT::Architecture "mipsel"; APT::Architectures {{ "mipsel"; }};
Dir::State "{self.folder}"; Dir::State::status "{self.folder}/status"; Dir::State::lists "{self.folder}/lists";
Dir::Cache "{self.folder}"; Dir::Cache::archives "{ARCHIVES}"; Dir::Log "{self.folder}";
Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "{self.folder}/sources";
Dir::Etc::preferences "{self.folder}/preferences"; Dir::Etc::preferencesparts "/dev/null";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false"; Acquire::Languages "none"; Acquire::Retries "3";
APT::Sandbox::User "root"; APT::Install-Recommends "false"; APT::Keep-Downloaded-Packages "true";
Debug::NoLocking "true";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
''')

    def update(self):
        """Fresh lists, once a day; those of an earlier run when none can be had. CalledProcessError without any."""
        self.prepare()
        lists = glob.glob(self.folder + ("/lists/*_Sources*" if self.kind == "deb-src" else "/lists/*_Packages*"))
        stamp = self.conf + ".updated"
        if lists and os.path.exists(stamp) and time.time() - os.path.getmtime(stamp) < LISTS_ARE_FRESH_S:
            return
        try:
            self.run("apt-get", "update", stdout=sys.stderr)
        except subprocess.CalledProcessError:
            if not lists:
                raise
            print("apt_state: no fresh package lists, using the ones of an earlier run", file=sys.stderr)
            return
        open(stamp, "w").close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["sources"] and len(sys.argv) == 3:
        write_sources("deb", sys.argv[2])
    else:
        print(cache_folder())
