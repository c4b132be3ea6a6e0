"""Test cases run one by one or in batches: which guards fire in each, and whether one fails without a guard."""
import concurrent.futures, hashlib, itertools, json, os, re, resource, shutil, signal, struct, subprocess
import tempfile, threading, time

SLOTS = 1 << 14   # guard.c has the same
WHOLE = "-"       # the one case of a program that is not gtest's
SLOWEST_S = 60    # a case that takes longer alone is nobody's quick witness: it is left out


def limit():
    """A mutant may ask for all memory or write without end."""
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


class Suite:
    def __init__(self, programs, run_folder):
        self.programs, self.run_folder = programs, run_folder
        self.numbers, self.local = itertools.count(), threading.local()
        shutil.rmtree(run_folder, ignore_errors=True)
        os.makedirs(run_folder)

    def run(self, name, cases, timeout_s, **environment):
        """(what it answered or "time", its output, seconds). Whatever it leaves behind is ended and removed."""
        program = self.programs[name]
        command = list(program.command)
        if program.is_gtest:
            command += ["--gtest_filter=" + ":".join(cases), "--gtest_color=no"]
        folder = tempfile.mkdtemp(prefix="till-mutant-")   # short: sockets stand in it
        began = time.monotonic()
        with open(os.path.join(folder, "out"), "w+b") as out:
            child = subprocess.Popen(command, cwd=program.folder, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=limit,
                                     env=dict(os.environ, TMPDIR=folder, **environment))
            try:
                answer = child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                answer = "time"
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
            out.seek(0)
            text = out.read(1 << 20).decode(errors="replace")
        shutil.rmtree(folder, ignore_errors=True)
        return answer, text, time.monotonic() - began

    def cases(self, name):
        program = self.programs[name]
        if not program.is_gtest:
            return [WHOLE]
        listed = subprocess.run(program.command + ["--gtest_list_tests"], capture_output=True, text=True, timeout=60)
        found, suite = [], ""
        for line in listed.stdout.splitlines():
            word = line.split("#")[0].rstrip()
            if word.startswith("  "):
                found.append(suite + word.strip())
            elif word.endswith("."):
                suite = word
        return [case for case in found if "DISABLED_" not in case]

    def fails_without(self, guard, name, cases):
        """(case, how) of a case that fails without the guard and passes with it, or None."""
        baseline = sum(self.seconds.get((name, case), 1) for case in cases)
        answer, text, _ = self.run(name, cases, 20 + 6 * baseline, TILL_MUTANT=guard)
        if answer == 0:
            return None
        how = "hangs" if answer == "time" else "crashes" if answer < 0 else "fails"
        failed = re.findall(r"^\[  FAILED  \] ([^\s,]+)(?:, where.*)? \(\d+ ms\)$", text, re.M)
        running = re.findall(r"^\[ RUN      \] (\S+)$", text, re.M)
        suspects = failed + running[-1:] if self.programs[name].is_gtest else [WHOLE]
        for case in dict.fromkeys(suspects[:3]):
            passed, _, seconds = self.run(name, [case], 60 + 6 * baseline)
            if passed != 0:
                continue   # it fails with the guard too, today
            if answer == "time" and self.run(name, [case], 30 + 10 * seconds, TILL_MUTANT=guard)[0] == 0:
                continue   # the machine was busy
            return case, how
        return None

    seconds = {}   # (program, case) -> how long it took with every guard in place


class Fired:
    """Which guards fire in which case: only there can a guard be missed. Kept for each build of a program."""

    def __init__(self, suite, jobs, only_cases=None):
        self.suite, self.by_case, self.keys = suite, {}, {}
        self.path = os.path.join(os.path.dirname(suite.run_folder), "fired.json")
        self.held = {}
        if os.path.exists(self.path):
            with open(self.path) as file:
                self.held = json.load(file)
        self.lock = threading.Lock()
        work = []
        for name in suite.programs:
            self.keys[name] = self.key_of_program(name)
            held = self.held.get(name)
            if held is None or held["key"] != self.keys[name]:
                self.held[name] = {"key": self.keys[name], "cases": {}}
            wanted = [case for case in suite.cases(name) if only_cases is None or (name, case) in only_cases]
            work += [(name, case) for case in wanted if case not in self.held[name]["cases"]]
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            done = list(pool.map(lambda item: self.note(*item), work))
        self.save()
        broken = [f"{name} {case}" for (name, case), ok in zip(work, done) if not ok]
        if broken:
            print(f"{len(broken)} cases fail or take too long with every guard in place; they witness nothing here:")
            print("\n".join("  " + line for line in broken))
        self.index()

    def key_of_program(self, name):
        program = self.suite.programs[name]
        with open(program.command[0], "rb") as file:
            starts_programs = b"/bin\0" in file.read()
        key = digest(program.command[0])
        folder = os.path.join(os.path.dirname(os.path.dirname(program.command[0])), "bin")
        if starts_programs and os.path.isdir(folder):
            key += "".join(digest(os.path.join(folder, each))[:6] for each in sorted(os.listdir(folder)))
        return key

    def note(self, name, case):
        path = os.path.join(self.suite.run_folder, f"fired-{next(self.suite.numbers)}")
        with open(path, "wb") as file:
            file.truncate(4 * SLOTS)
        answer, _, seconds = self.suite.run(name, [case], SLOWEST_S, TILL_MUTANT_FIRED=path)
        with open(path, "rb") as file:
            ids = [f"{word:08x}" for (word,) in struct.iter_unpack("<I", file.read()) if word]
        os.remove(path)
        with self.lock:
            self.held[name]["cases"][case] = {"ok": answer == 0, "seconds": round(seconds, 3), "ids": ids}
            if next(self.suite.numbers) % 50 == 0:
                self.save()
        return answer == 0

    def save(self):
        with open(self.path + ".new", "w") as file:
            json.dump(self.held, file)
        os.replace(self.path + ".new", self.path)

    def index(self):
        for name in self.suite.programs:
            for case, noted in self.held[name]["cases"].items():
                if not noted["ok"]:
                    continue
                self.suite.seconds[name, case] = noted["seconds"]
                for id in noted["ids"]:
                    self.by_case.setdefault(id, []).append((name, case, noted["seconds"]))

    def cases_of(self, guard):
        return self.by_case.get(guard, [])

    def key_of(self, guard):
        """Changes when a program in whose tests the guard fires is built anew."""
        names = sorted({name for name, _, _ in self.cases_of(guard)})
        return hashlib.sha256(" ".join(name + self.keys[name] for name in names).encode()).hexdigest()[:16]
