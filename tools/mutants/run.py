#!/usr/bin/env python3
"""Takes each guard of the tree out, one at a time, and sees whether a test notices (docs/testing.md, "Mutants").

usage: run.py [--module M]... [--only ID]... [--sample N [--seed S]] [--tests REGEX] [--list] [--fresh]
              [--jobs J] [--patience S]

  (nothing)       every guard that is not in kept.txt; witnesses.txt is written anew; goes on where it was interrupted
  --module M      only the guards of a module, or of a file whose path begins with M
  --only ID       only this guard, a kept one too
  --sample N      N guards at random of those with a witness: does it still notice? (seed printed; --seed S again)
  --tests REGEX   only these test programs (names as ctest has them): quick; a survivor may have a witness elsewhere
  --list          says which guards there are, and their witnesses; builds nothing
  --fresh         believes no result of an earlier run
  --jobs J        test programs at once (2)
  --patience S    how many seconds of tests are tried on a guard before it counts as a survivor (120)

Exit: 0 every guard has a witness or a reason, 1 survivors (listed), 2 usage or a build that failed.
"""
import argparse, concurrent.futures, json, os, random, re, subprocess, sys, threading, time

import cases
import tree
from guards import MODULES, module_of

WITNESSES = os.path.join(tree.HERE, "witnesses.txt")
KEPT = os.path.join(tree.HERE, "kept.txt")


def read_witnesses():
    """id -> (test program, case)"""
    found = {}
    if os.path.exists(WITNESSES):
        for line in open(WITNESSES):
            if line.strip() and not line.startswith("#"):
                guard, _, program, case = line.split()
                found[guard] = (program, case)
    return found


def write_witnesses(all_guards, witnesses):
    rows = sorted((all_guards[id].path, id, *test) for id, test in witnesses.items() if id in all_guards)
    with open(WITNESSES, "w") as file:
        file.write("# Written by ./dev mutants: each guard, its file, and a test that fails when it is taken out.\n")
        file.writelines(f"{id} {path} {program} {case}\n" for path, id, program, case in rows)


def read_kept():
    """id -> reason. Paragraphs: lines of reason, then one line for each guard (id, then whatever helps a reader)."""
    found, reason, was_id = {}, [], False
    for line in open(KEPT) if os.path.exists(KEPT) else []:
        word = line.split(" ")[0].strip()
        is_id = len(word) == 8 and all(c in "0123456789abcdef" for c in word)
        if is_id:
            found[word] = " ".join(reason)
        elif line.strip():
            reason = [] if was_id else reason
            reason.append(line.strip())
        else:
            reason = []
        was_id = is_id
    return found


def describe(guard):
    return f"{guard.id} {guard.path}:{guard.line}: {guard.text[:170]}"


class Hunt:
    """Runs tests against one guard after the other. State is kept in build/mutants, so that a run can go on."""

    def __init__(self, options, witnesses, fired):
        self.options, self.witnesses, self.fired = options, witnesses, fired
        self.lock = threading.Lock()
        self.state_path = os.path.join(tree.WORK, "results.json")
        self.results = {}
        if os.path.exists(self.state_path) and not options.fresh:
            with open(self.state_path) as file:
                self.results = json.load(file)

    def order(self, guard):
        """The cases in which the guard fired, the known witness first, then the quickest; grouped by program."""
        known = self.witnesses.get(guard.id) or (self.results.get(guard.id) or {}).get("killed")
        known = known and tuple(known[:2])
        rows = [(seconds, program, case) for program, case, seconds in self.fired.cases_of(guard.id)]
        rows.sort()
        batches = [(known[0], [known[1]])] if known and any(row[1:] == known for row in rows) else []
        left, groups = self.options.patience, {}
        for seconds, program, case in rows:
            left -= seconds
            if left < 0:
                break
            group = groups.setdefault((program, seconds > 1), [[]])
            if len(group[-1]) >= 40 or (seconds > 1 and group[-1]):
                group.append([])
            group[-1].append(case)
        for (program, _), group in groups.items():
            batches += [(program, batch) for batch in group]
        return batches

    def try_guard(self, guard):
        """(program, case, how) of a test that fails without the guard, or None."""
        for program, batch in self.order(guard):
            failed = self.fired.suite.fails_without(guard.id, program, batch)
            if failed:
                return [program, *failed]
        return None

    def key(self, guard):
        return self.fired.key_of(guard.id)

    def known_result(self, guard):
        held = None if self.options.sample or self.options.only else self.results.get(guard.id)
        return held if held and held["key"] == self.key(guard) else None

    def keep(self, guard, result):
        if self.options.sample:
            return
        with self.lock:
            self.results[guard.id] = result
            with open(self.state_path + ".new", "w") as file:
                json.dump(self.results, file)
            os.replace(self.state_path + ".new", self.state_path)

    def one(self, guard):
        result = self.known_result(guard)
        if result is None:
            result = {"key": self.key(guard), "killed": self.try_guard(guard)}
            self.keep(guard, result)
            verdict = "survived" if result["killed"] is None else "{0} {1} ({2})".format(*result["killed"])
            print(f"{guard.id} {guard.path}:{guard.line} {verdict}", flush=True)
        return guard, result["killed"]

    def all(self, chosen):
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            return list(pool.map(self.one, chosen))


def choose(options, all_guards, witnesses, kept):
    if options.only:
        unknown = [id for id in options.only if id not in all_guards]
        if unknown:
            sys.exit(f"no guard has the id {' '.join(unknown)} (--list names them)")
        return [all_guards[id] for id in options.only]
    chosen = [guard for guard in all_guards.values() if guard.id not in kept]
    if options.module:
        chosen = [guard for guard in chosen
                  if any(module_of(guard.path) == m or ("/" in m and guard.path.startswith(m)) for m in options.module)]
    chosen.sort(key=lambda guard: (guard.path, guard.line))
    if options.sample:
        proven = [guard for guard in chosen if guard.id in witnesses]
        if len(proven) < len(chosen):
            print(f"{len(chosen) - len(proven)} guards have neither witness nor reason yet: ./dev mutants --list")
        chosen = proven
        seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
        print(f"{options.sample} of {len(chosen)} guards: ./dev mutants --sample {options.sample} --seed {seed}")
        chosen = random.Random(seed).sample(sorted(chosen), min(options.sample, len(chosen)))
    return chosen


def wanted_programs(options, chosen, witnesses, programs):
    """The test programs to build: a sample needs its witnesses only."""
    names = {witnesses[guard.id][0] for guard in chosen} if options.sample else programs
    return {name: program for name, program in programs.items()
            if name in names and re.search(options.tests, name)}


def show_list(all_guards, witnesses, kept):
    for guard in sorted(all_guards.values(), key=lambda guard: (guard.path, guard.line)):
        word = "kept: " + kept[guard.id] if guard.id in kept else " ".join(witnesses.get(guard.id, ("no witness yet",)))
        print(f"{describe(guard)}\n    {word}")
    open_ones = len([id for id in all_guards if id not in kept and id not in witnesses])
    print(f"{len(all_guards)} guards, {len(kept)} kept with a reason, {open_ones} without a witness yet")


def report(options, results, all_guards, kept, witnesses, seconds):
    survivors = [guard for guard, killed in results if killed is None]
    for guard, killed in results:
        if killed and guard.id not in kept:
            witnesses[guard.id] = tuple(killed[:2])
        elif killed is None and not options.sample and not options.tests:
            witnesses.pop(guard.id, None)
    if not options.sample:
        write_witnesses(all_guards, {id: test for id, test in witnesses.items() if id not in kept})
    gone = [id for id in kept if id not in all_guards]
    for id in gone:
        print(f"{id}: in kept.txt, and no guard has it any more: take the line out")
    for guard in survivors:
        print(f"SURVIVED {describe(guard)}")
    for guard, killed in results:
        if killed and guard.id in kept:
            print(f"{guard.id}: in kept.txt, and {killed[0]} {killed[1]} fails without it: take the line out")
    noticed = len(results) - len(survivors)
    print(f"{len(results)} guards taken out, {noticed} noticed by a test, {len(survivors)} survived; "
          f"{len(kept)} kept with a reason; {seconds / 60:.1f} min")
    return 1 if survivors or gone else 0


def parse():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0], add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--module", action="append")
    parser.add_argument("--only", action="append")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--tests", default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--patience", type=float, default=120)
    options = parser.parse_args()
    if options.help:
        print(__doc__)
        sys.exit(0)
    for module in options.module or []:
        if module not in MODULES and "/" not in module:
            parser.error(f"no module {module}: one of {' '.join(MODULES)}, or a path")
    return options


def main():
    options, began = parse(), time.monotonic()
    all_guards, witnesses, kept = tree.find_guards(), read_witnesses(), read_kept()
    if options.list:
        show_list(all_guards, witnesses, kept)
        return 0
    chosen = choose(options, all_guards, witnesses, kept)
    if not chosen:
        sys.exit("nothing to do: every guard that was asked for is kept")
    try:
        tree.configure()
        programs = wanted_programs(options, chosen, witnesses, tree.programs())
        tree.build(sorted({program.target for program in programs.values()}), options.jobs)
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd[:3])} ended with {error.returncode}: the instrumented tree does not build",
              file=sys.stderr)
        return 2
    suite = cases.Suite(programs, os.path.join(tree.WORK, "run"))
    known = {witnesses[guard.id] for guard in chosen} if options.sample else None
    fired = cases.Fired(suite, options.jobs, known)
    results = Hunt(options, witnesses, fired).all(chosen)
    return report(options, results, all_guards, kept, witnesses, time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
