#!/usr/bin/env python3
"""packaging/openwrt: shellcheck reads the scripts; busybox's ash, which OpenWrt has, runs them with the real tilld.

usage: openwrt_package_test.py --bin FOLDER --source FOLDER
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest

BIN = SOURCE = FILES = ""
SCRIPTS = ("tilld.init", "tilld.defaults", "tilld.ubus", "tilld.upgrade.sh", "tilld.hotplug")


def ash(script, *words, stdin="", env=None, cwd=None):
    return subprocess.run(["busybox", "ash", script, *words], input=stdin, capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})}, cwd=cwd, check=False)


class OpenWrtPackage(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="till-openwrt-")
        self.conf = self.work + "/tilld"
        with open(f"{FILES}/tilld.config", encoding="utf-8") as source:
            text = source.read()
        for key, value in {"server": "http://127.0.0.1:9", "controller_id": "pos-1", "board": "acme,pos-100",
                           "product": "pos", "slot_a": self.work + "/a", "slot_b": self.work + "/b",
                           "boot_state": self.work + "/boot", "data_dir": self.work + "/data",
                           "run_dir": self.work + "/run", "journal": "",
                           "token_file": self.work + "/token"}.items():
            text = re.sub(rf"(option {key} )'[^']*'", rf"\1'{value}'", text)
        with open(self.conf, "w", encoding="utf-8") as out:
            out.write(text)
        for name in "ab":
            with open(f"{self.work}/{name}", "wb") as out:
                out.write(b"\xff" * 65536)

    def tearDown(self):
        shutil.rmtree(self.work)

    def test_shellcheck_has_nothing_to_say(self):
        done = subprocess.run(["shellcheck", "-s", "dash", "-e", "SC3043,SC1091,SC2034,SC2317",
                               *(f"{FILES}/{name}" for name in SCRIPTS)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_ash_can_read_every_script(self):
        for name in SCRIPTS:
            done = subprocess.run(["busybox", "ash", "-n", f"{FILES}/{name}"], capture_output=True, text=True,
                                  check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)

    def test_tilld_reads_the_shipped_settings_one_to_one(self):
        done = subprocess.run([BIN + "/tilld", "--config", f"{FILES}/tilld.config", "config", "show", "--json"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        shown = json.loads(done.stdout)
        with open(f"{FILES}/tilld.config", encoding="utf-8") as source:
            options = re.findall(r"^\s*option (\w+) '([^']*)'", source.read(), re.M)
        self.assertGreater(len(options), 10)
        for key, value in options:
            self.assertEqual(shown[key]["value"], value, key)
            self.assertEqual(shown[key]["origin"], "file", key)

    # --- ubus ---

    def ubus(self, method, message="{}"):
        done = ash(f"{FILES}/tilld.ubus", "call", method, stdin=message + "\n",
                   env={"TILLD": BIN + "/tilld", "UBUS_CONFIG": self.conf})
        self.assertEqual(done.returncode, 0, done.stderr)
        answer = json.loads(done.stdout)
        self.assertIsInstance(answer, dict)
        return answer

    def test_ubus_lists_its_methods_as_the_acl_names_them(self):
        done = ash(f"{FILES}/tilld.ubus", "list")
        methods = set(json.loads(done.stdout))
        with open(f"{FILES}/tilld.acl.json", encoding="utf-8") as source:
            acl = json.load(source)["tilld"]
        self.assertEqual(methods, set(acl["read"]["ubus"]["tilld"]) | set(acl["write"]["ubus"]["tilld"]))

    def test_ubus_answers_status_and_locks(self):
        os.makedirs(self.work + "/run")
        with open(self.work + "/run/status.json", "w", encoding="utf-8") as out:
            json.dump({"state": "idle", "last_error": ""}, out)
        self.assertEqual(self.ubus("status")["state"], "idle")
        self.assertEqual(self.ubus("lock", '{"reason":"sale","max":"2m"}')["list"][0]["reason"], "sale")
        self.assertEqual(self.ubus("unlock", '{"reason": "sale"}')["list"], [])
        self.assertIn("error", self.ubus("format"))

    def test_ubus_passes_nothing_strange_to_a_command(self):
        for reason in ('x\\"; touch pwned; \\"', "$(touch pwned)", "`touch pwned`", "a;touch pwned", "../../etc"):
            self.ubus("lock", json.dumps({"reason": reason}))
        self.assertFalse(os.path.exists("pwned"))
        held = [lock["reason"] for lock in self.ubus("lock", '{"reason":"manual"}')["list"]]
        self.assertEqual(held, ["manual"])

    # --- first boot ---

    def test_defaults_take_what_the_board_knows_and_keep_what_is_set(self):
        root = self.work + "/root"
        for folder in ("proc/device-tree", "tmp/sysinfo", "sys/class/net/eth0"):
            os.makedirs(f"{root}/{folder}")
        for path, text in {"proc/mtd": 'dev:    size   erasesize  name\nmtd3: 00020000 00010000 "till_boot"\n'
                                       'mtd4: 00020000 00010000 "till_journal"\nmtd7: 01c00000 00010000 "slot_a"\n'
                                       'mtd8: 01c00000 00010000 "slot_b"\n',
                           "tmp/sysinfo/board_name": "acme,pos-100\n",
                           "sys/class/net/eth0/address": "02:00:00:aa:bb:cc\n"}.items():
            with open(f"{root}/{path}", "w", encoding="utf-8") as out:
                out.write(text)
        store = self.work + "/uci"
        os.makedirs(store)
        with open(self.work + "/path_uci", "w", encoding="utf-8") as out:
            out.write('#!/bin/sh\n[ "$1" = -q ] && shift\ncase "$1" in\nget) cat "$STORE/$2" 2>/dev/null ;;\n'
                      'set) printf %s "${2#*=}" > "$STORE/${2%%=*}" ;;\nesac\n')
        os.makedirs(self.work + "/path")
        os.rename(self.work + "/path_uci", self.work + "/path/uci")
        os.chmod(self.work + "/path/uci", 0o755)
        with open(store + "/tilld.main.controller_id", "w", encoding="utf-8") as out:
            out.write("shop-7")
        done = ash(f"{FILES}/tilld.defaults", env={"TILL_ROOT": root, "STORE": store,
                                                   "PATH": self.work + "/path:" + os.environ["PATH"]})
        self.assertEqual(done.returncode, 0, done.stderr)
        found = {}
        for name in os.listdir(store):
            with open(f"{store}/{name}", encoding="utf-8") as source:
                found[name.replace("tilld.main.", "")] = source.read()
        self.assertEqual(found, {"board": "acme,pos-100", "controller_id": "shop-7", "slot_a": "/dev/mtd7",
                                 "slot_b": "/dev/mtd8", "boot_state": "/dev/mtd3", "journal": "/dev/mtd4"})

    # --- procd ---

    def test_init_starts_the_service_only_when_enabled(self):
        stub = self.work + "/stub"
        with open(stub, "w", encoding="utf-8") as out:
            out.write('config_load() { :; }\nconfig_get_bool() { eval "$1=$ENABLED"; }\nmkdir() { :; }\n'
                      'for f in open_instance close_instance add_reload_trigger; do eval "procd_$f() { :; }"; done\n'
                      'procd_set_param() { echo "$@"; }\n'
                      f'. {FILES}/tilld.init\nstart_service\n')
        self.assertEqual(ash(stub, env={"ENABLED": "0"}).stdout, "")
        said = ash(stub, env={"ENABLED": "1"}).stdout
        self.assertIn("command /usr/sbin/tilld run --config /etc/config/tilld", said)
        self.assertIn("respawn 3600 30 0", said)

    # --- sysupgrade ---

    def upgrade(self, call):
        stub = self.work + "/upgrade"
        with open(stub, "w", encoding="utf-8") as out:
            out.write(f". {FILES}/tilld.upgrade.sh\n{call}\n")
        return ash(stub, env={"TILLD": BIN + "/tilld", "UBUS_CONFIG": self.conf})

    def test_sysupgrade_takes_a_signed_release_and_nothing_else(self):
        plain = self.work + "/firmware.bin"
        with open(plain, "wb") as out:
            out.write(b"hsqs" * 1000)
        self.assertNotEqual(self.upgrade(f"tilld_check_image {plain}").returncode, 0)
        for name, members, good in (("full", ("tuf/timestamp.json", "1.5.0/rootfs.full.till"), True),
                                    ("no payload", ("tuf/timestamp.json",), False),
                                    ("no metadata", ("1.5.0/rootfs.full.till",), False)):
            tar = self.work + "/release.tar"
            with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as archive:
                for member in members:
                    archive.addfile(tarfile.TarInfo(member))
            self.assertEqual(self.upgrade(f"tilld_check_image {tar}").returncode == 0, good, name)
        # What looks like one and is not signed by whom we trust is refused by the agent, and sysupgrade stops.
        done = self.upgrade(f"tilld_do_upgrade {self.work}/release.tar")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("nothing was installed", done.stderr)

    # --- the layout ---

    def test_partitions_fill_the_chip_without_gap_or_overlap(self):
        with open(f"{SOURCE}/packaging/openwrt/image/mt7688-ab-64m.dtsi", encoding="utf-8") as source:
            text = source.read()
        found = re.findall(r'partition@([0-9a-f]+) \{\s*label = "([\w-]+)";\s*reg = <(0x\w+) (0x\w+)>;', text)
        self.assertEqual(len(found), text.count("partition@"))
        at = 0
        sizes = {}
        for name, label, start, size in found:
            self.assertEqual(int(name, 16), int(start, 16), label)
            self.assertEqual(int(start, 16), at, label)
            self.assertEqual(int(size, 16) % 0x10000, 0, label)
            at += int(size, 16)
            sizes[label] = int(size, 16)
        self.assertEqual(at, 64 << 20)
        self.assertEqual(sizes["slot_a"], sizes["slot_b"])
        self.assertEqual((sizes["till_boot"], sizes["till_journal"]), (0x20000, 0x20000))
        with open(f"{FILES}/tilld.defaults", encoding="utf-8") as source:
            for label in re.findall(r"mtd_of (\w+)\)", source.read()):
                self.assertIn(label, sizes)

    def test_the_package_installs_every_file_and_only_those(self):
        with open(f"{SOURCE}/packaging/openwrt/tilld/Makefile", encoding="utf-8") as source:
            named = set(re.findall(r"\./files/([\w.]+)", source.read()))
        self.assertEqual(named, set(os.listdir(FILES)))

    # --- the build ---

    def makefile(self):
        with open(f"{SOURCE}/packaging/openwrt/tilld/Makefile", encoding="utf-8") as source:
            return source.read().replace("\\\n\t", "")

    def test_the_package_downloads_the_codecs_of_the_format(self):
        with open(f"{SOURCE}/tools/pinned_codecs.json", encoding="utf-8") as source:
            pins = {name: (pin["file"], pin["sha256"]) for name, pin in json.load(source).items()}
        found = re.findall(r"\$\(eval \$\(call Codec,(\w+),[\w/-]+,([^,]+),([0-9a-f]{64})\)\)", self.makefile())
        self.assertEqual({name: (file, digest) for name, file, digest in found}, pins)

    def test_what_the_package_copies_is_enough_to_build_it(self):
        text = self.makefile()
        tree = self.work + "/tree"
        os.makedirs(tree + "/tools")
        for part in re.search(r"^TILLRACE_PARTS:=(.*)", text, re.M).group(1).split():
            into = f"{tree}/{part}"
            (shutil.copytree if os.path.isdir(f"{SOURCE}/{part}") else shutil.copy)(f"{SOURCE}/{part}", into)
        for name in re.search(r"^TILLRACE_TOOLS:=(.*)", text, re.M).group(1).split():
            shutil.copy(f"{SOURCE}/tools/{name}", tree + "/tools")
        options = re.search(r"^CMAKE_OPTIONS \+= (.*)", text, re.M).group(1).split()
        programs = re.search(r"Build/Compile/Default,(.*)\)", text).group(1).split()
        env = {**os.environ, "TILL_CACHE": apt_state.cache_folder()}   # nothing is fetched
        for command in (["cmake", "-G", "Ninja", "-S", tree, "-B", tree + "/out", *options],
                        ["ninja", "-C", tree + "/out", "-n", *programs]):
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
            self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--source", required=True)
    arguments = parser.parse_args()
    BIN, SOURCE = os.path.abspath(arguments.bin), os.path.abspath(arguments.source)
    sys.path.insert(0, SOURCE + "/tools")
    import apt_state
    FILES = SOURCE + "/packaging/openwrt/tilld/files"
    unittest.main(argv=[sys.argv[0]], verbosity=0)
