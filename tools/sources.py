"""The project's files as the checks see them: what git tracks or would track, and C++ text without its comments."""
import os, re, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Folders whose code may reach the terminal, and files in them that do not.
TERMINAL = ("core/", "delta/format/", "delta/apply/", "delta/zstd/", "device/", "bootloader/")
HOST_ONLY = ("core/http/server", "core/http/request", "core/http/range", "core/http/response",
             "core/http/connection", "core/http/loop", "core/http/tls", "core/http/worker_pool",
             "core/kv/", "core/tuf/repository", "delta/zstd/encode")


def files(*endings):
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], capture_output=True,
                            text=True, check=True).stdout.splitlines()
    wanted = {f for f in listed if not endings or f.endswith(endings)}
    return sorted(f for f in wanted if os.path.isfile(os.path.join(ROOT, f)))


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
