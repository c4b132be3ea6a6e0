#!/usr/bin/env python3
"""What tilld takes while it applies a real delta, or puts an image together from chunks, above what an idle one takes:
at most 8 MiB, downloader included.

Two images of squashfs-xz are packed by the real tillpack; a stock hawkBit's API offers the delta, or the chunk object
to a terminal that does not know what it runs. Three ways:
  native    the process runs under RLIMIT_DATA = its idle data + 8 MiB: what takes more fails
  native    resident memory (Pss of agent and downloader) is watched
  mipsel    the terminal's own binary under qemu-user: the guest's pages alone are counted (qemu runs with a fixed guest
            base, so that its own memory and its code cache are told from the program's), and passing the bound kills it

usage: memory_e2e.py --bin FOLDER [--terminal-bin FOLDER --sysroot FOLDER]
"""

import argparse
import io
import os
import random
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "hawkbit"))
from hawkbit_e2e import CONTROLLER, TOKEN, Failed, expect  # noqa: E402
from stock_hawkbit import StockHawkbit  # noqa: E402

BOUND = 8 << 20
GUEST_BASE, GUEST_END = 0x100000000, 0x180000000
DEADLINE_S = 240


def make_tree(folder, version):
    """Programs and texts, some of them another in each version."""
    source = "/usr/bin"
    names = sorted(n for n in os.listdir(source) if os.path.isfile(os.path.join(source, n)))
    total = 0
    os.makedirs(folder)
    for name in names:
        path = os.path.join(source, name)
        if os.path.islink(path) or not 4_000 < os.path.getsize(path) < 400_000:
            continue
        with open(path, "rb") as file:
            content = bytearray(file.read())
        change = random.Random(f"{version} {name}")
        if version and change.randrange(6) == 0:
            at = change.randrange(len(content) - 64)
            content[at:at + 64] = change.randbytes(64)
        with open(f"{folder}/{name}", "wb") as out:
            out.write(content)
        total += len(content)
        if total > 8 << 20:
            return


def pack(bin_folder, work):
    with open(work + "/tillrace.toml", "w", encoding="utf-8") as out:
        out.write('[product]\nname = "pos"\nboard = ["acme,pos-100"]\n[image.rootfs]\nfile = "image"\n[delta]\n'
                  'from = "all"\nprofile = "mt7688-64m"\nkeep_if = "delta < 2 * full"\nchunks = true\n[sign]\n'
                  'keys = "keys"\n'
                  '[release]\nout = "out"\n')

    def run(*words):
        done = subprocess.run(words, cwd=work, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        expect(done.returncode == 0, f"{words}: {done.stdout} {done.stderr}")
        return done.stdout

    run(bin_folder + "/tillpack", "keys", "init")
    for version in (0, 1):
        make_tree(f"{work}/tree{version}", version)
        run("mksquashfs", f"tree{version}", f"image{version}", "-comp", "xz", "-b", "256K", "-noappend", "-all-root",
            "-no-progress", "-mkfs-time", "0", "-all-time", "0", "-processors", "1")
        shutil.copyfile(f"{work}/image{version}", work + "/image")
        said = run(bin_folder + "/tillpack", "release", "--version", f"1.{version}.0")
    print(said.strip())
    delta = [n for n in os.listdir(work + "/out/1.1.0") if n.startswith("rootfs.from-")]
    expect(len(delta) == 1, "no delta was made: " + said)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(os.listdir(work + "/out/tuf")):
            archive.add(f"{work}/out/tuf/{name}", arcname=name)
    offers = []
    for name in (delta[0], "rootfs.chunks.till"):
        with open(f"{work}/out/1.1.0/{name}", "rb") as source:
            offers.append({name: source.read(), "release.tuf": tar.getvalue()})
    return offers


def pss(pid, guest):
    """Proportional resident bytes: of the whole process, or of the guest's pages alone."""
    total, inside = 0, not guest
    try:
        with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as lines:
            for line in lines:
                head = line.split(" ", 1)[0]
                if "-" in head and not head.endswith(":"):
                    start = int(head.split("-")[0], 16)
                    inside = not guest or GUEST_BASE <= start < GUEST_END
                elif inside and line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    except (OSError, ProcessLookupError):
        return 0
    return total


def family(pid):
    """The process and its children."""
    pids = [pid]
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            pids += [int(c) for c in children.read().split()]
    except OSError:
        pass
    return pids


class Terminal:
    def __init__(self, work, name, command, host_bin, url, image, known):
        self.command, self.folder = command, f"{work}/{name}"
        os.makedirs(self.folder)
        length = os.path.getsize(image)
        slot = (length // (1 << 20) + 2) << 20
        for which in "ab":
            with open(f"{self.folder}/slot-{which}", "wb") as out:
                if which == "a":
                    with open(image, "rb") as source:
                        out.write(source.read())
                out.truncate(slot)
        self.conf = self.folder + "/tilld.conf"
        with open(self.conf, "w", encoding="utf-8") as out:
            out.write(f"server = {url}\ncontroller_id = {CONTROLLER}\ntoken = {TOKEN}\nboard = acme,pos-100\n"
                      f"product = pos\nslot_a = {self.folder}/slot-a\nslot_b = {self.folder}/slot-b\npoll_s = 1\n"
                      f"boot_state = {self.folder}/boot\ndata_dir = {self.folder}/data\nreboot = exit\n"
                      f"trusted_root = {work}/out/tuf/1.root.json\n"
                      f"full_fallback = {'server' if known else 'always'}\n")  # however much the chunks come to
        done = subprocess.run([host_bin + "/tilld", "--config", self.conf, "adopt", "--image-version", "1.0.0",
                               "--length", str(length)], capture_output=True, text=True, timeout=60, check=False)
        expect(done.returncode == 0, done.stderr)
        if not known:  # another byte than was adopted
            with open(f"{self.folder}/slot-a", "r+b") as out:
                out.seek(length // 2)
                out.write(b"another")
        self.log = open(self.folder + "/log", "w", encoding="utf-8")
        self.process = subprocess.Popen([*command, "--config", self.conf, "run", "--running-slot", "a"],
                                        stdout=self.log, stderr=self.log)

    def log_text(self):
        with open(self.folder + "/log", encoding="utf-8") as source:
            return source.read()[-3000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


def wait_until(true, what, terminal):
    end = time.monotonic() + DEADLINE_S
    while not true():
        expect(time.monotonic() < end, what + terminal.log_text())
        expect(terminal.process.poll() is None, f"it ended with {terminal.process.poll()}: {terminal.log_text()}")
        time.sleep(0.02)  # another process is looked at


def measure(work, name, command, host_bin, hawkbit, files, guest, limit_data):
    known = "rootfs.chunks.till" not in files
    terminal = Terminal(work, name, command, host_bin, hawkbit.url, work + "/image0", known)
    try:
        pid = terminal.process.pid
        with hawkbit.lock:
            before = len(hawkbit.requests)
        wait_until(lambda: len(hawkbit.requests) >= before + 4, "it does not poll: ", terminal)
        idle = max(pss(pid, guest) for _ in range(5))
        if limit_data:
            with open(f"/proc/{pid}/status", encoding="ascii") as lines:
                data = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData")][0]
            resource.prlimit(pid, resource.RLIMIT_DATA, (data + BOUND, data + BOUND))
        number = max(hawkbit.actions, default=80) + 1
        action = hawkbit.assign(number, "1.1.0", files)
        peak, end = idle, time.monotonic() + DEADLINE_S
        while terminal.process.poll() is None:
            peak = max(peak, sum(pss(p, guest) for p in family(pid)))
            if peak > idle + BOUND:
                terminal.process.kill()
            expect(time.monotonic() < end, "it does not end: " + terminal.log_text())
        over = peak - idle
        with hawkbit.lock:
            action.active = False   # the trial is another test's
        print(f"{name}: idle {idle / 1024:.0f} KiB, while applying {peak / 1024:.0f} KiB, "
              f"{over / 1024:.0f} KiB over idle of {BOUND // 1024}{' (under RLIMIT_DATA)' if limit_data else ''}")
        expect(over <= BOUND, f"{name}: {over} bytes over idle")
        expect(terminal.process.returncode == 10, f"{name}: ended with {terminal.process.returncode}: "
               + terminal.log_text())
        with open(terminal.folder + "/slot-b", "rb") as slot, open(work + "/image1", "rb") as image:
            content = image.read()
            expect(slot.read(len(content)) == content, name + ": the slot does not hold the new image")
    finally:
        terminal.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--terminal-bin")
    parser.add_argument("--sysroot")
    arguments = parser.parse_args()
    host_bin = os.path.abspath(arguments.bin)
    if not os.path.exists(host_bin + "/tillpack"):
        print("memory_e2e: skipped: the host's programs are not built (./dev build)")
        return 77
    work = tempfile.mkdtemp(prefix="till-memory-")
    hawkbit = StockHawkbit(CONTROLLER, TOKEN)
    try:
        delta, chunks = pack(host_bin, work)
        if arguments.terminal_bin:
            emulator = ["qemu-mipsel-static", "-cpu", "34Kf", "-B", hex(GUEST_BASE), "-L", arguments.sysroot,
                        os.path.abspath(arguments.terminal_bin) + "/tilld"]
            measure(work, "mipsel", emulator, host_bin, hawkbit, delta, True, False)
            measure(work, "mipsel-chunks", emulator, host_bin, hawkbit, chunks, True, False)
        else:
            measure(work, "native", [host_bin + "/tilld"], host_bin, hawkbit, delta, False, False)
            measure(work, "limited", [host_bin + "/tilld"], host_bin, hawkbit, delta, False, True)
            measure(work, "native-chunks", [host_bin + "/tilld"], host_bin, hawkbit, chunks, False, False)
            measure(work, "limited-chunks", [host_bin + "/tilld"], host_bin, hawkbit, chunks, False, True)
    except (Failed, subprocess.SubprocessError) as error:
        print(f"memory_e2e: {error}", file=sys.stderr)
        return 1
    finally:
        hawkbit.stop()
        shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
