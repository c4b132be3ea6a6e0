#!/usr/bin/env python3
"""Terminals whose base nobody knows, with the real programs: tillpack release and publish, tillhub, tilledge, tilld.

  unknown   its slot is not what was provisioned: it says so, gets chunks from the edge, and few of them
  local     it runs an image that was never released: no delta fits; killed in the middle of the download, it goes on
  noedge    as unknown, while the edge is down: the hub serves the ranges
  alien     nothing in common with the release: refused after the index, unless a full image is allowed

The bytes that the hub counts are those that edge and hub handed out. Ends only what it started.

usage: chunks_e2e.py --bin FOLDER [--keep]
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import story  # noqa: E402
from story import Failed, expect  # noqa: E402

IMAGE_BYTES = 1_200_000
SLOT_BYTES = 2 << 20
DEADLINE_S = 60


def image(version):
    return story.image(version, IMAGE_BYTES, 30)


def call(*words, cwd=None, env=None, allowed=(0,)):
    done = subprocess.run(words, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True,
                          timeout=DEADLINE_S, check=False)
    expect(done.returncode in allowed, f"{' '.join(words)} -> {done.returncode}: {done.stdout}{done.stderr}")
    return done


class Server:
    """A program that prints its URL once it serves."""

    def __init__(self, work, name, *words):
        with open(f"{work}/{name}.log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        expect("ready" in line, f"{name} does not start: {line}")
        self.url = json.loads(line)["url"]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=20)
        self.process.stdout.close()


class Fleet:
    def __init__(self, bin_folder, work):
        self.bin, self.work = bin_folder, work
        self.hub = self.edge = None
        self.env = {}

    def tillpack(self, *words):
        return call(self.bin + "/tillpack", *words, cwd=self.work)

    def tillctl(self, *words):
        return call(self.bin + "/tillctl", *words, env=self.env).stdout

    def start(self):
        with open(self.work + "/tillrace.toml", "w", encoding="utf-8") as out:
            out.write('[product]\nname = "pos"\nboard = ["acme,pos-100"]\n[image.rootfs]\nfile = "image"\n'
                      '[delta]\nfrom = "all"\nprofile = "mt7688-64m"\nchunks = true\n[sign]\nkeys = "keys"\n'
                      '[release]\nout = "out"\n')
        self.tillpack("keys", "init")
        for version in ("1.0.0", "1.1.0"):
            with open(self.work + "/image", "wb") as out:
                out.write(image(version))
            self.tillpack("release", "--version", version)
        self.tillpack("verify", "out/1.1.0", "--apply-all")
        root = self.work + "/out/tuf/1.root.json"
        self.hub = Server(self.work, "hub", self.bin + "/tillhub", "serve", "--data", self.work + "/hub", "--listen",
                          "127.0.0.1:0", "--trusted-root", root, "--access-log", self.work + "/hub.access")
        with open(self.work + "/hub/admin.token", encoding="utf-8") as source:
            self.env = {"TILL_URL": self.hub.url, "TILL_TOKEN": source.read().strip()}
        for version in ("1.0.0", "1.1.0"):
            call(self.bin + "/tillpack", "publish", "out/" + version, "--server", self.hub.url, cwd=self.work,
                 env=self.env)
        self.edge = Server(self.work, "edge", self.bin + "/tilledge", "serve", "--origin", self.hub.url,
                           "--origin-token-file", self.work + "/hub/edge.token", "--trusted-root", root, "--data",
                           self.work + "/edge", "--listen", "127.0.0.1:0", "--access-log", self.work + "/edge.access")
        self.tillctl("edge", "set", self.edge.url)

    def stop(self):
        for server in (self.edge, self.hub):
            if server:
                server.stop()

    def chunk_object(self):
        with open(self.work + "/out/1.1.0/release.json", encoding="utf-8") as source:
            payloads = json.load(source)["components"][0]["payloads"]
        return [p for p in payloads if p["kind"] == "chunks"][0]

    def sent(self, log, agent):
        """Access log lines of the chunk object for one terminal."""
        wanted = self.chunk_object()["sha256"]
        lines = []
        with open(f"{self.work}/{log}.access", encoding="utf-8") as source:
            for line in source:
                entry = json.loads(line)
                if entry["object"] == wanted and f"({agent})" in entry["agent"]:
                    lines.append(entry)
        return lines


class Terminal:
    def __init__(self, fleet, name, runs, provisioned):
        self.fleet, self.name, self.folder = fleet, name, f"{fleet.work}/{name}"
        os.makedirs(self.folder)
        token = fleet.tillctl("device", "add", name).strip()
        self.conf = self.folder + "/tilld.conf"
        with open(self.conf, "w", encoding="utf-8") as out:
            out.write(f"server = {fleet.hub.url}\ncontroller_id = {name}\nboard = acme,pos-100\nproduct = pos\n"
                      f"token_file = {self.folder}/token\n"
                      f"slot_a = {self.folder}/slot-a\nslot_b = {self.folder}/slot-b\n"
                      f"boot_state = {self.folder}/boot\ndata_dir = {self.folder}/data\nreboot = exit\n"
                      f"trusted_root = {self.folder}/root.json\n")
        self.fill("a", provisioned)
        self.fill("b", b"")
        with open(self.folder + "/given.token", "w", encoding="utf-8") as out:
            out.write(token + "\n")
        self.tilld("provision", "--root", fleet.work + "/out/tuf/1.root.json", "--token",
                   self.folder + "/given.token", "--slot", "a", "--image-version", "1.0.0", "--length",
                   str(len(provisioned)))
        self.fill("a", runs)

    def fill(self, slot, content):
        with open(f"{self.folder}/slot-{slot}", "wb") as out:
            out.write(content.ljust(SLOT_BYTES, b"\xff"))

    def tilld(self, *words, allowed=(0,)):
        return call(self.fleet.bin + "/tilld", "--config", self.conf, *words, allowed=allowed)

    def boot(self):
        return call(self.fleet.bin + "/till-boot", "select", "--state", self.folder + "/boot").stdout.strip()

    def run(self, rests=0):
        """Boots and runs the agent until it rests, with this status."""
        booted = []
        for _ in range(8):
            booted.append(self.boot())
            if self.tilld("run", "--once", "--running-slot", booted[-1], allowed=(rests, 10)).returncode == rests:
                return booted
        raise Failed(self.name + " never rests")

    def run_until_killed(self):
        """kill -9 as soon as part of the image is in the slot."""
        booted = self.boot()
        with open(self.folder + "/log", "w", encoding="utf-8") as log:
            process = subprocess.Popen([self.fleet.bin + "/tilld", "--config", self.conf, "--set", "rate_limit=100K",
                                        "run", "--once", "--running-slot", booted], stdout=log, stderr=log)
            end = time.monotonic() + DEADLINE_S
            while self.slot("b")[:4096] == b"\xff" * 4096:
                expect(time.monotonic() < end and process.poll() is None, self.name + " writes nothing")
                time.sleep(0.005)  # another process is looked at
            process.kill()
            process.wait()

    def slot(self, slot):
        with open(f"{self.folder}/slot-{slot}", "rb") as source:
            return source.read()

    def holds(self, slot, content):
        return self.slot(slot)[:len(content)] == content

    def assign(self):
        self.fleet.tillctl("device", "assign", self.name, "--release", "1.1.0")

    def hub_view(self):
        view = json.loads(self.fleet.tillctl("--json", "device", "get", self.name))
        return view["till"]["action"], view["timeline"][0], view["attributes"]


def check_success(fleet, terminal, log, most):
    action, newest, _ = terminal.hub_view()
    expect(action["outcome"] == "confirmed", f"{terminal.name}: {action}")
    expect(newest["till"]["kind"] == "chunks", f"{terminal.name}: {newest['till']}")
    expect(terminal.holds("b", image("1.1.0")), terminal.name + ": slot b does not hold 1.1.0")
    lines = fleet.sent(log, terminal.name)
    sent = sum(line["sent"] for line in lines)
    expect(all(line["status"] == 206 for line in lines), "every answer is one range")
    expect(len(lines) > 3, f"{len(lines)} ranges")
    expect(action["bytes"] <= sent <= most, f"{terminal.name}: {sent} bytes sent, {action['bytes']} counted")
    return action["bytes"], sent, len(lines)


def unknown_base(fleet):
    runs = bytearray(image("1.0.0"))
    runs[600_000] ^= 1
    terminal = Terminal(fleet, "unknown", bytes(runs), image("1.0.0"))
    terminal.assign()
    expect(terminal.run() == ["a", "b"], "it did not switch")
    counted, sent, ranges = check_success(fleet, terminal, "edge", IMAGE_BYTES // 2)
    expect(counted == sent, f"{counted} counted, {sent} sent: nothing came twice")
    text = fleet.tillctl("device", "get", "unknown")
    for word in ("chunks", "no delta leads from what runs (rootfs unknown)", "bytes are not here", "received"):
        expect(word in text, f"tillctl device get does not say '{word}':\n{text}")
    expect(not fleet.sent("hub", "unknown"), "the hub served a terminal that has an edge")
    return f"unknown: {sent} bytes in {ranges} ranges for an image of {IMAGE_BYTES}"


def local_image_and_kill(fleet):
    local = image("a build of our own")
    terminal = Terminal(fleet, "local", local, local)
    terminal.assign()
    terminal.run_until_killed()
    terminal.run()
    counted, sent, ranges = check_success(fleet, terminal, "edge", IMAGE_BYTES * 2 // 3)
    return f"local, killed: {sent} bytes in {ranges} ranges, {counted} of them distinct"


def alien(fleet):
    runs = random.Random(99).randbytes(IMAGE_BYTES)
    terminal = Terminal(fleet, "alien", runs, runs)
    terminal.assign()
    terminal.run(rests=1)
    action, _, _ = terminal.hub_view()
    expect(action["outcome"] == "rolled_back" and "T2031" in action["reason"], f"alien: {action}")
    index = fleet.chunk_object()["index"]["length"]
    sent = sum(line["sent"] for line in fleet.sent("edge", "alien"))
    expect(sent == index == action["bytes"], f"alien: {sent} sent, {action['bytes']} counted, the index has {index}")
    fleet.tillctl("rollout", "create", "may", "--release", "1.1.0", "--target", "id==alien", "--waves", "100",
                  "--full-fallback", "allowed", "--start")
    refused, end = action["id"], time.monotonic() + DEADLINE_S
    while action["id"] == refused or action["outcome"] == "pending":
        expect(time.monotonic() < end, f"the rollout gives it nothing: {action}")
        terminal.run()
        action, newest, _ = terminal.hub_view()
    expect(action["outcome"] == "confirmed", f"alien, full allowed: {action} {newest}")
    return f"alien: refused after {sent} bytes; allowed, by {newest['till']['kind']}"


def without_edge(fleet):
    fleet.edge.stop()
    runs = bytearray(image("1.0.0"))
    runs[700_000] ^= 1
    terminal = Terminal(fleet, "noedge", bytes(runs), image("1.0.0"))
    terminal.assign()
    terminal.run()
    _, sent, ranges = check_success(fleet, terminal, "hub", IMAGE_BYTES // 2)
    return f"noedge: {sent} bytes in {ranges} ranges from the hub"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    work = tempfile.mkdtemp(prefix="till-chunks-")
    fleet = Fleet(os.path.abspath(arguments.bin), work)
    try:
        fleet.start()
        for part in (unknown_base, local_image_and_kill, alien, without_edge):
            print(part(fleet))
    except (Failed, subprocess.SubprocessError) as error:
        print(f"chunks_e2e: {error}", file=sys.stderr)
        return 1
    finally:
        fleet.stop()
        if arguments.keep:
            print(work)
        else:
            shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
