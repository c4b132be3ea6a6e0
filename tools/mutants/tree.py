"""The instrumented tree: a copy of the sources with a switch at every guard, and its build."""
import os, re, subprocess, sys

import guards

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from sources import ROOT, files  # noqa: E402

WORK = os.path.join(ROOT, "build", "mutants")
TREE, BUILD = os.path.join(WORK, "tree"), os.path.join(WORK, "build")

# They take minutes, look at time or memory, or do not run the instrumented sources.
NOT_RUN = re.compile(r"network_fault|process_fault|power_|_memory_test$|check_|boot_model_check|boot_uboot|e2e|demo"
                     r"|qemu|delta_reference_pairs")


def find_guards():
    """Every guard of the tree, by id."""
    found = {}
    for path in files():
        if guards.module_of(path):
            with open(os.path.join(ROOT, path)) as file:
                for guard in guards.scan(path, file.read())[0]:
                    if guard.id in found:
                        sys.exit(f"two guards with the id {guard.id}: {guard.path} and {found[guard.id].path}")
                    found[guard.id] = guard
    return found


def write_if_changed(path, data, mode):
    if os.path.exists(path):
        with open(path, "rb") as file:
            if file.read() == data:
                return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)


def write_tree():
    """Only what changed is written: what has not changed is not compiled again."""
    wanted = set()
    for path in files():
        wanted.add(path)
        with open(os.path.join(ROOT, path), "rb") as file:
            data = file.read()
        if guards.module_of(path):
            data = guards.scan(path, data.decode())[1].encode()
        write_if_changed(os.path.join(TREE, path), data, os.stat(os.path.join(ROOT, path)).st_mode)
    for folder, _, names in os.walk(TREE):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and os.path.relpath(path, TREE) not in wanted:
                os.remove(path)
    os.makedirs(os.path.join(ROOT, ".cache"), exist_ok=True)   # the pinned codecs' sources
    if not os.path.islink(os.path.join(TREE, ".cache")):
        os.symlink(os.path.join(ROOT, ".cache"), os.path.join(TREE, ".cache"))


def run(*command, **options):
    print("+", " ".join(command), file=sys.stderr)
    subprocess.run(command, check=True, **options)


def environment():
    # Objects are the same wherever the tree stands.
    return dict(os.environ, CCACHE_BASEDIR=TREE, CCACHE_NOHASHDIR="1")


def configure():
    write_tree()
    guard = os.path.join(WORK, "guard.o")
    run("cc", "-O1", "-fPIC", "-c", os.path.join(HERE, "guard.c"), "-o", guard)
    # -w: a guard that is switched may warn. Assertions stay on, as in every build.
    command = ["cmake", "-S", TREE, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
               "-DCMAKE_C_FLAGS=-w", "-DCMAKE_CXX_FLAGS=-w", "-DCMAKE_C_FLAGS_DEBUG=-O1", "-DCMAKE_CXX_FLAGS_DEBUG=-O1",
               f"-DCMAKE_C_STANDARD_LIBRARIES={guard}", f"-DCMAKE_CXX_STANDARD_LIBRARIES={guard}"]
    if subprocess.run(["which", "ccache"], capture_output=True).returncode == 0:
        command += ["-DCMAKE_C_COMPILER_LAUNCHER=ccache", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"]
    run(*command, env=environment(), stdout=subprocess.DEVNULL)


def build(targets, jobs):
    run("cmake", "--build", BUILD, "-j", str(jobs), "--target", *targets, env=environment())


class Program:
    """A test program: one of gtest, whose cases run one by one, or the replay of a fuzz target's seeds."""

    def __init__(self, name, command, folder):
        self.name, self.command, self.folder = name, command, folder
        self.target = os.path.basename(command[0])
        self.is_gtest = os.path.dirname(command[0]) == os.path.join(BUILD, "tests") and len(command) == 1


def programs():
    found = {}
    for folder, _, names in os.walk(BUILD):
        if "CTestTestfile.cmake" not in names:
            continue
        with open(os.path.join(folder, "CTestTestfile.cmake")) as file:
            text = file.read()
        for match in re.finditer(r"^add_test\((?:\[=\[)?([\w.-]+)(?:\]=\])? (.*)\)$", text, re.M):
            command = re.findall(r'"([^"]*)"', match.group(2))
            if command[0].startswith(BUILD + "/") and not NOT_RUN.search(match.group(1)):
                found[match.group(1)] = Program(match.group(1), command, folder)
    return found
