#!/usr/bin/env python3
"""usage: outputs_test.py TILLPACK TILL-APPLY

Every option that names a file to write (-o, --out, --html), found in the programs' own help, writes through to a device
node and to a pipe, follows a link, refuses a folder, and leaves nothing beside."""
import os, random, re, stat, subprocess, sys, tempfile, threading

problems = []
OUTPUT = re.compile(r"^  (?:-o,)?(--out|--html)\b", re.M)


def run(program, *words, **more):
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=60, check=False, **more)


def commands_with_outputs(program, path=()):
    text = run(program, *path, "--help").stdout
    found = [(" ".join(path), option) for option in OUTPUT.findall(text)]
    below = text.partition("\nSubcommands:\n")[2].partition("\n\n")[0]
    for command in re.findall(r"^  ([a-z][a-z-]*)(?:\s|$)", below, re.M):
        found += commands_with_outputs(program, (*path, command))
    return found


def make_world(tillpack):
    old = random.Random(1).randbytes(200_000)
    with open("a.img", "wb") as file:
        file.write(old)
    with open("b.img", "wb") as file:
        file.write(old[:90_000] + b"changed here" + old[90_000:])
    with open("tillrace.toml", "w", encoding="utf-8") as file:
        file.write('[product]\nname = "pos"\nboard = ["acme,pos-100"]\n[image.rootfs]\nfile = "a.img"\n')
    for words in ("keys init", "release --version 1.0.0", "delta --from a.img --to b.img -o d.till",
                  "full --to b.img -o f.till", "chunks make --to b.img -o c.till"):
        done = run(tillpack, *words.split())
        assert done.returncode == 0, done.stderr


COMMANDS = {
    "delta --out": "delta --from a.img --to b.img -o {}",
    "full --out": "full --to b.img -o {}",
    "apply --out": "apply --from a.img --payload d.till -o {}",
    "expand --out": "expand b.img -o {}",
    "kernel --out": "kernel b.img --load 0x80000000 -o {}",
    "chunks make --out": "chunks make --to b.img -o {}",
    "chunks apply --out": "chunks apply --from a.img --chunks c.till -o {}",
    "explain --html": "explain d.till --from a.img --to b.img --html {}",
    "factory --out": "factory out/1.0.0 --slot-size 512KiB -o {}",
    "till-apply --out": "--base a.img --payload d.till --out {}",
}


def write_to(program, command, place):
    return run(program, *command.format(place).split())


def complain(command, what, done):
    problems.append(f"{command}: {what} (ended with {done.returncode}: {done.stdout}{done.stderr})")


def through_a_pipe(program, command, expected):
    os.mkfifo("pipe")
    got = []

    def read():
        with open("pipe", "rb") as file:
            got.append(file.read())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    done = write_to(program, command, "pipe")
    if not stat.S_ISFIFO(os.lstat("pipe").st_mode):
        complain(command, "the pipe was replaced", done)
        return
    if done.returncode != 0:  # nobody may have opened it: let the reader go
        os.close(os.open("pipe", os.O_RDWR | os.O_NONBLOCK))
    reader.join(timeout=30)
    if done.returncode != 0 or got != [expected]:
        complain(command, "other bytes came through the pipe", done)
    os.unlink("pipe")


def look_at(program, command):
    done = write_to(program, command, "plain")
    if done.returncode != 0 or not os.path.isfile("plain"):
        return complain(command, "a plain file was not written", done)
    with open("plain", "rb") as file:
        expected = file.read()
    try:
        os.mknod("node", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        print("no device nodes for this user")
    else:
        done = write_to(program, command, "node")
        if not os.path.lexists("node") or not stat.S_ISCHR(os.lstat("node").st_mode):
            complain(command, "the device node was replaced or removed", done)
        elif done.returncode != 0:
            complain(command, "did not write through the device node", done)
    through_a_pipe(program, command, expected)
    for target in ("real", "not-yet"):
        if target == "real":
            with open("real", "wb") as file:
                file.write(b"old")
        os.symlink(target, "link")
        done = write_to(program, command, "link")
        if not os.path.islink("link"):
            complain(command, "the link was replaced", done)
        elif done.returncode != 0 or open(target, "rb").read() != expected:
            complain(command, f"did not follow the link to {target}", done)
        os.unlink("link")
    os.mkdir("folder")
    done = write_to(program, command, "folder")
    if done.returncode == 0 or not re.search(r"error T\d{4}: ", done.stderr) or os.listdir("folder"):
        complain(command, "a folder was taken", done)
    os.symlink("/proc/self/fd/1", "stdout")  # never the one of /dev: a program without its guard replaces it
    done = write_to(program, command, "stdout")
    if done.returncode == 0:
        complain(command, "mixed what it writes with what it tells", done)
    left = set(os.listdir(".")) - BEFORE - {"plain", "node", "real", "not-yet", "folder", "stdout"}
    if left:
        problems.append(f"{command}: left {left}")
    for name in set(os.listdir(".")) - BEFORE:
        os.rmdir(name) if name == "folder" else os.unlink(name)
    return None


def main():
    global BEFORE
    tillpack, till_apply = map(os.path.abspath, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make_world(tillpack)
        BEFORE = set(os.listdir("."))
        found = {f"{command} {option}" for command, option in commands_with_outputs(tillpack)} | {"till-apply --out"}
        for name in sorted(found ^ COMMANDS.keys()):
            problems.append(f"{name}: stands in one of help and COMMANDS only")
        for name in sorted(found & COMMANDS.keys()):
            look_at(till_apply if name.startswith("till-apply") else tillpack, COMMANDS[name])
            print(name)
        os.chdir("/")
    print("\n".join(problems))
    return 1 if problems else 0


BEFORE = set()
if __name__ == "__main__":
    sys.exit(main())
