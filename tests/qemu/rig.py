#!/usr/bin/env python3
"""The emulated terminal: QEMU's malta with 64 MiB, our U-Boot, Debian's kernel in a signed FIT, tilld, two slots,
updated over the emulated network by a real tillhub on this machine.

usage: rig.py [--kills N] [--seed S] [--only SCENARIO] [--cpu CPU] [--keep]
Scenarios: mtd (slots and records on the kernel's own MTD, NAND and UBI drivers), update (a delta, confirmed),
unhealthy (a failing health check rolls back), crash (a panic at every start: the boot code gives up), hang (a watchdog
ends it), kill (QEMU killed with -9 at N random instants).
Prints one JSON line for each scenario; ends with 1 when one failed. The console of the terminal is in build/qemu/run.
"""
# covers F01 F08
import argparse, json, os, queue, random, re, shutil, signal, struct, subprocess, sys, threading, time, zlib

import guest, real_flash
from hub import Failed, Hub, check

RUN = os.path.join(guest.OUT, "run")
CONFIG = """server = http://10.0.2.2:{port}
controller_id = pos-1
token = {token}
data_dir = /data/tilld
board = malta,rig
product = pos-malta
slot_a = /dev/sda2
slot_b = /dev/sda3
boot_state = /dev/sda1
trusted_root = /data/root.json
health_dir = /etc/health.d
reboot = exit
poll_s = 2
rate_limit = 98304
tries = 5
"""


class Terminal:
    """A disk, and the QEMU process that runs from it (or none: power is off)."""

    def __init__(self, name, image, data, cpu):
        self.disk, self.cpu = os.path.join(RUN, name + ".img"), cpu
        self.flash = os.path.join(RUN, name + ".flash")
        shutil.copy(os.path.join(guest.UBOOT, "malta", "flash.bin"), self.flash)
        guest.disk(self.disk, image, data)
        self.console = open(os.path.join(RUN, name + ".console"), "w")
        self.process = None

    def on(self):
        command = ["qemu-system-mipsel", "-M", "malta", "-cpu", self.cpu, "-m", "64M", "-vga", "none",
                   "-display", "none", "-monitor", "none", "-serial", "stdio",
                   "-drive", f"if=pflash,format=raw,file={self.flash}",
                   "-drive", f"if=ide,format=raw,file={self.disk}", "-netdev", "user,id=n0",
                   "-device", "pcnet,netdev=n0,romfile="]
        self.process = subprocess.Popen(["timeout", "--foreground", "1800", *command], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        errors="replace", start_new_session=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, args=(self.process, self.lines), daemon=True).start()

    def read(self, process, lines):
        for line in process.stdout:
            self.console.write(f"{time.monotonic():.1f} {line}")
            self.console.flush()
            lines.put(line.rstrip())
        lines.put(None)

    def off(self):
        """Power is cut: QEMU's whole process group, no time to flush anything."""
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def wait(self, pattern, seconds):
        """The first line from now on that matches."""
        end = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise Failed(f"no line like '{pattern}' in {seconds} s")
            if line is None:
                raise Failed(f"QEMU ended before '{pattern}'")
            match = re.search(pattern, line)
            if match:
                return match

    def up(self, seconds=300):
        """(version, slot, on trial) of the next system that comes up."""
        match = self.wait(r"rig: up version=(\S+) slot=(.) trial=(.) free=(\d+) uptime=(\S+)", seconds)
        self.free_kib, self.uptime = int(match[4]), float(match[5])
        return match[1], match[2], match[3] == "1"

    def record(self):
        """(stable slot, trial slot or None) as it stands on the disk."""
        best = None
        with open(self.disk, "rb") as disk:
            for copy in (0, 1):
                disk.seek(guest.PARTITIONS[0][0] + 4096 * copy)
                data = disk.read(64)
                seq = struct.unpack("<I", data[8:12])[0]
                if data[:4] == b"TLBS" and (best is None or seq > best[0]):
                    best = (seq, data[5], None if data[6] == 255 else data[6])
        return best[1:] if best else (None, None)

    def slot_version(self, slot, images):
        """Which image the slot holds, byte for byte."""
        with open(self.disk, "rb") as disk:
            for version, path in images.items():
                image = open(path, "rb").read()
                disk.seek(guest.PARTITIONS[1 + slot][0])
                if disk.read(len(image)) == image:
                    return version
        return None


class Rig:
    def __init__(self, arguments):
        self.arguments = arguments
        shutil.rmtree(RUN, ignore_errors=True)
        os.makedirs(RUN)
        self.images = guest.slot_images(self.wanted())
        self.hub = Hub(os.path.join(RUN, "hub"))
        self.terminal = None
        self.hub.publish({v: path for v, path in self.images.items() if v < "2"})
        self.start()

    def wanted(self):
        """A version of 2.x for every two kills, and some more for updates that were done before their cut."""
        last = self.arguments.kills // 2 + 3
        return [v for v in guest.VERSIONS if v < "2" or int(v.split(".")[1]) < last]

    def start(self):
        image = self.images["1.0.0"]
        port = self.hub.url.rsplit(":", 1)[1].rstrip("/")
        data = {"tilld.conf": CONFIG.format(port=port, token=self.hub.token).encode(),
                "root.json": open(os.path.join(self.hub.folder, "out", "tuf", "1.root.json"), "rb").read(),
                "length": str(os.path.getsize(image)).encode()}
        self.terminal = Terminal("terminal", image, data, self.arguments.cpu)
        self.running = "1.0.0"

    def finish(self, watch, wanted, seconds):
        try:
            code = watch.wait(seconds)
        except subprocess.TimeoutExpired:
            watch.kill()
            raise Failed(f"the rollout did not end in {seconds} s")
        check(code == wanted, f"the rollout ended with {code}, not {wanted}")

    def holds(self, version):
        """The stable slot holds exactly this image, and no trial is open."""
        stable, trial = self.terminal.record()
        check(trial is None, "a trial is still open")
        held = self.terminal.slot_version(stable, self.images)
        check(held == version, f"the stable slot holds {held}, not {version}")
        self.running = version

    def update(self):
        began = time.monotonic()
        self.terminal.on()
        check(self.terminal.up() == ("1.0.0", "a", False), "the factory image did not come up")
        boot_s = time.monotonic() - began
        began = time.monotonic()
        watch = self.hub.roll_out("1.1.0")
        check(self.terminal.up() == ("1.1.0", "b", True), "the new slot was not tried")
        self.finish(watch, 0, 300)
        self.update_s = time.monotonic() - began
        self.holds("1.1.0")
        return dict(boot_s=round(boot_s, 1), free_kib=self.terminal.free_kib,
                    delta_bytes=self.hub.delta_bytes["1.1.0"], image_bytes=os.path.getsize(self.images["1.1.0"]))

    def unhealthy(self):
        watch = self.hub.roll_out("1.2.0")
        check(self.terminal.up()[0] == "1.2.0", "the new slot was not tried")
        check(self.terminal.up()[0] == self.running, "it did not come back to the old slot")
        self.finish(watch, 1, 300)
        self.holds(self.running)
        return dict(reason=self.reason("receipt total is wrong"))

    def reason(self, wanted):
        text = json.dumps(self.hub.device())
        check(wanted in text, f"the hub was not told '{wanted}'")
        return wanted

    def crash(self):
        watch = self.hub.roll_out("1.3.0")
        tries = 0
        while True:
            version, _, trial = self.terminal.up()
            if version == self.running:
                break
            check(version == "1.3.0" and trial, f"{version} came up")
            tries += 1
        check(tries == 5, f"{tries} tries, not 5")
        self.finish(watch, 1, 300)
        self.holds(self.running)
        return dict(tries=tries, reason=self.reason("tries used up"))

    def hang(self):
        """A trial by hand of an image that stops at its first line: nobody feeds the watchdog, no agent is needed."""
        self.terminal.off()
        text = open(self.terminal.disk, "rb").read()
        check(text[guest.PARTITIONS[0][0]:][:4] == b"TLBS", "no record")
        hung = Terminal("hung", self.images["1.0.0"], {"hang": b""}, self.arguments.cpu)
        with open(hung.disk, "r+b") as disk:
            disk.seek(guest.PARTITIONS[2][0])
            disk.write(open(self.images["1.1.0"], "rb").read())
            body = b"TLBS" + bytes([1, 0, 1, 2]) + struct.pack("<I", 5) + bytes([1, 255, 0, 0])
            body += struct.pack("<III", 1, 1, 2) + bytes(32)
            disk.seek(guest.PARTITIONS[0][0])
            disk.write(body + struct.pack("<I", zlib.crc32(body)))
        hung.on()
        try:
            for _ in (1, 2):
                check(hung.up()[:2] == ("1.1.0", "b"), "the hanging slot was not tried")
            check(hung.up()[:2] == ("1.0.0", "a"), "it did not fall back")
        finally:
            hung.off()
        self.terminal.on()
        self.terminal.up()
        return dict(resets=2)

    def kill(self):
        """Each update is cut at three random instants and then left to finish; then the next update."""
        randomness = random.Random(self.arguments.seed)
        kills, updates, stages = 0, 0, {}
        pending = [v for v in self.images if v.startswith("2.")]
        while kills < self.arguments.kills:
            check(pending, f"only {kills} cuts came before an update's end")
            version = pending.pop(0)
            self.hub.publish({version: self.images[version]})
            began, cuts = time.monotonic(), kills
            watch = self.hub.roll_out(version)
            for _ in range(min(3, self.arguments.kills - kills)):
                try:
                    # Anywhere in a download, a restart and a trial, as fast as this machine is today.
                    watch.wait(randomness.uniform(0.5, 0.9 * self.update_s))
                    break   # it was faster: the next update takes the next cut
                except subprocess.TimeoutExpired:
                    pass
                stage = self.stage()
                stages[stage] = stages.get(stage, 0) + 1
                self.terminal.off()
                kills += 1
                self.verified(version)
                self.terminal.on()
            if watch.poll() is None:
                self.finish(watch, 0, 900)
            check(watch.returncode == 0, f"the update to {version} ended with {watch.returncode}")
            self.holds(version)
            updates += 1
            if cuts == kills:   # no cut came in time: the machine has become faster
                self.update_s = time.monotonic() - began
        return dict(kills=kills, updates=updates, stages=stages)

    def stage(self):
        """What the terminal was about when it lost power, by its console."""
        self.terminal.console.flush()
        last = ""
        for line in open(self.terminal.console.name, errors="replace"):
            for mark, name in (("U-Boot 2023", "boot code"), ("Linux version", "kernel"), ("rig: up", "system"),
                               ("tilld ended with 10", "reboot")):
                if mark in line:
                    last = name + (", trial" if "trial=1" in line else "")
        return last

    def verified(self, version):
        """At every instant: the slot that will be chosen holds a whole image."""
        stable, trial = self.terminal.record()
        held = self.terminal.slot_version(stable, self.images)
        check(held in (self.running, version), f"the stable slot holds {held}")
        if trial is not None:
            check(self.terminal.slot_version(trial, self.images) == version, "the slot on trial is not whole")

    def close(self):
        if self.terminal:
            self.terminal.off()
        self.hub.stop()


def play(scenario, body):
    """Prints its line; True when it went well."""
    began = time.monotonic()
    try:
        result = dict(ok=True, **body())
    except Failed as failure:
        result = dict(ok=False, why=str(failure))
    print(json.dumps(dict(scenario=scenario, seconds=round(time.monotonic() - began, 1), **result)))
    sys.stdout.flush()
    return result["ok"]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--cpu", default="34Kf")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else ["mtd", "unhealthy", "crash", "hang", "kill"]
    if "mtd" in wanted and not play("mtd", lambda: real_flash.play(arguments.cpu)):
        return 1
    if wanted == ["mtd"]:
        return 0
    rig = Rig(arguments)
    try:
        for scenario in ("update", "unhealthy", "crash", "hang", "kill"):
            if scenario in ("update", *wanted) and not play(scenario, getattr(rig, scenario)):
                return 1
    finally:
        rig.close()
    if not arguments.keep:
        for name in os.listdir(RUN):
            if name.endswith(".img"):
                os.remove(os.path.join(RUN, name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
