#!/usr/bin/env python3
"""The style that a machine can judge. A line may be excused by `// tidy: allow(<rule>) <reason>` on it or above it.

usage: tidy.py            everything but the headers      tidy.py headers     each public header compiles alone
"""
import concurrent.futures, os, re, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
from sources import code, files, includes, reaches_terminal, read  # noqa: E402

PRODUCT = ("core/", "delta/", "packer/", "device/", "bootloader/", "cdn-edge/", "server/")
BANNED = [  # rule, pattern in code without comments and literals, why
    ("unbounded", r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok)\s*\(", "no bound: use snprintf or std::string"),
    ("atoi", r"\b(atoi|atol|atoll|atof)\s*\(", "hides errors: core/text.h"),
    ("system", r"(?<![\w.>:])(?:std::)?system\s*\(", "a shell in between: posix_spawn or execv"),
    ("rand", r"(?<![\w.>])s?rand\s*\(", "core/crypto for secrets, a seeded generator in tests"),
    ("regex", r"std::regex|<regex>", "unbounded stack and time"),
    ("detach", r"\.detach\s*\(\s*\)", "a thread nobody ends"),
]
SLEEP = ("sleep", r"\b(sleep_for|sleep_until|usleep|nanosleep)\s*\(|(?<![\w.>])sleep\s*\(\s*[^)\s]",
         "wait for an event or use a FakeClock")
TERMINAL = [
    ("float", r"\b(float|double|long double)\b", "the terminal has no FPU"),
    ("exceptions", r"\b(throw|try|catch|dynamic_cast|typeid)\b", "built with -fno-exceptions -fno-rtti"),
    ("iostream", r"<(iostream|fstream|sstream|iomanip|locale|regex)>", "size on the terminal"),
]
TODO = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\((?:issue )?#?\d+\))")
PLACES = re.compile(r"/(?:home|root|work)/\w|\b[\w.]+\.debian\.org\b")
TEXT = (".cc", ".h", ".c", ".py", ".sh", ".cmake", "CMakeLists.txt")


def excused(lines, index, rule):
    mark = f"tidy: allow({rule})"
    return mark in lines[index] or (index > 0 and mark in lines[index - 1])


def check_lines(path, text, problems):
    lines = text.splitlines()
    for index, line in enumerate(lines):
        # A faults.h is a table, one fault a line, for tools/make_error_pages.py.
        if len(line) > 120 and not path.endswith("/faults.h") and not excused(lines, index, "length"):
            problems.append(f"{path}:{index + 1}: {len(line)} columns (120)")
        if TODO.search(line) and not path.endswith("tidy.py"):
            problems.append(f"{path}:{index + 1}: a TODO names its issue: TODO(issue 12)")
        if PLACES.search(line) and not path.endswith(("tidy.py",)) and not line.startswith("#!"):
            problems.append(f"{path}:{index + 1}: names a place of one machine or a package host: {line.strip()}")


def check_calls(path, text, problems):
    rules = BANNED + ([SLEEP] if path.startswith("tests/") else []) + (TERMINAL if reaches_terminal(path) else [])
    if path.endswith(".h"):
        rules = rules + [("using", r"^\s*using namespace", "headers do not open namespaces")]
    lines, bare = text.splitlines(), code(text).splitlines()
    for index, line in enumerate(bare):
        # An #include's <header> survives code(); its "header" does not.
        for rule, pattern, why in rules:
            if rule == "float" and path.startswith("core/json/"):
                continue   # JSON has them; the terminal's code never asks for one
            if re.search(pattern, line) and not excused(lines, index, rule):
                problems.append(f"{path}:{index + 1}: {rule}: {why}: {line.strip()}")


def check_shape(path, text, problems, notes):
    length, name = text.count("\n"), os.path.basename(path)
    if path.endswith((".cc", ".c")) and length > 600:
        problems.append(f"{path}: {length} lines (600 at most, 400 wanted)")
    if path.endswith(".h"):
        if length > 200:
            notes.append(f"{path}: {length} lines (200 wanted)")
        if "#pragma once" not in text and "#ifndef" not in text:
            problems.append(f"{path}: no #pragma once")
    if path.startswith(PRODUCT) and re.search(r"(^|_)(manager|helpers?|utils?|misc|common)(_|\.|$)", name):
        problems.append(f"{path}: say what it does; no manager, helper, util, misc, common")
    if path.startswith(PRODUCT) and path.endswith(".cc"):
        own = path[:-3] + ".h"
        first = next(includes(text), None)
        if os.path.exists(os.path.join(ROOT, own)) and (first is None or first[1] != own):
            problems.append(f'{path}: includes its own header first ("{own}")')


def check_listed(problems):
    lists = {f: read(f) for f in files("CMakeLists.txt", ".cmake")}
    for path in files(".cc", ".c"):
        folder, name = os.path.split(path)
        if path.startswith(("examples/", "bootloader/uboot/", "tools/")):
            continue
        near = [text for file, text in lists.items()
                if path.startswith(os.path.dirname(file) + "/") or file == "cmake/till.cmake"]
        stem = re.sub(r"_(test|fuzz)\.cc$", "", name)  # foreach(name ...) till_test(... ${name}_test.cc)
        patterns = [re.escape(name), rf"foreach\(\w+ [^)]*\b{re.escape(stem)}\b"]
        if not any(re.search(rf"(?<![\w-])(?:{'|'.join(patterns)})(?![\w-])", text) for text in near):
            problems.append(f"{path}: in no CMakeLists.txt (CMake globs nothing here)")


def check_repository(problems):
    for path in files():
        size = os.path.getsize(os.path.join(ROOT, path))
        if size > 100_000 and "/golden/" not in path:
            problems.append(f"{path}: {size} bytes; blobs over 100 KB stand only in golden/")
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "docs/architecture.md", "docs/glossary.md"):
        if not os.path.exists(os.path.join(ROOT, name)):
            problems.append(f"{name}: missing")
    if os.path.exists(os.path.join(ROOT, "CHANGELOG.md")) and "## Unreleased" not in read("CHANGELOG.md"):
        problems.append("CHANGELOG.md: has no `## Unreleased` section for the next change")
    packages = re.findall(r"^(\S+)\s+(\w+)\s+(\S.*)?$", read("tools/packages.txt").split("\n\n", 1)[1], re.M)
    for package, _, why in packages:
        if not why:
            problems.append(f"tools/packages.txt: {package}: say why")


def lonely_headers():
    """Public headers that no .cc includes first: the others are proved by that .cc."""
    proved = set()
    for path in files(".cc", ".c"):
        first = next(includes(read(path)), None)
        if first:
            proved.add(first[1])
    return [h for h in files(".h") if h not in proved and not h.startswith("bootloader/uboot/")]


def compile_header(header):
    is_c = header.startswith("bootloader/") and 'extern "C"' in read(header)
    command = ["gcc", "-std=gnu11", "-xc"] if is_c else ["g++", "-std=gnu++20", "-xc++"]
    done = subprocess.run(command + ["-fsyntax-only", "-Wall", "-I", ROOT, "-include", header, "/dev/null"], cwd=ROOT,
                          capture_output=True, text=True)
    return None if done.returncode == 0 else f"{header} does not compile alone:\n{done.stderr[:2000]}"


def main():
    problems, notes = [], []
    if sys.argv[1:] == ["headers"]:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            problems = [p for p in pool.map(compile_header, lonely_headers()) if p]
    else:
        for path in files(*TEXT) + ["dev"]:
            text = read(path)
            check_lines(path, text, problems)
            if path.endswith((".cc", ".h", ".c")):
                check_calls(path, text, problems)
                check_shape(path, text, problems, notes)
        check_listed(problems)
        check_repository(problems)
    for note in notes:
        print("note:", note)
    print("\n".join(problems) if problems else "tidy: nothing to say")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
