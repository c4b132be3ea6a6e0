#!/usr/bin/env python3
"""A mirror that lists a version and has not its files: the tools go on to the next place, and say so.

The mirror is a Debian archive of two suites, made here and served on loopback; TILL_APT_SOURCES leads the tools there.
"""
import functools, hashlib, http.server, io, json, os, shutil, subprocess, sys, tarfile, tempfile, threading, unittest

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools")
SUITES = ("bookworm", "bookworm-security")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def tarball(folder, text):
    """A .tar.xz with a file of this text, and what dpkg-source asks of a source package."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        for name, data in (("file.txt", text), ("debian/source/format", "3.0 (native)\n")):
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data.encode()))
    return out.getvalue()


class Mirror(http.server.SimpleHTTPRequestHandler):
    requests = []   # paths of files below pool/, as they were asked for

    def log_message(self, *_):
        if "/pool/" in self.path:
            Mirror.requests.append(self.path)


class Archive:
    """A folder laid out as a Debian archive. What is listed and what is there are two things."""

    def __init__(self, folder):
        self.folder = folder
        self.lists = {(suite, kind): "" for suite in SUITES for kind in ("source", "binary-mipsel")}

    def put(self, path, data):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(data)

    def source(self, suite, name, version, files, there=True):
        """A source package with `files` ({name: bytes}), which lie in a folder of this version."""
        sums = "".join(f"\n {sha256(data)} {len(data)} {file}" for file, data in files.items())
        dsc = (f"Format: 3.0 (native)\nSource: {name}\nVersion: {version}\nChecksums-Sha256:{sums}\nFiles:"
               + "".join(f"\n {hashlib.md5(data).hexdigest()} {len(data)} {file}" for file, data in files.items())
               + "\n").encode()
        files = {**files, f"{name}_{version}.dsc": dsc}
        directory = f"pool/{name}/{version}"
        sums = "".join(f"\n {sha256(data)} {len(data)} {file}" for file, data in files.items())
        self.lists[suite, "source"] += (f"Package: {name}\nVersion: {version}\nDirectory: {directory}\n"
                                        f"Checksums-Sha256:{sums}\n\n")
        for file, data in files.items() if there else ():
            self.put(f"{directory}/{file}", data)

    def package(self, suite, name, version, depends="", source="", there=True):
        with tempfile.TemporaryDirectory() as tree:
            os.makedirs(tree + "/DEBIAN")
            os.makedirs(f"{tree}/usr/share/{name}")
            with open(f"{tree}/usr/share/{name}/version", "w", encoding="ascii") as out:
                out.write(version)
            control = f"Package: {name}\nVersion: {version}\nArchitecture: mipsel\nMaintainer: nobody <n@example>\n"
            control += f"Depends: {depends}\n" if depends else ""
            control += f"Source: {source}\n" if source else ""
            with open(tree + "/DEBIAN/control", "w", encoding="ascii") as out:
                out.write(control + "Description: made by a test\n")
            subprocess.run(["dpkg-deb", "-b", tree, tree + ".deb"], check=True, stdout=subprocess.DEVNULL)
            with open(tree + ".deb", "rb") as made:
                data = made.read()
            os.remove(tree + ".deb")
        file = f"pool/{name}/{name}_{version}_mipsel.deb"
        self.lists[suite, "binary-mipsel"] += (f"{control}Filename: {file}\nSize: {len(data)}\n"
                                               f"SHA256: {sha256(data)}\nDescription: made by a test\n\n")
        if there:
            self.put(file, data)

    def publish(self):
        for suite in SUITES:
            names = {"source": "main/source/Sources", "binary-mipsel": "main/binary-mipsel/Packages"}
            sums = ""
            for kind, name in names.items():
                data = self.lists[suite, kind].encode()
                self.put(f"dists/{suite}/{name}", data)
                sums += f" {sha256(data)} {len(data)} {name}\n"
            self.put(f"dists/{suite}/Release", (f"Suite: {suite}\nCodename: {suite}\nArchitectures: mipsel\n"
                                                f"Components: main\nSHA256:\n{sums}").encode())


class MirrorTest(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="till-mirror-")
        self.addCleanup(shutil.rmtree, self.work)
        self.archive = Archive(self.work + "/mirror")
        os.makedirs(self.archive.folder)
        Mirror.requests.clear()
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Mirror, directory=self.archive.folder))
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.archives = self.work + "/cache/archives"

    def tool(self, *command, tools=TOOLS):
        """Runs a tool against the mirror as it is now, with this test's cache."""
        self.archive.publish()
        os.makedirs(self.work + "/etc", exist_ok=True)
        with open(self.work + "/etc/sources.list", "w", encoding="ascii") as out:
            for suite in SUITES:
                out.write(f"deb [trusted=yes] http://127.0.0.1:{self.server.server_port} {suite} main\n")
        env = {**os.environ, "TILL_CACHE": self.work + "/cache", "TILL_APT_SOURCES": self.work + "/etc"}
        env.update({"no_proxy": "127.0.0.1", "LC_ALL": "C"})
        return subprocess.run([sys.executable, os.path.join(tools, command[0]), *command[1:]], env=env, check=False,
                              capture_output=True, text=True)

    def good(self, *command, **more):
        done = self.tool(*command, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def pin(self, data):
        """A tree with one pinned codec, `data`; the folder of its tools."""
        tools = self.work + "/tree/tools"
        os.makedirs(tools)
        for name in ("apt_state.py", "debian_source.py", "pinned_codecs.py"):
            shutil.copy(os.path.join(TOOLS, name), tools)
        pins = {"zip": {"source": "zip", "version": "1", "folder": "zip-1", "file": "zip_1.orig.tar.xz",
                        "sha256": sha256(data)}}
        with open(tools + "/pinned_codecs.json", "w", encoding="ascii") as out:
            json.dump(pins, out)
        return tools

    # --- sources that are pinned ---
    def unpacked_codec(self):
        with open(self.work + "/cache/codecs/zip-1/file.txt", encoding="ascii") as unpacked:
            return unpacked.read()

    def check_pinned_original(self, lost):
        orig = tarball("zip-1", "pinned")
        for suite, version in zip(SUITES, ("1-1", "1-2")):
            self.archive.source(suite, "zip", version, {"zip_1.orig.tar.xz": orig}, there=suite != lost)
        self.good("pinned_codecs.py", tools=self.pin(orig))
        self.assertEqual(self.unpacked_codec(), "pinned")

    # Whichever of the two is asked first, one of these has to go on.
    def test_a_pinned_original_comes_from_the_older_version_when_the_newer_has_it_not(self):
        self.check_pinned_original(lost="bookworm-security")

    def test_a_pinned_original_comes_from_the_newer_version_when_the_older_has_it_not(self):
        self.check_pinned_original(lost="bookworm")

    def test_what_is_in_the_archives_is_not_fetched(self):
        orig = tarball("zip-1", "pinned")
        os.makedirs(self.archives)
        with open(self.archives + "/zip_1.orig.tar.xz", "wb") as out:
            out.write(orig)
        self.good("pinned_codecs.py", tools=self.pin(orig))
        self.assertEqual(Mirror.requests, [])
        self.assertFalse(os.path.exists(self.work + "/cache/source-apt"), "no list was asked for")

    def test_a_file_with_another_hash_does_not_count(self):
        orig = tarball("zip-1", "pinned")
        tools = self.pin(orig)
        os.makedirs(self.archives)
        with open(self.archives + "/zip_1.orig.tar.xz", "wb") as out:
            out.write(tarball("zip-1", "not it"))
        self.archive.source("bookworm", "zip", "1-1", {"zip_1.orig.tar.xz": orig})
        self.good("pinned_codecs.py", tools=tools)
        self.assertEqual(self.unpacked_codec(), "pinned")

    def test_a_pinned_original_that_nobody_has_is_named_with_its_place(self):
        orig = tarball("zip-1", "pinned")
        tools = self.pin(orig)
        for suite in SUITES:
            self.archive.source(suite, "zip", "1-1", {"zip_1.orig.tar.xz": orig}, there=False)
        done = self.tool("pinned_codecs.py", tools=tools)
        self.assertNotEqual(done.returncode, 0)
        for part in ("zip_1.orig.tar.xz", sha256(orig), self.archives):
            self.assertIn(part, done.stderr)
        self.assertFalse(os.path.exists(self.work + "/cache/codecs/zip-1"))
        with open(self.archives + "/zip_1.orig.tar.xz", "wb") as out:   # what the message asks for
            out.write(orig)
        self.good("pinned_codecs.py", tools=tools)

    def test_a_lying_mirror_is_not_believed(self):
        orig = tarball("zip-1", "pinned")
        tools = self.pin(orig)
        self.archive.source("bookworm", "zip", "1-1", {"zip_1.orig.tar.xz": orig})
        self.archive.put("pool/zip/1-1/zip_1.orig.tar.xz", tarball("zip-1", "not it"))
        self.assertNotEqual(self.tool("pinned_codecs.py", tools=tools).returncode, 0)
        self.assertFalse(os.path.exists(self.work + "/cache/codecs/zip-1"))

    # --- the newest source package ---
    def sources_of_boot(self, lost):
        for version in ("1", "2", "10"):
            self.archive.source("bookworm", "boot", version,
                                {f"boot_{version}.tar.xz": tarball("boot", "v" + version)}, there=version not in lost)

    def test_a_source_package_without_files_gives_way_to_the_next_older(self):
        self.sources_of_boot(lost=("10",))
        done = self.good("debian_source.py", "unpack", self.work + "/boot", "boot")
        self.assertEqual(done.stdout.strip(), "2")
        self.assertIn("boot 10 is listed", done.stderr)
        with open(self.work + "/boot/file.txt", encoding="ascii") as unpacked:
            self.assertEqual(unpacked.read(), "v2")

    def test_the_newest_source_package_is_taken_when_it_is_there(self):
        self.sources_of_boot(lost=())
        self.assertEqual(self.good("debian_source.py", "unpack", self.work + "/boot", "boot").stdout.strip(), "10")

    def test_without_a_network_the_archives_are_enough(self):
        self.sources_of_boot(lost=("10",))
        self.good("debian_source.py", "files", "boot")
        shutil.rmtree(self.work + "/cache/source-apt")
        shutil.rmtree(self.archive.folder)
        os.makedirs(self.archive.folder)
        self.archive.publish = lambda: None
        self.assertEqual(self.good("debian_source.py", "unpack", self.work + "/boot", "boot").stdout.strip(), "2")

    def test_a_source_package_that_nobody_has_is_named_with_its_place(self):
        self.sources_of_boot(lost=("1", "2", "10"))
        done = self.tool("debian_source.py", "unpack", self.work + "/boot", "boot")
        self.assertNotEqual(done.returncode, 0)
        for part in ("boot_10.dsc", "boot_1.tar.xz", self.archives):
            self.assertIn(part, done.stderr)

    # --- packages ---
    def test_the_ends_are_the_lowest_and_highest_that_can_be_had(self):
        for version in ("1", "2", "3", "10"):
            self.archive.package("bookworm", "app", version, there=version in "23")
        done = self.good("mipsel_apt.py", "ends", "app")
        self.assertEqual(done.stdout.split()[:3], ["app", "2", "3"])
        self.assertIn("app 1 is listed", done.stderr)
        self.assertIn("app 10 is listed", done.stderr)
        for path in done.stdout.split()[3:]:
            self.assertTrue(os.path.exists(path))

    def test_one_lost_package_does_not_lose_the_others(self):
        self.archive.package("bookworm", "app", "1")
        self.archive.package("bookworm", "lib", "1")
        self.archive.package("bookworm", "lib", "2", there=False)
        self.assertEqual([line.split()[:3] for line in self.good("mipsel_apt.py", "ends", "lib", "app")
                          .stdout.splitlines()], [["lib", "1", "1"], ["app", "1", "1"]])

    def test_a_closure_goes_back_with_all_packages_of_a_source(self):
        for suite, version in zip(SUITES, ("1", "2")):
            self.archive.package(suite, "libx", version, source="x", there=version == "1")
            self.archive.package(suite, "libx-dev", version, depends=f"libx (= {version})", source="x")
        done = self.good("mipsel_apt.py", "closure", self.work + "/tree", "libx-dev")
        self.assertIn("libx 2 is listed", done.stderr)
        for name in ("libx", "libx-dev"):
            with open(f"{self.work}/tree/usr/share/{name}/version", encoding="ascii") as unpacked:
                self.assertEqual(unpacked.read(), "1")

    def test_packages_that_nobody_has_are_named_with_their_place(self):
        self.archive.package("bookworm", "app", "1", there=False)
        for command in (["ends", "app"], ["closure", self.work + "/tree", "app"], ["download", "app=1"]):
            done = self.tool("mipsel_apt.py", *command)
            self.assertNotEqual(done.returncode, 0, command)
            for part in ("app", self.archives):
                self.assertIn(part, done.stderr, command)


if __name__ == "__main__":
    unittest.main(verbosity=0)
