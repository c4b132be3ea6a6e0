"""Slots and records on flash drivers of a real kernel: Debian's mipsel kernel with phram (NOR-like), nandsim (NAND, bad
blocks) and UBI on it. The slots' and records' tests run there (build/mipsel/tests/device_test), then tilld takes two
updates from a tillhub on this machine: from an MTD slot into a UBI volume, and back. No U-Boot: who starts tilld in the
slot that the boot record names is real_flash.sh. Used by rig.py.
"""
import os, queue, random, re, shutil, signal, subprocess, threading, time

import guest
from hub import Hub, check

RUN = os.path.join(guest.OUT, "real-flash")
MODULES = ["pcnet32", "phram", "nandsim", "ubi"]
MEMORY = "128M"
KERNEL_MEMORY = "mem=96M@0x0 mem=28M@0x6400000"   # the 4 MiB in between are the NOR
CONFIG = """server = http://10.0.2.2:{port}
controller_id = pos-1
token = {token}
data_dir = /data
journal = /dev/mtd2
board = malta,rig
product = pos-malta
slot_a = /dev/mtd3
slot_b = /dev/ubi0_1
boot_state = /dev/mtd1
trusted_root = /root.json
reboot = exit
poll_s = 1
"""


def files(config, image):
    programs = {name: os.path.join(guest.ROOT, "build", "mipsel", folder, name)
                for name, folder in (("tilld", "bin"), ("device_test", "tests"), ("make_volume", "tests"))}
    for name, path in programs.items():
        stripped = os.path.join(RUN, name)
        subprocess.run(["mipsel-linux-gnu-strip", "-o", stripped, path], check=True)
        programs[name] = stripped
    libraries = guest.libraries(programs.values())
    found = [(f"bin/{name}", 0o755, path) for name, path in programs.items()]
    found += [(f"lib/{name}", 0o755, path) for name, path in libraries.items()]
    found += [("image", 0o644, image), ("root.json", 0o644, config["root"])]
    result = [(name, mode, open(path, "rb").read()) for name, mode, path in found]
    result.append(("tilld.conf", 0o600, config["text"].encode()))
    return result


def images():
    """Three of 700 KB that differ a little."""
    data = bytearray(random.Random(1).randbytes(700_000))
    paths = {}
    for i, version in enumerate(("1.0.0", "1.1.0", "2.0.0")):
        data[1000 * i:1000 * i + 500] = random.Random(version).randbytes(500)
        paths[version] = os.path.join(RUN, version)
        with open(paths[version], "wb") as out:
            out.write(data)
    return paths


class Machine:
    def __init__(self, cpu, kernel, initrd):
        self.console = open(os.path.join(RUN, "console"), "w")
        self.process = subprocess.Popen(
            ["timeout", "--foreground", "1800", "qemu-system-mipsel", "-M", "malta", "-cpu", cpu,
             "-m", MEMORY, "-vga", "none", "-display", "none", "-monitor", "none", "-serial", "stdio",
             "-no-reboot", "-kernel", kernel, "-initrd", initrd,
             "-append", f"console=ttyS0,115200 panic=1 quiet rdinit=/init {KERNEL_MEMORY}",
             "-netdev", "user,id=n0", "-device", "pcnet,netdev=n0,romfile="],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.console.write(line)
            self.console.flush()
            self.lines.put(line.rstrip())
        self.lines.put(None)

    def wait(self, pattern, seconds):
        end = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                line = None
            check(line is not None, f"no line like '{pattern}': see {RUN}/console")
            match = re.search(pattern, line)
            if match:
                return match

    def off(self):
        os.killpg(self.process.pid, signal.SIGKILL)   # timeout's child too
        self.process.wait()


def play(cpu):
    shutil.rmtree(RUN, ignore_errors=True)
    os.makedirs(RUN)
    folder = guest.packages()
    hub = Hub(os.path.join(RUN, "hub"))
    machine = None
    try:
        paths = images()
        hub.publish(paths)
        port = hub.url.rsplit(":", 1)[1].rstrip("/")
        config = dict(text=CONFIG.format(port=port, token=hub.token),
                      root=os.path.join(hub.folder, "out", "tuf", "1.root.json"))
        initrd = os.path.join(RUN, "initramfs.gz")
        with open(initrd, "wb") as out:
            out.write(guest.initramfs(folder, MODULES, "real_flash.sh", files(config, paths["1.0.0"])))
        (name,) = [n for n in os.listdir(os.path.join(folder, "boot")) if n.startswith("vmlinuz")]
        machine = Machine(cpu, os.path.join(folder, "boot", name), initrd)
        tests = machine.wait(r"\[  PASSED  \] (\d+) tests", 600)[1]
        check(machine.wait(r"rig: tests ended with (\d+)", 60)[1] == "0", "tests failed")
        updates = []
        for version, slot in (("1.1.0", "b"), ("2.0.0", "a")):
            watch = hub.roll_out(version)
            machine.wait(f"rig: runs slot={slot}", 300)
            check(watch.wait(300) == 0, f"the rollout of {version} failed")
            updates.append(version)
        return dict(tests=int(tests), updates=updates, from_mtd_to_ubi=hub.delta_bytes["1.1.0"],
                    from_ubi_to_mtd=hub.delta_bytes["2.0.0"])
    finally:
        if machine:
            machine.off()
        hub.stop()
