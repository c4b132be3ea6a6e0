#!/usr/bin/env python3
"""Lists which rows of the threat catalogue (tools/threat_ids.txt) a test claims: `// covers S05 F01` in tests/.

Informational: a row without a test is work to do, not a failure. An id that no catalogue has is one (exit 1).
"""
import re, sys
from sources import files, read


def main():
    wanted = dict(re.findall(r"^([SDFW]\d\d)\s+(.*)$", read("tools/threat_ids.txt"), re.M))
    covered, problems = {}, []
    for path in files(".cc", ".py", ".sh"):
        if not path.startswith("tests/"):
            continue
        for line in re.findall(r"(?://|#)\s*covers\s+((?:[SDFW]\d\d[ ,]*)+)", read(path)):
            for name in re.findall(r"[SDFW]\d\d", line):
                covered.setdefault(name, set()).add(path)
                if name not in wanted:
                    problems.append(f"{path}: covers {name}, which tools/threat_ids.txt does not have")
    for name, what in wanted.items():
        print(f"{name}  {', '.join(sorted(covered[name])) if name in covered else '-- no test --':60}  {what}")
    print(f"{len(set(wanted) & set(covered))} of {len(wanted)} rows have a test that names them")
    print("\n".join(problems), end="")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
