#!/usr/bin/env python3
"""The project's files as the checks see them, and C++ text without its comments.

usage: sources.py ENDING...      prints our files with these endings, each ended by NUL
"""
import os, re, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Folders whose code may reach the terminal, and files in them that do not.
TERMINAL = ("core/", "delta/format/", "delta/apply/", "delta/codec/", "delta/residual/",
            "delta/mips/", "device/", "bootloader/")
HOST_ONLY = ("core/http/server", "core/http/request", "core/http/range", "core/http/response",
             "core/http/connection", "core/http/loop", "core/http/tls", "core/http/worker_pool",
             "core/commands/", "core/kv/", "core/tuf/repository", "delta/codec/zstd_encode")


def files(*endings):
    """Paths from the root: what git tracks or would; in a copy without git, all but what builds leave."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True)
    if listed.returncode == 0:
        paths = listed.stdout.splitlines()
    else:
        skipped = {"build", ".cache", ".git", "out", "__pycache__", "node_modules"}
        paths = []
        for folder, folders, names in os.walk(ROOT):
            folders[:] = [f for f in folders if f not in skipped]
            paths += [os.path.relpath(os.path.join(folder, n), ROOT) for n in names]
    wanted = {p for p in paths if not endings or p.endswith(endings)}
    return sorted(p for p in wanted if os.path.isfile(os.path.join(ROOT, p)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as source:
        return source.read()


def reaches_terminal(path):
    return path.startswith(TERMINAL) and not path.startswith(HOST_ONLY)


TOKEN = re.compile(r'R"(\w*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def code(text):
    """`text` with comments and the insides of literals blanked out; line numbers stay."""
    def blank(match):
        token = match.group(0)
        kept = '""' if token[0] in '"R' else "''" if token[0] == "'" else ""
        return kept + "\n" * token.count("\n")
    # Digit separators (1'000) are no character literals.
    return TOKEN.sub(blank, re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "", text))


def includes(text):
    """(line number, header, is_system) of each #include."""
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', line)
        if match:
            yield number, match[1] or match[2], match[1] is None


if __name__ == "__main__":
    sys.stdout.write("".join(path + "\0" for path in files(*sys.argv[1:])))
