#!/usr/bin/env python3
"""The modified U-Boot as a host process (its sandbox board): the real till_boot, FIT and RSA code, the SPI NOR stack
over an emulated chip, and a block device. Every boot is a process; what lies on flash is a file.

usage: uboot_sandbox_test.py FOLDER [unittest arguments]     FOLDER: build/u-boot (bootloader/uboot/build.py sandbox)
"""
import os, pathlib, random, re, shutil, struct, subprocess, sys, tempfile, unittest, zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UBOOT = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else os.path.join(ROOT, "build", "u-boot")
MAKE_IMAGE = os.path.join(ROOT, "bootloader", "uboot", "make_slot_image.py")
RECORDS, SLOTS, SLOT_BYTES = (0x10000, 0x20000), (0x100000, 0x880000), 0x780000  # boards/sandbox.dts
NONE = 255


def record(seq=1, stable=0, trial=NONE, tries=0, confirmed=1, failed=NONE, reason=0, floor=1, index=(1, 1)):
    """docs/formats/boot-state.md, written a second time."""
    body = b"TLBS" + bytes([1, stable, trial, tries]) + struct.pack("<I", seq) + bytes([confirmed, failed, reason, 0])
    body += struct.pack("<III", floor, *index) + bytes(24 + 8)
    return body + struct.pack("<I", zlib.crc32(body))


def decode(data):
    if zlib.crc32(data[:60]) != struct.unpack("<I", data[60:64])[0] or data[:4] != b"TLBS":
        return None
    return dict(seq=struct.unpack("<I", data[8:12])[0], stable=data[5], trial=data[6], tries=data[7],
                confirmed=data[12], failed=data[13], reason=data[14], floor=struct.unpack("<I", data[16:20])[0])


class Images:
    """Signed images, made once: (name) -> bytes."""
    folder = tempfile.mkdtemp(prefix="till-uboot-")
    made = {}

    @classmethod
    def make(cls, name, index, key="dev", seed=0, arguments=()):
        if name not in cls.made:
            random.seed(seed)
            paths = {what: os.path.join(cls.folder, what) for what in ("kernel", "rootfs", "image")}
            for what, size in (("kernel", 50_000), ("rootfs", 300_000)):
                with open(paths[what], "wb") as out:
                    out.write(random.randbytes(size))
            subprocess.run([sys.executable, MAKE_IMAGE, "--key", cls.key(key), "--kernel", paths["kernel"], "--rootfs",
                            paths["rootfs"], "--rollback-index", str(index), "--arch", "sandbox", "--load", "0x1000000",
                            "--entry", "0x1000000", "--out", paths["image"], *arguments], check=True)
            cls.made[name] = pathlib.Path(paths["image"]).read_bytes()
        return cls.made[name]

    @classmethod
    def key(cls, name):
        if name == "dev":
            return os.path.join(UBOOT, "keys", "dev.pem")
        path = os.path.join(cls.folder, name + ".pem")
        if not os.path.exists(path):
            subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out",
                            path], check=True, capture_output=True)
        return path


def packed_kernel(frames):
    """A FIT as `tillpack kernel` makes it: the kernel's first frame, the others as loadables."""
    nodes = ""
    for n, frame in enumerate(frames):
        path = os.path.join(Images.folder, f"frame-{n:03}")
        pathlib.Path(path).write_bytes(frame)
        kind, entry = ("kernel", "entry = <0x1000000>;") if n == 0 else ("firmware", "")
        nodes += (f'frame-{n:03} {{ description = "frame"; data = /incbin/("{path}"); type = "{kind}"; '
                  f'arch = "sandbox"; os = "linux"; '
                  f'compression = "none"; load = <{0x1000000 + n * 0x40000}>; {entry} }};')
    others = ", ".join(f'"frame-{n:03}"' for n in range(1, len(frames)))
    source = os.path.join(Images.folder, "kernel.its")
    pathlib.Path(source).write_text(
        f'/dts-v1/; / {{ description = "kernel"; #address-cells = <1>; images {{ {nodes} }}; '
        f'configurations {{ default = "c"; '
        f'c {{ kernel = "frame-000"; loadables = {others}; }}; }}; }};')
    fit = os.path.join(Images.folder, "kernel.fit")
    subprocess.run(["mkimage", "-f", source, fit], check=True, capture_output=True)
    return fit


def flipped(image, at, bit=1):
    return image[:at] + bytes([image[at] ^ bit]) + image[at + 1:]


def fit_bytes(image):
    return struct.unpack(">I", image[4:8])[0]


class Terminal:
    """16 MiB of flash and a boot loader."""

    def __init__(self, kind="sandbox"):
        self.kind = kind
        self.dtb = os.path.join(UBOOT, "sandbox", f"till-{kind}.dtb")
        self.flash = bytearray(b"\xff" * (16 << 20))

    def put(self, slot, image):
        self.flash[SLOTS[slot]:SLOTS[slot] + SLOT_BYTES] = image + b"\xff" * (SLOT_BYTES - len(image))

    def put_record(self, copy, data):
        self.flash[RECORDS[copy]:RECORDS[copy] + len(data)] = data

    def record(self):
        found = [decode(bytes(self.flash[at:at + 64])) for at in RECORDS]
        return max((r for r in found if r), key=lambda r: r["seq"], default=None)

    def copies(self):
        return [decode(bytes(self.flash[at:at + 64])) is not None for at in RECORDS]

    def boot(self, command="till_boot select"):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "nor.bin")
            pathlib.Path(path).write_bytes(self.flash)
            if self.kind == "host":
                command = "host bind 0 nor.bin; " + command
            done = subprocess.run([os.path.join(UBOOT, "sandbox", "u-boot"), "-d", self.dtb, "-c", command],
                                  cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  errors="replace", timeout=60)
            after = pathlib.Path(path).read_bytes()
        first = min(RECORDS[0], SLOTS[0])
        for start, end in ((0, first), (RECORDS[1] + 4096, len(after))):
            assert after[start:end] == self.flash[start:end], "the boot loader wrote outside the record"
        self.flash = bytearray(after)
        return done.stdout

    def chosen(self, command="till_boot select"):
        """("a", "trial" or "stable"), or None; and all it said."""
        text = self.boot(command)
        for line in text.splitlines():
            if line.startswith("till_boot: slot ") and " chosen: " in line:
                return (line[16], line.split("chosen: ")[1].split(",")[0]), text
        return None, text


def on_trial(kind="sandbox", b=None, floor=1, index=1, tries=3):
    terminal = Terminal(kind)
    terminal.put(0, Images.make("a", 1) if floor == 1 else Images.make("newer a", 5, seed=2))
    terminal.put(1, b if b is not None else Images.make("b", 2, seed=1))
    terminal.put_record(0, record(seq=4, floor=floor, index=(max(1, floor), 0)))
    terminal.put_record(1, record(seq=5, trial=1, tries=tries, floor=floor, index=(max(1, floor), index)))
    return terminal


class Layout(unittest.TestCase):
    def test_boot_loader_and_system_agree_on_the_flash(self):
        """boards/mt7688.dts against the partitions that OpenWrt gets; and everything lies side by side."""
        system = pathlib.Path(ROOT, "packaging", "openwrt", "image", "mt7688-ab-64m.dtsi").read_text()
        parts = {name: (int(at, 16), int(size, 16)) for name, at, size in
                 re.findall(r'label = "(\w[\w-]*)";\s*reg = <(0x\w+) (0x\w+)>', system)}
        places = sorted(parts.values())
        self.assertEqual([at + size for at, size in places[:-1]], [at for at, _ in places[1:]])
        self.assertEqual(sum(places[-1]), 64 << 20)
        loader = pathlib.Path(ROOT, "bootloader", "uboot", "boards", "mt7688.dts").read_text()
        value = lambda name: [int(x, 16) for x in re.search(name + r" = <([^>]*)>", loader)[1].split()]
        self.assertEqual(value("record"), [parts["till_boot"][0], parts["till_boot"][0] + 0x10000])
        self.assertEqual(value("slots"), [parts["slot_a"][0], parts["slot_b"][0]])
        self.assertEqual(value("slot-bytes"), [parts["slot_a"][1]])
        environment = pathlib.Path(ROOT, "bootloader", "uboot", "boards", "mt7688.config").read_text()
        offsets = [int(x, 16) for x in re.findall(r"ENV_OFFSET(?:_REDUND)?=(0x\w+)", environment)]
        self.assertEqual(offsets, [parts["u-boot-env"][0], parts["u-boot-env"][0] + 0x10000])


class Sandbox(unittest.TestCase):
    def refused(self, b, why, reason=3, **trial):
        """Slot b is not booted, slot a is, and the record says why."""
        for kind in ("sandbox", "host"):
            terminal = on_trial(kind, b, **trial)
            chosen, text = terminal.chosen()
            self.assertEqual(chosen, ("a", "stable"), text)
            self.assertIn(why, text)
            self.assertEqual((terminal.record()["failed"], terminal.record()["reason"]), (1, reason), text)
            self.assertEqual(terminal.record()["trial"], NONE)

    # covers F08: hangs and crash loops are boots that nobody confirms, warm or cold
    def test_a_trial_is_counted_and_given_up(self):
        for kind in ("sandbox", "host"):
            terminal = on_trial(kind)
            for left in (2, 1, 0):
                chosen, text = terminal.chosen()
                self.assertEqual(chosen, ("b", "trial"), text)
                self.assertIn("hashed in", text)
                self.assertEqual(terminal.record()["tries"], left)
            self.assertEqual(terminal.chosen()[0], ("a", "stable"))
            self.assertEqual(terminal.record()["reason"], 1)
            before = bytes(terminal.flash)
            for _ in range(3):
                self.assertEqual(terminal.chosen()[0], ("a", "stable"))
            self.assertEqual(bytes(terminal.flash), before, "a stable boot wrote")

    # covers F08
    def test_the_watchdog_runs_before_the_jump(self):
        _, text = on_trial().chosen("till_boot")
        self.assertIn("till_boot: watchdog runs, 30000 ms", text)
        self.assertLess(text.index("watchdog runs"), text.index("Loading kernel"))
        self.assertIn("Verifying Hash Integrity ... sha256,rsa3072:till+ OK", text)

    def test_the_kernel_is_told_its_slot(self):
        image = Images.make("with arguments", 2, arguments=("--bootargs", "console=ttyS0 quiet"))
        text = on_trial(b=image).boot("till_boot select; printenv bootargs")
        self.assertIn("bootargs=console=ttyS0 quiet tillrace.slot=b tillrace.trial=1 tillrace.rootfs=65536,300000",
                      text)

    # covers S01: signatures
    def test_a_foreign_signature_is_refused(self):
        self.refused(Images.make("foreign", 2, key="other"), "not signed by a key we hold")

    def test_an_unsigned_fit_is_refused(self):
        image = bytearray(Images.make("b", 2, seed=1))
        at = image.index(b"signature\0", 0, fit_bytes(image))
        image[at:at + 9] = b"nosignatu"
        self.refused(bytes(image), "not signed by a key we hold")

    def test_every_part_of_the_fit_is_vouched_for(self):
        image = Images.make("b", 2, seed=1)
        configuration = image.index(b"configurations\0")
        places = {"kernel, first byte": 300, "kernel, in the middle": 25_000, "kernel, last byte": 50_000,
                  "kernel's load address": image.index(struct.pack(">I", 0x1000000), 50_000),
                  "kernel's hash": image.index(b"hash-1\0", 50_000) + 40,
                  "rootfs hash": configuration + 150}
        for name, at in places.items():
            with self.subTest(name):
                terminal = on_trial(b=flipped(image, at))
                chosen, text = terminal.chosen()
                self.assertEqual(chosen, ("a", "stable"), text)
                self.assertEqual(terminal.record()["reason"], 3)

    def test_a_packed_kernel_is_vouched_for_to_its_last_frame(self):
        frames = [random.Random(n).randbytes(20_000) for n in range(3)]
        image = Images.make("packed", 2, seed=1, arguments=("--kernel", packed_kernel(frames)))
        chosen, text = on_trial(b=image).chosen()
        self.assertEqual(chosen, ("b", "trial"), text)
        for frame in frames:
            at = image.index(frame)
            after = at + len(frame)   # the frame's own properties come behind it
            for name, place in (("in the middle", at + 9_000), ("its hash", image.index(b"hash-1\0", after) + 40),
                                ("its address", image.index(struct.pack(">I", 0x1000000)[:1], after))):
                with self.subTest(name):
                    chosen, text = on_trial(b=flipped(image, place)).chosen()
                    self.assertEqual(chosen, ("a", "stable"), text)

    def test_promises_are_signed(self):
        image = Images.make("b", 2, seed=1)
        configuration = image.index(b"configurations\0")
        for value in (struct.pack(">I", 2), struct.pack(">I", 300_000), struct.pack(">I", 65536)):
            at = image.index(value, configuration) + 3
            terminal = on_trial(b=flipped(image, at, 0x40))
            chosen, text = terminal.chosen()
            self.assertEqual(chosen, ("a", "stable"), text)
            self.assertIn("not signed by a key we hold", text)

    # covers F06
    def test_an_altered_rootfs_is_refused_in_a_trial(self):
        image = Images.make("b", 2, seed=1)
        for at in (65536, 65536 + 150_000, 65536 + 299_999):
            self.refused(flipped(image, at), "rootfs is not the signed one")
        # What lies behind the rootfs means nothing.
        self.assertEqual(on_trial(b=image + b"x").chosen()[0], ("b", "trial"))

    # covers F06
    def test_an_altered_stable_slot_gives_way_to_a_confirmed_one_only(self):
        good, bad = Images.make("b", 2, seed=1), flipped(Images.make("a", 1), 65536 + 1000)
        for confirmed, wanted in ((3, ("b", "stable")), (1, None)):
            terminal = Terminal()
            terminal.put(0, bad)
            terminal.put(1, good)
            terminal.put_record(0, record(confirmed=confirmed))
            terminal.put_record(1, record(seq=0, confirmed=confirmed))
            chosen, text = terminal.chosen()
            self.assertEqual(chosen, wanted, text)
            if wanted is None:
                self.assertIn("no slot may be booted (T6004)", text)

    def test_stable_boots_need_not_hash(self):
        with tempfile.TemporaryDirectory() as folder:
            dtb = os.path.join(folder, "quick.dtb")
            shutil.copy(os.path.join(UBOOT, "sandbox", "till-sandbox.dtb"), dtb)
            subprocess.run(["fdtput", dtb, "/tillrace-boot", "stable-unhashed", "-t", "x"], check=True)
            terminal = on_trial()
            terminal.dtb = dtb
            self.assertIn("hashed in", terminal.chosen()[1])  # a trial is hashed whatever the board says
            terminal.put_record(0, record(seq=9))
            chosen, text = terminal.chosen()
            self.assertEqual(chosen, ("a", "stable"), text)
            self.assertNotIn("hashed in", text)

    # covers S05
    def test_the_floor_is_enforced_by_the_signed_index(self):
        old = Images.make("old", 1, seed=3)
        self.refused(old, "rejected: floor", reason=4, floor=2, index=2)   # the record lies about it
        self.refused(old, "failed b, floor 2", reason=4, floor=2, index=1)   # the record says it itself
        self.refused(old, "rejected: floor", reason=4, floor=1, index=7)   # it would raise the floor above itself

    # covers F01 F03: a record torn at any byte
    def test_torn_records_leave_the_other_copy_and_are_healed(self):
        good = record(seq=5, trial=1, tries=3, index=(1, 1))
        for at in (0, 1, 8, 31, 59, 63):
            terminal = on_trial()
            terminal.put_record(1, good[:at] + b"\xff" * (64 - at))
            chosen, text = terminal.chosen()
            self.assertEqual(chosen, ("a", "stable"), text)
            self.assertIn("an invalid copy of the record was written anew", text)
            self.assertEqual(terminal.copies(), [True, True])
            self.assertEqual(terminal.record()["trial"], NONE)
            terminal = on_trial()
            terminal.put_record(0, good[:at] + bytes(64 - at))
            self.assertEqual(terminal.chosen()[0], ("b", "trial"))
            self.assertEqual(terminal.record()["tries"], 2)
            self.assertEqual(terminal.copies(), [True, True])

    # covers F06
    def test_a_lost_record_is_rebuilt_from_what_verifies(self):
        for kind in ("sandbox", "host"):
            for bad, wanted in ((None, ("a", "trial")), (0, ("b", "stable")), (1, ("a", "stable"))):
                terminal = on_trial(kind)
                for copy in (0, 1):
                    terminal.put_record(copy, b"\x00" * 64)
                if bad is not None:
                    terminal.put(bad, b"")
                chosen, text = terminal.chosen()
                self.assertEqual(chosen, wanted, text)
                self.assertIn("rebuilt from the slots", text)
                self.assertEqual(terminal.copies(), [True, True])

    def test_hostile_headers_are_refused(self):
        image = Images.make("b", 2, seed=1)
        header = {"too long": struct.pack(">I", 0x500000), "no length": struct.pack(">I", 0),
                  "past the slot": struct.pack(">I", 0x7fffffff), "cut": struct.pack(">I", 30_000)}
        for name, total in header.items():
            with self.subTest(name):
                chosen, text = on_trial(b=image[:4] + total + image[8:]).chosen()
                self.assertEqual(chosen, ("a", "stable"), text)
        random.seed(7)
        for _ in range(20):  # anything in the structure's first bytes
            at = random.randrange(8, 300)
            chosen, text = on_trial(b=flipped(image, at, 1 << random.randrange(8))).chosen()
            # A few bits mean nothing (reserved memory, the version of the format): then all else was verified.
            self.assertIn(chosen, (("a", "stable"), ("b", "trial")), f"byte {at}: {text}")

    def test_without_a_required_key_nothing_boots(self):
        with tempfile.TemporaryDirectory() as folder:
            dtb = os.path.join(folder, "keyless.dtb")
            shutil.copy(os.path.join(UBOOT, "sandbox", "till-sandbox.dtb"), dtb)
            subprocess.run(["fdtput", "-d", dtb, "/signature/key-till", "required"], check=True)
            terminal = on_trial()
            terminal.dtb = dtb
            chosen, text = terminal.chosen()
            self.assertIsNone(chosen, text)
            self.assertIn("holds no required key", text)


if __name__ == "__main__":
    try:
        unittest.main()
    finally:
        shutil.rmtree(Images.folder)
