#!/usr/bin/env python3
"""Checks the arrows of docs/architecture.md: who may include whom, and where a third-party header may stand.

The two tables below are the rule; a new folder or library is added here, on purpose and in review.
"""
import re, sys
from sources import code, files, includes, read

# folder: what it may include, besides itself. The longest matching folder decides.
ARROWS = {
    "core": ["core"],
    "delta/format": ["core"],
    "delta/codec": ["core", "delta/format"],
    "delta/residual": ["core", "delta/format"],
    "delta/mips": ["core", "delta/format"],
    "delta/container": ["core", "delta/format", "delta/codec"],
    "delta/apply": ["core", "delta/format", "delta/codec", "delta/residual", "delta/mips"],
    "delta/chunks": ["core", "delta/apply/target_writer.h"],
    "delta/diff": ["core", "delta/format", "delta/codec", "delta/residual", "delta/mips",
                   "delta/container", "delta/apply"],
    "delta/bsdiff": ["core", "delta/format", "delta/diff"],
    "bootloader": ["core"],
    "device": ["core", "delta/format", "delta/apply", "delta/chunks", "bootloader/boot_state.h"],
    "packer": ["core", "delta"],
    "cdn-edge": ["core"],
    "server": ["core", "delta/format"],
    "server/cli": ["core", "delta/format", "server"],
    "server/cli/fleet": ["core", "server", "device/agent", "device/ddi"],
    "bench": ["core", "delta", "packer", "server", "cdn-edge", "device", "bootloader"],
    "tests": ["core", "delta", "packer", "server", "cdn-edge", "device", "bootloader"],
    "examples": ["core", "delta/format", "delta/apply"],
    "tools/mutants": [],
}
# What must not be reached even where the folder may.
NEVER = {
    "device": ["core/http/server.h", "core/kv", "core/tuf/repository.h"],
    "delta": ["core/http", "core/kv"],
    "bootloader/boot_state": ["core"],      # compiled unchanged into U-Boot
}
# core's own arrows: one third-party library per subfolder, and only what is listed here.
CORE = {
    "core/commands": [], "core/crypto": [], "core/json": [], "core/kv": [], "core/http": [],
    "core/tuf": ["core/crypto", "core/json"],
    "core/chunklist": ["core/crypto"],
}
# third-party header: the only places that may include it (tests and bench may include any).
THIRD_PARTY = {
    r"openssl/": ["core/crypto/", "core/http/"],
    r"curl/": ["core/http/"],
    r"rapidjson/": ["core/json/"],
    r"lmdb\.h": ["core/kv/"],
    r"divsufsort(64)?\.h": ["delta/diff/"],
    r"(zstd|zstd_errors|zdict)\.h": ["delta/codec/"],
    r"lzma\.h|lzma/": ["delta/codec/"],
    r"zlib\.h": ["delta/codec/"],
    r"lz4(hc)?\.h": ["delta/codec/"],
    r"bzlib\.h": ["delta/bsdiff/"],
    r"toml\+\+/": ["packer/"],
    r"civetweb\.h": ["server/"],
    r"CLI/": ["core/commands/", "packer/", "cdn-edge/", "server/"],
    r"gtest/|gmock/|benchmark/": [],
}
# CLI11 is large (docs/decisions/0001) and throws: it stands where commands are declared, and nowhere behind.
COMMAND_FILES = re.compile(r"/(main|command_line|\w+_command)\.cc$")
SYSTEM_FOLDERS = ("sys/", "linux/", "netinet/", "arpa/", "net/", "mtd/", "asm/", "bits/")
# ("deltas" is the name of a role in core/tuf, and has to be.)
UPDATE_WORDS = re.compile(r"\b(?:rollout|firmware|payload|tilld|tillhub|tilledge|tillpack|tillctl)s?\b", re.I)


def folder_of(path):
    return max((f for f in ARROWS if path.startswith(f + "/")), key=len, default=None)


def within(header, places):
    return any(header == p or header.startswith(p if p.endswith("/") else p + "/") for p in places)


def check_own(path, number, header, problems):
    folder = folder_of(path)
    if not re.match(r"[a-z-]+/", header):
        problems.append(f'{path}:{number}: "{header}": write includes from the project root')
    elif header.startswith(("tests/", "bench/")) and folder not in ("tests", "bench"):
        problems.append(f"{path}:{number}: nothing includes tests or bench ({header})")
    elif header.startswith(folder + "/") and folder != "core":
        return
    elif not within(header, ARROWS[folder]):
        problems.append(f"{path}:{number}: {folder} may not include {header} (but {', '.join(ARROWS[folder])})")
    for prefix, places in NEVER.items():
        if path.startswith(prefix) and within(header, places):
            problems.append(f"{path}:{number}: {prefix} never includes {header}")
    if folder == "core" and header.count("/") == 2:
        sub = header.rsplit("/", 1)[0]
        allowed = next((v for k, v in CORE.items() if path.startswith(k)), [])
        if not path.startswith(sub + "/") and sub not in allowed:
            problems.append(f"{path}:{number}: this part of core must not include {header}")


def check_third_party(path, number, header, problems, users):
    if path.startswith("bootloader/uboot/"):
        return   # lives in U-Boot's tree: its headers are what there is
    for pattern, places in THIRD_PARTY.items():
        if re.match(pattern, header):
            if not path.startswith(("tests/", "bench/")) and not path.startswith(tuple(places)):
                problems.append(f"{path}:{number}: <{header}> stands only in {', '.join(places) or 'tests and bench'}")
            users.setdefault(pattern, set()).add(path)
            return
    if "/" in header and not header.startswith(SYSTEM_FOLDERS):
        problems.append(f"{path}:{number}: <{header}> is not in the third-party table of tools/check_layers.py")


def main():
    problems, users = [], {}
    for path in files(".cc", ".h", ".c"):
        if folder_of(path) is None:
            problems.append(f"{path}: this folder is not in the table of tools/check_layers.py")
            continue
        text = read(path)
        for number, header, is_system in includes(text):
            if is_system:
                check_third_party(path, number, header, problems, users)
            else:
                check_own(path, number, header, problems)
        if path.startswith("core/"):
            for number, line in enumerate(code(text).splitlines(), 1):
                if UPDATE_WORDS.search(line):
                    problems.append(f"{path}:{number}: core knows no word of updates: {line.strip()}")
    for pattern, paths in users.items():
        product = sorted(p for p in paths if not p.startswith(("tests/", "bench/")))
        if pattern == "CLI/":
            problems += [f"{p}: <CLI/> stands in main.cc, command_line.cc and *_command.cc only" for p in product
                         if not COMMAND_FILES.search(p)]
        elif pattern not in ("openssl/",) and len({p.rsplit("/", 1)[0] for p in product}) > 1:
            problems.append(f"{pattern}: included from more than one folder: {', '.join(product)}")
    print("\n".join(problems) if problems else "layers: every arrow points down")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
