"""A real tillhub on this machine with releases published, for the emulated terminal of rig.py and real_flash.py."""
import json, os, subprocess

import guest

BIN = os.path.join(guest.ROOT, "build", "dev", "bin")
RELEASE = """[product]
name = "pos-malta"
board = ["malta,rig"]
[image.rootfs]
file = "{image}"
[delta]
from = "{bases}"
profile = "mt7688-64m"
keep_if = "delta < 0.9 * full"
[sign]
keys = "keys"
[release]
out = "out"
rollback_index = {index}
"""


class Failed(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failed(what)


class Hub:
    """tillhub with every release published, and one terminal known to it."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(self.folder)
        self.log = open(folder + ".log", "w")
        self.server = subprocess.Popen(
            [os.path.join(BIN, "tillhub"), "serve", "--data", os.path.join(self.folder, "data"), "--listen",
             "127.0.0.1:0", "--min-polling-time", "00:00:01"], stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.url = json.loads(self.server.stdout.readline())["url"]
        self.env = dict(os.environ, TILL_URL=self.url,
                        TILL_TOKEN=open(os.path.join(self.folder, "data", "admin.token")).read().strip())
        self.token = json.loads(self.ctl("device", "add", "pos-1", "--json"))["securityToken"]
        self.rollouts = 0
        self.delta_bytes = {}

    def tool(self, *command):
        done = subprocess.run([os.path.join(BIN, command[0]), *command[1:]], cwd=self.folder, env=self.env,
                              capture_output=True, text=True)
        check(done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def ctl(self, *arguments):
        return self.tool("tillctl", *arguments)

    def publish(self, images):
        for version, path in images.items():
            # What runs when it is rolled out: 1.1.0 after the refused ones, each 2.x after the one before.
            base = {"1.0.0": "", "1.1.0": "1.0.0"}.get(version, "1.1.0")
            if version.startswith("2.") and version != "2.0.0":
                base = "2.%d.0" % (int(version.split(".")[1]) - 1)
            with open(os.path.join(self.folder, "tillrace.toml"), "w") as out:
                out.write(RELEASE.format(image=path, index=guest.VERSIONS[version][0],
                                         bases="versions=" + base if base else "all"))
            if not os.path.exists(os.path.join(self.folder, "keys")):
                self.tool("tillpack", "keys", "init")
            self.tool("tillpack", "release", "--version", version)
            made = os.path.join(self.folder, "out", version)
            self.delta_bytes[version] = min(os.path.getsize(os.path.join(made, name)) for name in os.listdir(made)
                                            if name.endswith(".till"))
            self.tool("tillpack", "publish", os.path.join("out", version), "--server", self.url)

    def roll_out(self, version):
        """Starts it; the process ends with 0 when the terminal has confirmed, with 1 when it has not."""
        self.rollouts += 1
        name = f"r{self.rollouts}-{version}"
        self.ctl("rollout", "create", name, "--release", version, "--waves", "100", "--start")
        return subprocess.Popen([os.path.join(BIN, "tillctl"), "rollout", "watch", name], cwd=self.folder,
                                env=self.env, stdout=subprocess.DEVNULL, stderr=self.log)

    def device(self):
        return json.loads(self.ctl("device", "get", "pos-1", "--json"))

    def stop(self):
        self.server.terminate()
        self.server.wait()
