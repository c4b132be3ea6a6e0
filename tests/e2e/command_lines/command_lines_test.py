#!/usr/bin/env python3
"""Help and wrong usage of each program given: a command's help shows examples of that command alone, with flags that
it has; wrong usage ends with 2 and a fault that names the help of the command that was meant."""
import json, os, re, subprocess, sys

problems = []


def run(program, *words):
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def commands_in(text):
    below = text.partition("\nSubcommands:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  ([a-z][a-z-]*)(?:\s|$)", below, re.M)


def examples_in(text):
    below = text.partition("\nExamples:\n")[2]
    return re.findall(r"^  (\S.*)$", below, re.M)


def look_at(program, path, flags):
    """One command's help; then those below it. Answers how many there were."""
    name = " ".join([os.path.basename(program), *path])
    status, text, _ = run(program, *path, "--help")
    if status != 0:
        problems.append(f"{name} --help ends with {status}")
    flags = flags | set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", text.partition("\nExamples:\n")[0]))
    examples = examples_in(text)
    if not examples:
        problems.append(f"{name} --help shows no example")
    below = commands_in(text)
    for line in examples:
        if not (line + " ").startswith(name + " "):
            problems.append(f"{name} --help shows an example of something else: {line}")
        wrong = [flag for flag in re.findall(r"(?<=\s)(--[a-z-]+|-[a-z])", line) if flag not in flags]
        if wrong and not below:
            problems.append(f"{name} has no {', '.join(wrong)}: {line}")
    return 1 + sum(look_at(program, path + [command], flags) for command in below)


def expect_usage(program, words, meant, said):
    status, out, errors = run(program, *words)
    name = " ".join([os.path.basename(program), *words])
    wanted = f"  do:  see {meant} --help\n"
    if status != 2 or out or not re.match(r"error T\d{4}: ", errors) or wanted not in errors or said not in errors:
        problems.append(f"{name}: ends with {status}, says: {out}{errors}")


def main():
    for program in sys.argv[1:]:
        name = os.path.basename(program)
        count = look_at(program, [], set())
        if count < 2:
            problems.append(f"{name}: no command found in its help")
        print(f"{name}: {count} pages of help")
        expect_usage(program, [], name, "subcommand")
        expect_usage(program, ["nonsense"], name, "nonsense")
        expect_usage(program, ["nonsense", "--help"], name, "nonsense")
        expect_usage(program, ["nonsense", "--version"], name, "nonsense")
        expect_usage(program, ["--version", "nonsense"], name, "nonsense")
        status, out, _ = run(program, "--version")
        if status != 0 or not re.fullmatch(rf"{name} \d+\.\d+\.\d+\n", out):
            problems.append(f"{name} --version: ends with {status}, says: {out}")
    for name, words, meant, said in [
            ("tillpack", ["release"], "tillpack release", "--version"),
            ("tillpack", ["keys", "initt"], "tillpack keys", "initt"),
            ("tillpack", ["keys", "initt", "--help"], "tillpack keys", "initt"),
            ("tillpack", ["--version", "renew"], "tillpack renew", "--version stands alone"),
            ("tillctl", ["rollout", "start", "may", "--version"], "tillctl rollout start", "--version stands alone"),
            ("tillctl", ["device", "lss", "--version"], "tillctl device", "lss"),
            ("tillhub", ["serve", "--dta", "x"], "tillhub serve", "--data"),
            ("tilledge", ["serve", "--oregano", "x"], "tilledge serve", "--"),
            ("tillctl", ["rollout", "create"], "tillctl rollout create", "name"),
            ("tillctl", ["rollout", "watch", "may", "june"], "tillctl rollout watch", "june"),
            ("tillctl", ["device", "ls", "--limit", "many"], "tillctl device ls", "--limit"),
            ("tillctl", ["-o", "xml", "device", "ls"], "tillctl device ls", "xml")]:
        for program in sys.argv[1:]:
            if os.path.basename(program) == name:
                expect_usage(program, words, meant, said)
                if name == "tillpack":
                    errors = run(program, "--json", *words)[2]
                    if json.loads(errors)["error"]["mend"] != f"see {meant} --help":
                        problems.append(f"{name} --json {' '.join(words)}: {errors}")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
