#!/usr/bin/env python3
"""Debian's SWUpdate, unchanged, is updated by tillhub: poll, download, verify, install, report.

Starts the hub on a free port with a temporary folder, sets it up by REST, signs a real .swu, assigns it, runs swupdate
in suricatta mode until the installed file has the right bytes, starts it again with `-c 2` (as a terminal does after
its reboot) and waits for the hub to call the action finished. Ends only processes that it started. A missing
swupdate is a failure, never a skip.

usage: swupdate_e2e.py --hub PATH [--keep]
"""

import argparse
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from story import Failed  # noqa: E402

DEADLINE_S = 90
USER, PASSWORD = "admin", "swupdate-e2e-password"
CONTROLLER = "pos-swu-1"
IMAGE_BYTES = 3 * 1024 * 1024 + 137


class Hub:
    """The Management API, as a stock client uses it."""

    def __init__(self, url):
        self.url = url
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        self.headers = {"Authorization": "Basic " + credentials, "Accept": "application/hal+json"}

    def call(self, method, path, body=None, headers=None):
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + "/rest/v1/" + path, data=data, method=method)
        for name, value in {**self.headers, "Content-Type": "application/json", **(headers or {})}.items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            raise Failed(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error

    def upload(self, module, filename, content):
        boundary = "till" + hashlib.sha256(content).hexdigest()[:24]
        form = (
            (f"--{boundary}\r\nContent-Disposition: form-data; name=\"sha256sum\"\r\n\r\n"
             f"{hashlib.sha256(content).hexdigest()}\r\n"
             f"--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n"
             "Content-Type: application/octet-stream\r\n\r\n").encode() + content + f"\r\n--{boundary}--\r\n".encode())
        return self.call("POST", f"softwaremodules/{module}/artifacts", form,
                         {"Content-Type": f"multipart/form-data; boundary={boundary}"})


class Bench:
    """The temporary folder and the processes of this test."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="till-swu-")
        self.processes = []
        self.deadline = time.monotonic() + DEADLINE_S

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def start(self, name, command, **options):
        log = open(self.path(name + ".log"), "ab")  # closed with the process at the end
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, cwd=self.folder,
                                   stdout=options.pop("stdout", log), start_new_session=True, **options)
        self.processes.append(process)
        return process

    def stop(self, process):
        """Ends one process and the children it forked: they are its own process group, which we made."""
        for number in (15, 9):
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                break
            try:
                process.wait(timeout=5)
                break
            except subprocess.TimeoutExpired:
                continue
        process.wait()

    def await_true(self, what, condition, watched):
        while time.monotonic() < self.deadline:
            if condition():
                return
            if watched.poll() is not None:
                raise Failed(f"{what}: the program ended with {watched.returncode} before it happened")
            time.sleep(0.1)  # polled: swupdate tells nobody when it is done
        raise Failed(f"{what}: not within {DEADLINE_S} s")

    def log_tails(self):
        for name in sorted(os.listdir(self.folder)):
            if name.endswith(".log"):
                with open(self.path(name), "rb") as log:
                    tail = log.read()[-6000:].decode(errors="replace")
                print(f"--- {name}\n{tail}", file=sys.stderr)

    def close(self, keep):
        for process in reversed(self.processes):
            self.stop(process)
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def run(command, folder, data=None):
    done = subprocess.run(command, cwd=folder, input=data, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Failed(f"{command[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def make_swu(bench, image, slot):
    """A .swu as its documentation says: cpio (crc) of sw-description, its CMS signature, and the image."""
    folder = bench.path("swu")
    os.makedirs(folder)
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days",
         "2", "-subj", "/CN=till e2e", "-addext", "extendedKeyUsage=critical,codeSigning", "-addext",
         "keyUsage=digitalSignature"], folder)
    with open(os.path.join(folder, "rootfs.img"), "wb") as file:
        file.write(image)
    with open(os.path.join(folder, "sw-description"), "w", encoding="ascii") as file:
        file.write(f"""software =
{{
    version = "2.0.0";
    hardware-compatibility: [ "1.0" ];
    images: (
        {{
            filename = "rootfs.img";
            device = "{slot}";
            type = "raw";
            sha256 = "{hashlib.sha256(image).hexdigest()}";
        }}
    );
}}
""")
    run(["openssl", "cms", "-sign", "-in", "sw-description", "-out", "sw-description.sig", "-signer", "cert.pem",
         "-inkey", "key.pem", "-outform", "DER", "-nosmimecap", "-binary"], folder)
    swu = run(["cpio", "-o", "-H", "crc", "--quiet"], folder, b"sw-description\nsw-description.sig\nrootfs.img\n")
    return swu, os.path.join(folder, "cert.pem")


def start_hub(bench, program):
    environment = {**os.environ, "TILL_BOOTSTRAP_ADMIN": f"{USER}:{PASSWORD}"}
    process = bench.start("hub", [program, "serve", "--data", bench.path("hub"), "--listen", "127.0.0.1:0",
                                  "--min-polling-time", "00:00:01"], stdout=subprocess.PIPE, env=environment)
    line = process.stdout.readline()
    if not line:
        raise Failed("tillhub did not start")
    return Hub(json.loads(line)["url"])


def set_up(hub, swu):
    hub.call("PUT", "system/configs", {"authentication.targettoken.enabled": True, "pollingTime": "00:00:02"})
    target = hub.call("POST", "targets", [{"controllerId": CONTROLLER}])[0]
    module = hub.call("POST", "softwaremodules", [{"name": "pos-os", "version": "2.0.0", "type": "os"}])[0]
    artifact = hub.upload(module["id"], "pos-2.0.0.swu", swu)
    if artifact["hashes"]["sha256"] != hashlib.sha256(swu).hexdigest():
        raise Failed("the hub hashed other bytes than were sent")
    release = hub.call("POST", "distributionsets", [{"name": "pos", "version": "2.0.0", "type": "os",
                                                     "modules": [{"id": module["id"]}]}])[0]
    assigned = hub.call("POST", f"distributionsets/{release['id']}/assignedTargets", [{"id": CONTROLLER,
                                                                                      "type": "forced"}])
    if assigned["assigned"] != 1:
        raise Failed(f"the set was not assigned: {assigned}")
    return target["securityToken"], assigned["assignedActions"][0]["id"]


def start_swupdate(bench, hub, token, certificate, confirm):
    # Its sockets go to TMPDIR, so that neither another test nor the system's own service is met.
    temporary = bench.path("tmp-confirm" if confirm else "tmp")
    os.makedirs(temporary)
    suricatta = f"-t DEFAULT -i {CONTROLLER} -u {hub.url} -k {token} -p 2 -r 3 -w 1" + (" -c 2" if confirm else "")
    return bench.start("swupdate-confirm" if confirm else "swupdate",
                       ["swupdate", "-H", "pos:1.0", "-k", certificate, "--cert-purpose", "codeSigning", "-v", "-u",
                        suricatta], env={**os.environ, "TMPDIR": temporary})


def check_end(hub, action):
    target = hub.call("GET", f"targets/{CONTROLLER}")
    if target["updateStatus"] != "in_sync":
        raise Failed(f"the target is {target['updateStatus']}, not in_sync")
    statuses = hub.call("GET", f"targets/{CONTROLLER}/actions/{action}/status?sort=id:DESC&limit=100")["content"]
    seen = [status["type"] for status in statuses]
    if seen[0] != "finished" or "retrieved" not in seen:
        raise Failed(f"the action went through {seen}")
    installed = hub.call("GET", f"targets/{CONTROLLER}/installedDS")
    if (installed["name"], installed["version"]) != ("pos", "2.0.0"):
        raise Failed(f"installed is {installed['name']} {installed['version']}")
    return seen


def story(bench, program):
    image = os.urandom(IMAGE_BYTES)
    slot = bench.path("slot.img")
    with open(slot, "wb") as file:
        file.truncate(IMAGE_BYTES)
    hub = start_hub(bench, program)
    swu, certificate = make_swu(bench, image, slot)
    token, action = set_up(hub, swu)

    def installed():
        with open(slot, "rb") as file:
            return file.read() == image

    def reported_installed():
        statuses = hub.call("GET", f"targets/{CONTROLLER}/actions/{action}/status?limit=100")["content"]
        return any("Installed" in message or "successfully" in message.lower()
                   for status in statuses for message in status["messages"])

    began = time.monotonic()
    first = start_swupdate(bench, hub, token, certificate, confirm=False)
    bench.await_true("the image is installed", installed, first)
    # Feedback of the installation leaves after the last byte is written: ending it earlier would lose it.
    bench.await_true("the hub heard of the installation", reported_installed, first)
    state = hub.call("GET", f"targets/{CONTROLLER}/actions/{action}")
    if not state["active"]:
        raise Failed(f"the action is over before the terminal confirmed: {state['status']}")
    bench.stop(first)
    second = start_swupdate(bench, hub, token, certificate, confirm=True)
    bench.await_true("the action is finished",
                     lambda: hub.call("GET", f"targets/{CONTROLLER}/actions/{action}")["status"] == "finished", second)
    bench.stop(second)
    seen = check_end(hub, action)
    print(f"swupdate installed {len(swu)} bytes in {time.monotonic() - began:.1f} s: {' < '.join(seen)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hub", required=True, help="the tillhub program")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder")
    arguments = parser.parse_args()
    for program in ("swupdate", "openssl", "cpio"):
        if shutil.which(program) is None:
            print(f"{program} is not installed: ./dev setup installs it", file=sys.stderr)
            return 1
    bench = Bench()
    try:
        story(bench, os.path.abspath(arguments.hub))
        return 0
    except (Failed, OSError, subprocess.SubprocessError) as error:
        bench.log_tails()
        print(f"failed: {error}", file=sys.stderr)
        return 1
    finally:
        bench.close(arguments.keep)


if __name__ == "__main__":
    sys.exit(main())
