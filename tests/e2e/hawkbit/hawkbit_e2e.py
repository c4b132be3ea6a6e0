#!/usr/bin/env python3
"""tilld against a stock hawkBit: installs, reports; rolls back, reports; heeds a cancel and a maintenance window.

The server (stock_hawkbit.py) answers hawkBit's device API and nothing more. Releases are packed and signed by the real
tillpack; the module carries the full payload as a plain artifact and the signed metadata as `release.tuf`. The real
till-boot chooses the slot between runs. Ends only what it started.

usage: hawkbit_e2e.py --bin FOLDER [--keep]
"""

import argparse
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from stock_hawkbit import StockHawkbit  # noqa: E402
from story import Failed, expect, image  # noqa: E402

CONTROLLER, TOKEN = "pos-hb-1", "0123456789abcdef0123456789abcdef"
SLOT_BYTES = 1 << 20
IMAGE_BYTES = 600_000


class Terminal:
    def __init__(self, bin_folder, folder, url):
        self.bin, self.folder = bin_folder, folder
        os.makedirs(folder + "/health.d")
        with open(folder + "/health.d/00-fine", "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\nexit 0\n")
        os.chmod(folder + "/health.d/00-fine", 0o755)
        self.conf = folder + "/tilld.conf"
        with open(self.conf, "w", encoding="utf-8") as out:
            out.write("config tilld 'main'\n")
            for key, value in {
                    "server": url, "controller_id": CONTROLLER, "board": "acme,pos-100", "product": "pos-mt7688",
                    "token_file": folder + "/token", "slot_a": folder + "/slot-a", "slot_b": folder + "/slot-b",
                    "boot_state": folder + "/boot.state", "data_dir": folder + "/data",
                    "trusted_root": folder + "/root.json", "health_dir": folder + "/health.d",
                    "reboot": "exit"}.items():
                out.write(f"\toption {key} '{value}'\n")

    def tilld(self, *words):
        done = subprocess.run([self.bin + "/tilld", "--config", self.conf, *words], capture_output=True, text=True,
                              timeout=60, check=False)
        with open(self.folder + "/log", "a", encoding="utf-8") as out:
            out.write(f"$ tilld {' '.join(words)} -> {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def provision(self, factory_image, root, token):
        with open(self.folder + "/slot-a", "wb") as out:
            out.write(factory_image.ljust(SLOT_BYTES, b"\xff"))
        with open(self.folder + "/slot-b", "wb") as out:
            out.write(b"\xff" * SLOT_BYTES)
        done = self.tilld("provision", "--root", root, "--token", token, "--slot", "a", "--image-version", "1.0.0",
                          "--length", str(IMAGE_BYTES))
        expect(done.returncode == 0, "provisioning: " + done.stderr)

    def run(self, rests=0):
        """Boots and runs the agent until it rests, with this status; answers the slots that were booted."""
        booted = []
        for _ in range(8):
            chosen = subprocess.run([self.bin + "/till-boot", "select", "--state", self.folder + "/boot.state"],
                                    capture_output=True, text=True, timeout=20, check=True).stdout.strip()
            booted.append(chosen)
            done = self.tilld("run", "--once", "--running-slot", chosen)
            if done.returncode == rests:
                return booted
            expect(done.returncode == 10, f"tilld ended with {done.returncode}: {done.stderr}")
        raise Failed("it never rests")

    def holds(self, slot, content):
        with open(f"{self.folder}/slot-{slot}", "rb") as source:
            return source.read(len(content)) == content


def pack(bin_folder, work):
    """Releases 1.1.0 to 1.4.0 with the real packer. Answers version -> image."""
    with open(work + "/tillrace.toml", "w", encoding="utf-8") as out:
        out.write('[product]\nname = "pos-mt7688"\nboard = ["acme,pos-100"]\n[image.rootfs]\nfile = "image"\n'
                  '[delta]\nfrom = "last=1"\nprofile = "mt7688-64m"\n[sign]\nkeys = "keys"\n[release]\nout = "out"\n')
    images = {f"1.{n}.0": image(n, IMAGE_BYTES, 40) for n in range(0, 5)}

    def tillpack(*words):
        done = subprocess.run([bin_folder + "/tillpack", *words], cwd=work, capture_output=True, text=True, timeout=60,
                              check=False)
        expect(done.returncode == 0, f"tillpack {' '.join(words)}: {done.stderr}")

    tillpack("keys", "init")
    for version, content in images.items():
        with open(work + "/image", "wb") as out:
            out.write(content)
        tillpack("release", "--version", version)
    return images


def release_files(work, version):
    """What an operator uploads into the module: the full payload and the signed metadata as one tar."""
    with open(f"{work}/out/{version}/rootfs.full.till", "rb") as source:
        payload = source.read()
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(os.listdir(work + "/out/tuf")):
            archive.add(f"{work}/out/tuf/{name}", arcname=name)
    return {f"pos-rootfs-{version}.till": payload, "release.tuf": tar.getvalue()}


def codes(action):
    return [code for _, code, _ in action.history if code is not None]


def installs(hawkbit, terminal, images, files):
    action = hawkbit.assign(81, "1.1.0", files("1.1.0"))
    booted = terminal.run()
    expect(action.status == "finished", f"action 81 is {action.status}: {action.history}")
    expect(booted == ["a", "b"], f"booted {booted}")
    expect(terminal.holds("b", images["1.1.0"]), "slot b does not hold 1.1.0")
    expect(codes(action) == [100, 110, 120, 130, 140], f"codes {codes(action)}")
    closed = [i for i, (status, _, _) in enumerate(action.history) if status == "finished"]
    expect(closed == [len(action.history) - 1], "success is the last word, after the new image ran")
    expect(hawkbit.attributes["till.version.rootfs"] == "1.1.0", f"attributes {hawkbit.attributes}")
    expect(hawkbit.attributes["till.image.rootfs"] == hashlib.sha256(images["1.1.0"]).hexdigest(), "another image")


def rolls_back(hawkbit, terminal, images, files):
    check = terminal.folder + "/health.d/10-selftest"
    with open(check, "w", encoding="utf-8") as out:
        out.write('#!/bin/sh\n[ "$TILL_VERSION" != 1.2.0 ] || { echo no receipt printer; exit 4; }\n')
    os.chmod(check, 0o755)
    action = hawkbit.assign(82, "1.2.0", files("1.2.0"))
    booted = terminal.run(rests=1)
    expect(booted == ["b", "a", "b"], f"booted {booted}")
    expect(action.status == "error", f"action 82 is {action.status}: {action.history}")
    reason = action.history[-1][2][0]
    expect(reason.startswith("health: 10-selftest exit 4: no receipt printer"), reason)
    expect(hawkbit.attributes["till.version.rootfs"] == "1.1.0", "the terminal says that it runs what failed")
    expect(terminal.holds("b", images["1.1.0"]), "the confirmed slot was touched")
    expect("no receipt printer" in terminal.tilld("why").stdout, "tilld why forgot")


def heeds_a_window_and_a_cancel(hawkbit, terminal, files):
    action = hawkbit.assign(83, "1.3.0", files("1.3.0"), update="skip")
    expect(terminal.run(rests=75) == ["b"], "it restarted outside the server's window")
    expect(codes(action)[-2:] == [130, 135], f"codes {codes(action)}")
    hawkbit.cancel(83)
    terminal.run()
    expect(action.status == "canceled", f"action 83 is {action.status}: {action.history}")
    action = hawkbit.assign(84, "1.4.0", files("1.4.0"), update="skip")
    terminal.run(rests=75)
    with hawkbit.lock:
        action.update = "forced"
    expect(terminal.run() == ["b", "a"], "the window opened and nothing happened")
    expect(action.status == "finished", f"action 84 is {action.status}: {action.history}")


def refuses_without_metadata(hawkbit, terminal, files):
    bare = {name: content for name, content in files("1.4.0").items() if name != "release.tuf"}
    other = {name: content[:-1] + bytes([content[-1] ^ 1]) for name, content in bare.items()}
    shutil.rmtree(terminal.folder + "/data/tuf")   # as fresh as from the factory
    with hawkbit.lock:
        before = len(hawkbit.requests)
    action = hawkbit.assign(85, "1.4.1", other)
    terminal.run(rests=75)   # the metadata may come yet
    expect(action.active and not codes(action), f"it took unsigned bytes: {action.history}")
    with hawkbit.lock:
        fetched = [path for _, path in hawkbit.requests[before:] if "/artifacts/" in path]
    expect(not fetched, f"it fetched {fetched}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    arguments.bin = os.path.abspath(arguments.bin)
    work = tempfile.mkdtemp(prefix="till-hawkbit-")
    hawkbit = StockHawkbit(CONTROLLER, TOKEN)
    failed = None
    try:
        images = pack(arguments.bin, work)
        with open(work + "/given.token", "w", encoding="utf-8") as out:
            out.write(TOKEN + "\n")
        terminal = Terminal(arguments.bin, work + "/terminal", hawkbit.url)
        terminal.provision(images["1.0.0"], work + "/out/tuf/1.root.json", work + "/given.token")

        def files(version):
            return release_files(work, version)

        for step in (lambda: installs(hawkbit, terminal, images, files),
                     lambda: rolls_back(hawkbit, terminal, images, files),
                     lambda: heeds_a_window_and_a_cancel(hawkbit, terminal, files),
                     lambda: refuses_without_metadata(hawkbit, terminal, files)):
            step()
    except (Failed, subprocess.SubprocessError) as error:
        failed = error
        log = work + "/terminal/log"
        if os.path.exists(log):
            with open(log, encoding="utf-8") as source:
                sys.stderr.write(source.read()[-6000:])
    finally:
        hawkbit.stop()
        if not arguments.keep:
            shutil.rmtree(work)
    if failed:
        print(f"hawkbit_e2e: {failed}", file=sys.stderr)
        return 1
    print("hawkbit_e2e: installed, rolled back, waited, canceled and refused, each heard by a stock hawkBit")
    return 0


if __name__ == "__main__":
    sys.exit(main())
