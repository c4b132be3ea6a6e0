#!/usr/bin/env python3
"""Writes docs/errors/T….md and index.md from the faults.h tables.

usage: make_error_pages.py [--check]      --check: fails when a page is missing, stale or left over

A table's line is `inline constexpr Fault kPortInUse{"T4001", "what happened", "what to do"};`. A comment right above
it goes to the page as more explanation.
"""
import ast, os, re, sys
from sources import ROOT, files, read

# T1 is shared by the two programs that apply by hand: delta/apply/faults.h serves till-apply and tillpack apply.
ALSO = {"1": "delta/apply/"}
PROGRAMS = {"0": ("core", "every program"), "1": ("packer", "tillpack"), "2": ("device", "tilld"),
            "3": ("server", "tillhub"), "4": ("cdn-edge", "tilledge"), "5": ("server/cli", "tillctl"),
            "6": ("bootloader", "the boot code")}
LITERALS = r'(?:"(?:\\.|[^"\\])*"\s*)+'
FAULT = re.compile(r'((?:^[ \t]*//[^\n]*\n)*)^inline constexpr Fault\s+(k\w+)\s*=?\s*(?:Fault)?\{\s*'
                   rf'({LITERALS}),\s*({LITERALS}),\s*({LITERALS})\}}\s*;', re.M)


def text_of(literals):
    return "".join(ast.literal_eval(part) for part in re.findall(r'"(?:\\.|[^"\\])*"', literals))


def faults(problems):
    found = {}
    for path in files("faults.h"):
        source = read(path)
        matches = list(FAULT.finditer(source))
        if len(matches) != len(re.findall(r"^inline constexpr Fault\b", source, re.M)):
            problems.append(f"{path}: a Fault is not written as the table wants it")
        for match in matches:
            more = " ".join(line.strip().lstrip("/").strip() for line in match[1].splitlines()
                            if "clang-format" not in line)
            code, what, mend = (text_of(match[i]) for i in (3, 4, 5))
            if not re.fullmatch(r"T[0-6]\d{3}", code):
                problems.append(f"{path}: {code} is not T0000 to T6999")
            elif not path.startswith((PROGRAMS[code[1]][0] + "/", ALSO.get(code[1], "none/"))):
                problems.append(f"{path}: {code} belongs to {PROGRAMS[code[1]][0]}/")
            elif code in found:
                problems.append(f"{path}: {code} is in use: {found[code][0]}")
            else:
                found[code] = (match[2], what, mend, more)
    return found


def pages(found):
    out, rows = {}, []
    for code, (_, what, mend, more) in sorted(found.items()):
        program = PROGRAMS[code[1]][1]
        rows.append(f"| [{code}]({code}.md) | {program} | {what} |")
        out[f"{code}.md"] = (f"# {code}: {what}\n\nPrinted by {program}.\n\n" + (more + "\n\n" if more else "") +
                             f"**What to do:** {mend}\n")
    out["index.md"] = ("# Errors\n\nWritten by tools/make_error_pages.py from the `faults.h` tables: do not edit.\n"
                       "Codes never change their meaning; a code that is no longer used is not given out again.\n\n"
                       "| code | program | what happened |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    return out


def main():
    check, problems = sys.argv[1:] == ["--check"], []
    if sys.argv[1:] and not check:
        sys.exit(__doc__)
    folder = os.path.join(ROOT, "docs/errors")
    os.makedirs(folder, exist_ok=True)
    wanted = pages(faults(problems))
    for name in sorted(set(os.listdir(folder)) | set(wanted)):
        path = os.path.join(folder, name)
        held = open(path, encoding="utf-8").read() if os.path.exists(path) else None
        if held == wanted.get(name):
            continue
        if check:
            problems.append(f"docs/errors/{name} is out of date: run tools/make_error_pages.py")
        elif name in wanted:
            with open(path, "w", encoding="utf-8") as page:
                page.write(wanted[name])
        else:
            os.remove(path)
    print("\n".join(problems) if problems else f"error pages: {len(wanted) - 1} codes")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
