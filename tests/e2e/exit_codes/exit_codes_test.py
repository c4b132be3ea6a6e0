#!/usr/bin/env python3
"""usage: exit_codes_test.py TABLE TILLPACK TILLCTL TILLHUB TILLEDGE

Runs every row of docs/exit-codes.md with the real programs: each command that a program's help knows has one row, each
row ends well at least once and badly at least once, with statuses that the row names and words that say why."""
import json, os, random, re, shlex, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.request

# Their good end is what another test of this suite is about.
GOOD_END_ELSEWHERE = {"tillctl demo": "demo_e2e"}
problems = []


class World:
    """Programs by name, one hub, and the words that stand for places in command lines."""

    def __init__(self, programs):
        self.programs = {os.path.basename(path): os.path.abspath(path) for path in programs}
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("TILL")}
        self.environment["TILLCTL_CONFIG"] = os.path.abspath("contexts.json")
        self.words = {"nowhere": f"http://127.0.0.1:{closed_port()}"}
        self.servers = []
        self.ran = {}

    def run(self, line):
        words = shlex.split(line.format(**self.words))
        environment = dict(self.environment)
        while "=" in words[0]:
            key, _, value = words.pop(0).partition("=")
            environment[key] = value
        return subprocess.run([self.programs[words[0]], *words[1:]], capture_output=True, text=True, timeout=120,
                              check=False, env=environment)

    def start(self, line):
        words = shlex.split(line.format(**self.words))
        with open(f"server-{len(self.servers)}.err", "wb") as errors:
            server = subprocess.Popen([self.programs[words[0]], *words[1:]], stdout=subprocess.PIPE, stderr=errors,
                                      text=True, env=self.environment)
        self.servers.append(server)
        ready = server.stdout.readline()
        if not ready:
            sys.exit(f"{line} did not start: {open(errors.name, encoding='utf-8').read()}")
        return json.loads(ready)["url"], server

    def end(self, line, server):
        """A server's good end."""
        server.send_signal(signal.SIGTERM)
        self.note(line, server.wait(timeout=60))

    def note(self, line, status):
        command = self.command_of(line)
        self.ran.setdefault(command, set()).add(status)

    def command_of(self, line):
        words = [word for word in shlex.split(line) if not re.match(r"\w+=", word)]
        fits = [command for command in ROWS if words[:len(command.split())] == command.split()]
        return max(fits, key=len, default=" ".join(words[:2]))

    def expect(self, line, status, says=""):
        """Runs a line and looks at its end; `says` is looked for in all that it printed."""
        done = self.run(line)
        said = done.stdout + done.stderr
        self.note(line, done.returncode)
        if done.returncode != status or not re.search(says, said):
            problems.append(f"{line}: ended with {done.returncode}, not {status} saying '{says}':\n{said}")
        if status not in (0, 5) and not re.search(r"error T\d{4}: |\"code\":\"T\d{4}\"|FAIL T\d{4} ", said):
            problems.append(f"{line}: {status} without a fault: {said}")
        return done


ROWS = {}


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def read_rows(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if len(cells) != 3 or not cells[0].startswith("`"):
                continue
            command = cells[0].strip("`")
            if command in ROWS:
                problems.append(f"{command}: two rows")
            if not cells[1] or not cells[2]:
                problems.append(f"{command}: an empty cell")
            ROWS[command] = set(map(int, re.findall(r"\*\*(\d+)\*\*", cells[2]))) | {0, 2}


def leaves(program, path=()):
    text = subprocess.run([program, *path, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    below = text.partition("\nSubcommands:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^  ([a-z][a-z-]*)(?:\s|$)", below, re.M)
    if not found:
        return [" ".join([os.path.basename(program), *path])]
    return [leaf for command in found for leaf in leaves(program, (*path, command))]


def make_files():
    old = random.Random(1).randbytes(300_000)
    write("a.img", old)
    write("b.img", old[:100_000] + b"changed here" + old[100_000:])
    write("strange.img", random.Random(2).randbytes(300_000))
    write("junk", b"no payload at all" * 100)
    write("tillrace.toml", b'[product]\nname = "pos"\nboard = ["acme,pos-100"]\n[image.rootfs]\nfile = "a.img"\n'
                           b'slot = "rootfs"\n')


def without(name, action):
    """Does something while a file is away."""
    os.rename(name, name + ".away")
    try:
        action()
    finally:
        os.rename(name + ".away", name)


def play_releases(world):
    expect = world.expect
    expect("tillpack keys init --config none.toml", 2, "T1001")
    expect("tillpack keys init", 0, "trusted root")
    expect("tillpack keys init", 6, "T1003.*keys already")
    expect("tillpack release --version 1.0.0", 0, "1.0.0")
    expect("tillpack release --version 1.0.0", 6, "T1005")
    for name in ("..", "a/b", "tuf", "1.new", "%2e"):
        expect(f"tillpack release --version '{name}'", 2, "T1002.*--version")
    expect("tillpack release --version 1.1.0 --image rootfs=none.img", 1, "none.img")

    def lacks_a_key():
        expect("tillpack release --version 1.1.0", 7, "keys/deltas-1.pem, looked for")
    without("keys/deltas-1.pem", lacks_a_key)
    os.chmod("keys/deltas-1.pem", 0o644)
    expect("tillpack release --version 1.1.0", 7, r"mode 0644: chmod 600 keys/deltas-1.pem")
    os.chmod("keys/deltas-1.pem", 0o600)
    os.rename("keys", "ours")
    os.makedirs("other")
    write("other/tillrace.toml", open("tillrace.toml", "rb").read())
    expect("tillpack keys init --config other/tillrace.toml", 0)
    os.rename("other/keys", "keys")
    expect("tillpack release --version 1.1.0", 7, "T1003.*other keys than the root")
    os.rename("keys", "foreign")
    os.rename("ours", "keys")
    if os.path.lexists("out/1.1.0.new"):
        problems.append("a release that was not made left out/1.1.0.new")
    expect("tillpack release --version 1.1.0 --image rootfs=b.img", 0)
    expect("tillpack release --version 1.2.0 --image rootfs=strange.img --require-delta", 5, "T1061")
    expect("tillpack verify out/1.1.0 --apply-all", 0, "2 of 2 payloads")
    expect("tillpack verify keys", 1, "T1009")
    without("out/1.0.0", lambda: expect("tillpack verify out/1.1.0 --apply-all", 1, "T1063"))
    whole = open("out/1.2.0/rootfs.full.till", "rb").read()
    write("out/1.2.0/rootfs.full.till", whole[:-1] + b"?")
    expect("tillpack verify out/1.2.0", 3, "T1006")
    write("out/1.2.0/rootfs.full.till", whole)
    expect("tillpack renew", 0, "afresh")
    without("keys/timestamp-1.pem", lambda: expect("tillpack renew", 7, "keys/timestamp-1.pem"))
    expect("tillpack simulate --fleet 1.0.0=10", 0, "policy")
    expect("tillpack simulate --version 9", 1, "T1009")
    expect("tillpack simulate --fleet 1.0.0", 2)
    expect("tillpack simulate --server {nowhere} --token-file junk", 75)
    expect("tillpack diff-budget --max 400KiB --base 1.0.0 --image rootfs=b.img", 0, "within")
    expect("tillpack diff-budget --max 10 --base 1.0.0 --image rootfs=b.img", 4, "T1018")
    expect("tillpack diff-budget --max 4MiB --base 1.0.0 --image rootfs=strange.img", 5, "no delta")
    expect("tillpack diff-budget --max many --base 1.0.0", 2, "--max many")
    expect("tillpack factory out/1.0.0 --slot-size 512KiB -o slot.bin", 0)
    expect("tillpack factory out/1.0.0 --slot-size 320KiB -o slot.bin", 4, "T1017")
    expect("tillpack factory keys --slot-size 512KiB -o slot.bin", 1, "T1009")


def play_payloads(world):
    expect = world.expect
    expect("tillpack delta --from a.img --to b.img -o d.till", 0)
    expect("tillpack delta --from a.img --to none -o x", 1, "T1010.*none")
    expect("tillpack delta --from a.img --to b.img -o none/x", 1, "T1030.*none/x")
    expect("tillpack delta --from a.img --to b.img -o x --profile big", 2, "--profile big is none of mt7688")
    expect("tillpack full --to b.img -o f.till", 0)
    expect("tillpack full --to none -o x", 1, "none")
    expect("tillpack apply --from a.img --payload d.till -o made.img", 0)
    expect("tillpack apply --from a.img --payload d.till --check", 0)
    expect("tillpack apply --from strange.img --payload d.till -o x", 3, "T1021")
    expect("tillpack apply --from a.img --payload d.till -o x --max-memory 1KiB", 4, "T1024")
    expect("tillpack apply --from a.img --payload d.till -o x --max-memory lots", 2, "--max-memory lots")
    expect("tillpack apply --from none --payload d.till -o x", 1, "none")
    expect("tillpack info d.till", 0, "delta")
    expect("tillpack info junk", 3, "T1012")
    expect("tillpack info none", 1, "T1010")
    expect("tillpack expand b.img -o plain.img", 0)
    expect("tillpack expand none -o x", 1, "T1010")
    expect("tillpack kernel b.img --load 0x80000000 -o kernel.fit", 0)
    expect("tillpack kernel junk -o x", 1, "T1031")
    expect("tillpack chunks make --to b.img -o c.till", 0)
    expect("tillpack chunks make --to none -o x", 1)
    expect("tillpack chunks apply --from a.img --chunks c.till -o made.img", 0, "travel")
    expect("tillpack chunks apply --chunks junk -o x", 3, "T1012")
    expect("tillpack chunks apply --from none --chunks c.till", 1, "T1010.*none")
    expect("tillpack explain d.till --from a.img --to b.img --html cost.html", 0, "in all")
    expect("tillpack explain d.till --from strange.img --to b.img", 3)
    expect("tillpack explain f.till", 2, "full payload")
    expect("tillpack explain d.till --from none --to b.img", 1, "none")
    if open("made.img", "rb").read() != open("b.img", "rb").read() or os.path.lexists("x"):
        problems.append("payloads: another image than asked, or an output of a command that failed")


def ask(world, method, path, body=None, token=None):
    headers = {"Authorization": token or "Bearer " + world.words["secret"], "Content-Type": "application/json"}
    request = urllib.request.Request(world.words["hub"] + path, method=method, headers=headers,
                                     data=None if body is None else json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def play_publishing(world):
    expect = world.expect
    hub = "--server {hub} --token-file hub/admin.token"
    expect(f"tillpack publish out/1.0.0 {hub}", 0, "sent +distribution set pos 1.0.0")
    expect(f"tillpack publish out/1.0.0 {hub}", 0, "present +distribution set pos 1.0.0")
    expect(f"tillpack publish keys {hub}", 1, "T1009")
    expect("tillpack publish out/1.0.0 --server {hub} --token-file junk", 1, "T1013|T1007")
    expect("tillpack publish out/1.0.0 --server {nowhere} --token-file hub/admin.token", 75)
    expect("tillpack publish out/1.0.0 --server ftp://x --token-file hub/admin.token", 2, "--server")
    world.words["tls"] = world.words["hub"].replace("http:", "https:")
    expect("TILL_CA=junk tillpack publish out/1.0.0 --server {tls} --token-file hub/admin.token", 1, "certificate file")
    # An empty set of the release's name, made by hand.
    made = ask(world, "POST", "/rest/v1/distributionsets", [{"name": "pos", "version": "1.1.0", "type": "os"}])
    expect(f"tillpack publish out/1.1.0 {hub}", 0, "sent +distribution set pos 1.1.0, completed")
    now = ask(world, "GET", f"/rest/v1/distributionsets/{made[0]['id']}")
    if not now["complete"] or len(now["modules"]) != 1:
        problems.append(f"an empty set was published and is not complete: {now}")
    # One that cannot become the release: of a type that takes no such module, or with another's module in it.
    made = ask(world, "POST", "/rest/v1/distributionsets", [{"name": "pos", "version": "1.2.0", "type": "app"}])
    expect(f"tillpack publish out/1.2.0 {hub}", 6, "T1008.*pos 1.2.0")
    ask(world, "DELETE", f"/rest/v1/distributionsets/{made[0]['id']}")
    other = ask(world, "POST", "/rest/v1/softwaremodules", [{"name": "x", "version": "1", "type": "os"}])
    made = ask(world, "POST", "/rest/v1/distributionsets",
               [{"name": "pos", "version": "1.2.0", "type": "os", "modules": [{"id": other[0]["id"]}]}])
    expect(f"tillpack publish out/1.2.0 {hub}", 6, "T1008.*holds the module x 1")
    ask(world, "DELETE", f"/rest/v1/distributionsets/{made[0]['id']}")
    expect(f"tillpack publish out/1.2.0 {hub}", 0)

    worker = "--hub {hub} --token-file hub/admin.token --trusted-root out/tuf/1.root.json --once"
    expect(f"tillpack worker {worker} --keys keys", 0, "nothing is missing")
    expect(f"tillpack worker {worker} --keys none", 7, "none/deltas-1.pem")


def play_withdrawal(world):
    expect = world.expect
    hub = "--server {hub} --token-file hub/admin.token"
    expect("tillpack withdraw 9.9.9", 1, "T1009")
    without("keys/targets-1.pem", lambda: expect("tillpack withdraw 1.2.0", 7, "keys/targets-1.pem"))
    # Another machine signs on top of what the hub has, the withdrawn version among it: it must not come back by that.
    for name in ("keys", "out"):
        shutil.copytree(name, f"copy/{name}")
    shutil.copy("tillrace.toml", "copy")
    expect("tillpack withdraw 1.2.0", 0, "signed entries withdrawn")
    for _ in range(3):
        expect("tillpack renew --config copy/tillrace.toml", 0)
    expect(f"tillpack publish copy/out/1.1.0 {hub}", 0)
    expect("tillpack withdraw 1.2.0", 0, "withdrawn already")
    expect("tillpack withdraw 1.2.0 --server {nowhere} --token-file hub/admin.token", 75)
    expect(f"tillpack withdraw 1.2.0 {hub}", 0)
    expect("tillctl release get 1.2.0", 1, "T5004")
    expect(f"tillpack publish out/1.2.0 {hub}", 6, "withdrawn")
    expect("tillpack release --version 1.2.0", 6)
    expect(f"tillpack publish out/1.1.0 {hub}", 0)
    text = "".join(open(f"out/tuf/{name}", encoding="utf-8").read() for name in os.listdir("out/tuf"))
    targets = max((name for name in os.listdir("out/tuf") if name.endswith(".targets.json")),
                  key=lambda name: int(name.split(".")[0]))
    if "/1.2.0/" in open(f"out/tuf/{targets}", encoding="utf-8").read() or "/1.1.0/" not in text:
        problems.append("the withdrawn version came back, or took another with it")
    served = urllib.request.urlopen(world.words["hub"] + f"/DEFAULT/tuf/{targets}", timeout=60).read()
    if served != open(f"out/tuf/{targets}", "rb").read():
        problems.append("the hub does not serve what was withdrawn last")


def play_contexts(world):
    expect = world.expect
    add = "tillctl context add"
    expect("tillctl device ls", 1, "T5001")
    expect(f"{add} prod --url {{hub}} --token-file hub/admin.token", 0, "kept and used")
    expect(f"{add} shop --url {{hub}} --token-file hub/admin.token", 0, "kept, prod is used")
    expect(f"{add} bad --url example --token-file hub/admin.token", 2, "T5011.*example")
    expect(f"{add} bad --url {{hub}} --token-file none", 2, "T5010.*none")
    expect(f"{add} bad --url {{hub}} --token-file hub/admin.token --ca none", 2, "T5012.*none")
    expect(f"{add} .. --url {{hub}} --token-file hub/admin.token", 2, "T5020")
    expect(f"TILLCTL_CONFIG=keys {add} prod --url {{hub}} --token-file hub/admin.token", 1, "T5005")
    expect("tillctl context use shop", 0, "shop is used")
    expect("tillctl context use none", 1, "T5016.*none")
    expect("tillctl -c none device ls", 1, "T5016.*none")
    expect("tillctl context rm shop", 0, "none is used")
    expect("tillctl context rm shop", 1, "T5016")
    expect("tillctl context ls", 0, "prod")
    expect("TILLCTL_CONFIG=junk tillctl context ls", 1, "T5005")
    expect("tillctl context use prod", 0, "prod is used")


def play_devices(world):
    expect = world.expect
    expect("tillctl device add pos-1", 0, "added")
    expect("tillctl device add pos-1", 1, "T5017")
    for name in ("..", ".", "a\\\\b", "%2e%2e", "''"):
        expect(f"tillctl device add {name}", 2, "T5020|T5015")
    expect("tillctl device ls --filter 'name==none*'", 0, "NAME")
    expect("tillctl device ls --filter '=='", 1, "T5003")
    expect("tillctl device get pos-1", 0, "pos-1")
    expect("tillctl device get none", 1, "T5007.*none")
    expect("tillctl device get ..", 1, "T5007")
    expect("tillctl device assign pos-1 --release 1.1.0", 0, "assigned")
    expect("tillctl device assign pos-1 --release 1.1.0", 0, "was assigned already")
    expect("tillctl device assign pos-1 --release 9", 1, "T5004")
    expect("tillctl device assign none --release 1.1.0", 1, "T500")
    expect("tillctl release ls", 0, "1.1.0")
    expect("tillctl release get 1.1.0", 0)
    expect("tillctl release get 9", 1, "T5004.*9")
    for line in ("device ls", "device get pos-1", "device add x", "device assign pos-1 --release 1", "release ls",
                 "release get 1", "rollout ls", "rollout create x --release 1", "rollout watch x", "rollout start x",
                 "rollout pause x", "rollout resume x", "rollout stop x", "edge ls", "edge set"):
        expect(f"TILL_URL={{nowhere}} tillctl {line}", 75, "T5002")
    expect("TILL_URL={hub} TILL_TOKEN=wrong tillctl device ls", 1, "T5018")
    expect("tillctl device get", 2, "T5015")
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb") as disk:
            done = subprocess.run([world.programs["tillctl"], "device", "ls"], stdout=disk, stderr=subprocess.PIPE,
                                  text=True, timeout=60, check=False, env=world.environment)
        if done.returncode != 1 or "T0020" not in done.stderr:
            problems.append(f"a list that nobody got ends with {done.returncode}: {done.stderr}")


def be_terminal(world, name, finished, words):
    """A terminal that is offered something does it, or fails at it."""
    secret = ask(world, "GET", f"/rest/v1/targets/{name}")["securityToken"]
    base, token = f"/DEFAULT/controller/v1/{name}", f"TargetToken {secret}"
    image = json.load(open("out/1.0.0/release.json", encoding="utf-8"))["components"][0]["image_sha256"]
    data = {"mode": "replace", "data": {"till.format": "2", "till.image.rootfs": image}}
    ask(world, "PUT", base + "/configData", data, token)
    for _ in range(600):
        links = ask(world, "GET", base, token=token).get("_links", {})
        if "deploymentBase" in links:
            break
        time.sleep(0.1)  # tidy: allow(sleep) the hub's own clock starts the wave
    action = re.search(r"deploymentBase/(\d+)", links["deploymentBase"]["href"])[1]
    ask(world, "GET", f"{base}/deploymentBase/{action}", token=token)
    feedback = {"id": action, "status": {"execution": "closed", "result": {"finished": finished}, "details": [words]}}
    ask(world, "POST", f"{base}/deploymentBase/{action}/feedback", feedback, token)


def play_rollouts(world):
    expect = world.expect
    create = "tillctl rollout create"
    expect(f"{create} may --release 1.1.0 --target id==pos-1 --waves 100", 0, "created")
    expect(f"{create} may --release 1.1.0 --target id==pos-1 --waves 100", 1, "T5017")
    expect(f"{create} june --release 1.1.0 --waves 5,3", 2, "T5006.*5,3")
    expect(f"{create} june --release 9", 1, "T5004")
    expect(f"{create} .. --release 1.1.0", 2, "T5020")
    for verb in ("watch", "start", "pause", "resume", "stop"):
        expect(f"tillctl rollout {verb} none", 1, "T5007.*none")
    expect("tillctl rollout resume may", 1, "T5023")
    expect("tillctl rollout pause may", 1, "T5023")
    expect("tillctl rollout start may", 0, "started")
    expect("tillctl rollout start may", 0, "already")
    await_state(world, "may", "running")
    expect("tillctl rollout resume may", 0, "is running already")
    expect("tillctl rollout pause may", 0, "paused")
    expect("tillctl rollout pause may", 0, "is paused already")
    expect("tillctl rollout watch may", 1, "T5022")
    expect("tillctl rollout resume may", 0, "resumed")
    expect("tillctl rollout stop may", 0, "stopped")
    await_state(world, "may", "stopped", "finished")
    expect("tillctl rollout stop may", 0, "already")
    expect("tillctl rollout start may", 1, "T5023.*may, which is")
    expect("tillctl rollout watch may", 1, "T5021")
    expect("tillctl rollout ls", 0, "may")
    for name, finished in (("good", "success"), ("bad", "failure")):
        expect(f"tillctl device add {name}", 0)
        expect(f"{create} {name} --release 1.1.0 --target id=={name} --waves 100 --stop 100 --start", 0, "started")
        be_terminal(world, name, finished, "health: 10-app exit 1")
    expect("tillctl rollout watch good", 0, "finished")
    expect("tillctl rollout watch bad", 1, r"bad: .*health: 10-app exit 1[\s\S]*T502[12]")


def await_state(world, name, *states):
    for _ in range(600):
        rollouts = ask(world, "GET", "/rest/v1/rollouts?limit=100")["content"]
        if [r for r in rollouts if r["name"] == name][0]["status"] in states:
            return
        time.sleep(0.1)  # tidy: allow(sleep) the hub's own clock starts and stops rollouts
    problems.append(f"rollout {name} never was {states}")


def play_edges(world):
    expect = world.expect
    serve = "tilledge serve --origin {hub} --data edge"
    url, edge = world.start(f"{serve} --listen 127.0.0.1:0 --origin-token-file hub/edge.token")
    world.words["edge"] = url
    expect("tillctl edge set {edge}", 0, "1 edges? ")
    expect("tillctl edge set example", 2, "T5011.*example")
    expect("tillctl edge ls", 0, "ok")
    expect("tillctl doctor", 0, "edge .*: ok")
    expect("tillctl edge set {edge} {nowhere}", 0)
    expect("tillctl doctor", 1, r"FAIL T5026 edge [\s\S]*do: ")
    expect("TILL_URL={nowhere} tillctl doctor", 1, "FAIL T5002 ")
    expect("tillctl edge set", 0, "no edges")
    expect(f"{serve} --listen 127.0.0.1:0", 6, "T4002")
    expect("tilledge scrub --data edge", 6, "T4002")
    expect("tilledge ls --data edge", 6, "T4002")
    world.end(serve, edge)
    expect("tilledge serve --origin ftp://x --data edge", 2, "T4008.*ftp")
    expect("tilledge serve --origin {hub} --data edge --max-bytes 0", 2, "T4008.*max-bytes")
    expect("tilledge serve --origin {hub} --data junk", 1, "T4003")
    expect("tilledge scrub --data edge", 0)
    expect("tilledge scrub --data none", 1, "T4003")
    expect("tilledge ls --data edge", 0)
    expect("tilledge ls --data none", 1, "T4003")


def play_tls(world):
    """A hub that speaks https, with a certificate that nobody signed."""
    expect = world.expect
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", "hub.key", "-out", "hub.pem", "-days", "2", "-subj", "/CN=hub",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, stderr=subprocess.DEVNULL, timeout=60)
    expect("tillhub serve --data hub3 --listen 127.0.0.1:0 --tls-cert hub.pem --tls-key none", 1, "T3006.*none")
    expect("tillhub serve --data hub3 --listen 127.0.0.1:0 --tls-cert hub.pem --tls-key junk", 1,
           "T3006.*hub.pem with the key junk")
    expect("tilledge serve --data edge2 --origin {hub} --tls-cert hub.pem --tls-key junk", 2,
           "T4012.*hub.pem with the key junk")
    url, hub = world.start("tillhub serve --data hub3 --listen 127.0.0.1:0 --tls-cert hub.pem --tls-key hub.key")
    world.words["tls"], world.words["not_tls"] = url, url.replace("https:", "http:")
    expect("TILL_URL={tls} tillctl release ls", 1, "T5013")
    expect("TILL_URL={not_tls} tillctl release ls", 1, "T5019")
    expect("TILL_URL={not_tls} tillctl doctor", 1, "FAIL T5019")
    expect("TILL_CA=hub.pem TILL_URL={tls} tillctl release ls", 1, "T5018")
    publish = "tillpack publish out/1.0.0 --token-file hub3/admin.token --server"
    expect(f"{publish} {{not_tls}}", 1, "T1060")
    expect(f"{publish} {{tls}}", 1, "T1032")
    expect(f"TILL_CA=hub.pem {publish} {{tls}}", 0)
    errors = f"server-{len(world.servers)}.err"
    _, edge = world.start("tilledge serve --data edge2 --listen 127.0.0.1:0 --origin {tls}")
    for _ in range(600):
        said = open(errors, encoding="utf-8").read()
        if "code=T" in said:
            break
        time.sleep(0.1)  # tidy: allow(sleep) the edge tries its origin again by its own clock
    if "T4017" not in said:
        problems.append(f"an edge that does not trust its hub says: {said}")
    world.end("tilledge serve", edge)
    world.end("tillhub serve", hub)


def play_credentials(world):
    expect = world.expect
    write("anna.password", b"a long enough one\n")
    write("short.password", b"1\n")
    expect("tillhub operator add anna --data hub --password-file anna.password", 0)
    expect("tillhub operator add anna --data hub --password-file anna.password", 6, "anna")
    expect("tillhub operator add bert --data hub --password-file short.password", 2, "short.password")
    expect("tillhub token add ci --data hub", 0)
    expect("tillhub token add ci --data hub", 6, "ci")
    expect("tillhub token add a/b --data hub", 2, "a/b")
    for kind, name in (("operator", "anna"), ("token", "ci")):
        expect(f"tillhub {kind} ls --data hub", 0, name)
        expect(f"tillhub {kind} ls --data nowhere", 1, "nowhere")
        expect(f"tillhub {kind} rm {name} --data hub", 0)
        expect(f"tillhub {kind} rm {name} --data hub", 1, name)


def play_hub(world, hub):
    expect = world.expect
    port = world.words["hub"].rsplit(":", 1)[1]
    expect("tillhub serve --data hub --listen 127.0.0.1:0", 6, "T3005")
    expect(f"tillhub serve --data hub2 --listen 127.0.0.1:{port}", 6, "T3002")
    expect("tillhub serve --data junk --listen 127.0.0.1:0", 1, "T3003")
    expect("tillhub serve --data hub2 --listen nowhere", 2, "T3007")
    expect("tillhub serve --data hub2 --base-url example", 2, "T3007.*example")
    expect("tillhub serve --data hub2 --trusted-proxy example", 2, "T3007.*example")
    expect("tillhub serve --data hub2 --tls-cert x", 2, "T3006.*--tls-key is missing")
    play_credentials(world)
    # hub2 failed at its first start, after it had made its token: the good start names it.
    _, second = world.start("tillhub serve --data hub2 --listen 127.0.0.1:0")
    world.end("tillhub serve", second)
    said = open(f"server-{len(world.servers) - 1}.err", encoding="utf-8").read()
    if "hub2/admin.token" not in said:
        problems.append(f"a hub's good start after a bad one does not name its token: {said}")
    world.end("tillhub serve", hub)


def look_at_rows(world):
    known = [leaf for program in world.programs.values() for leaf in leaves(program)]
    for command in sorted(set(known) ^ set(ROWS)):
        problems.append(f"{command}: stands in one of help and docs/exit-codes.md only")
    for command, statuses in sorted(ROWS.items()):
        ran = world.ran.get(command, set())
        if not 0 in ran and command not in GOOD_END_ELSEWHERE:
            problems.append(f"{command}: no good end was run")
        if not ran - {0, 2} and command not in GOOD_END_ELSEWHERE:
            problems.append(f"{command}: no bad end was run")
        if ran - statuses:
            problems.append(f"{command}: ends with {sorted(ran - statuses)}, which its row does not name")


def main():
    read_rows(sys.argv[1])
    programs = list(map(os.path.abspath, sys.argv[2:]))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        world = World(programs)
        try:
            make_files()
            play_releases(world)
            play_payloads(world)
            world.words["hub"], hub = world.start(
                "tillhub serve --data hub --listen 127.0.0.1:0 --min-polling-time 00:00:01")
            world.words["secret"] = open("hub/admin.token", encoding="utf-8").read().strip()
            play_publishing(world)
            play_contexts(world)
            play_devices(world)
            play_rollouts(world)
            play_edges(world)
            play_withdrawal(world)
            play_tls(world)
            play_hub(world, hub)
            world.expect("tillctl demo --firmware none", 1, "T5008")
            look_at_rows(world)
        finally:
            print("\n".join(problems))
            for server in world.servers:
                if server.poll() is None:
                    server.kill()
                    server.wait()
            os.chdir("/")
    print(f"{len(ROWS)} rows, {sum(map(len, world.ran.values()))} kinds of end")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
