#!/usr/bin/env python3
"""tillhub and tilledge started for the first time on a full disk, and on disks that fill up a page later each time:
they serve, or end with a fault that says so; once there is room the same folder serves. covers W13"""
import json, os, subprocess, sys, tempfile, urllib.request

INSIDE = "--inside"
PAGE = 4096


def mount(folder, size, *more):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *more]), "none", folder],
                          check=False, stderr=subprocess.DEVNULL).returncode == 0


def commands(program, data):
    if os.path.basename(program) == "tillhub":
        return [program, "serve", "--data", data, "--listen", "127.0.0.1:0", "--loops", "1"], "T3019"
    return [program, "serve", "--data", data, "--origin", "http://127.0.0.1:9"], "T4015"


def start(program, data):
    """(None, "") when it served and ended when told; else how it ended and what it said."""
    command, _ = commands(program, data)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        served = line and json.loads(line)["event"] == "ready"
        said = ""
        if served and os.path.basename(program) == "tillhub":
            said = token_refused(json.loads(line)["url"], data)
        if served:
            process.terminate()
        errors = process.communicate(timeout=60)[1]
    return (None, said) if served else (process.returncode, errors)


def token_refused(url, data):
    """A start that failed half way must not leave a token that opens nothing."""
    with open(os.path.join(data, "admin.token"), encoding="utf-8") as file:
        token = file.read().strip()
    request = urllib.request.Request(url + "/rest/v1/userinfo", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return "" if answer.status == 200 else f"userinfo: {answer.status}"
    except OSError as error:
        return f"userinfo: {error}"


def look_at(program, disk, problems):
    name, data = os.path.basename(program), os.path.join(disk, "data")
    _, code = commands(program, data)
    refused = 0
    for pages in range(40):
        if not mount(disk, (pages + 1) * PAGE):
            sys.exit(77)
        try:
            with open(os.path.join(disk, "somebody's"), "wb") as file:
                file.write(b"x" * PAGE)
            status, said = start(program, data)
            refused += status is not None
            if status is not None and (status != 1 or code not in said):
                problems.append(f"{name} with {pages} pages left ends with {status}: {said}")
            mount(disk, 1024 * PAGE, "remount")
            status, said = start(program, data)
            if status is not None or said:
                problems.append(f"{name} after {pages} pages, with room again, ends with {status}: {said}")
        finally:
            subprocess.run(["umount", "--lazy", disk], check=False)
    print(f"{name}: refused {refused} of 40 small disks")
    if not 2 < refused < 40:
        problems.append(f"{name}: {refused} of 40 starts were refused")


def main():
    programs = [word for word in sys.argv[1:] if word != INSIDE]
    if INSIDE not in sys.argv:
        unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
        if subprocess.run(unshare + ["true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
            print("no mounts for this user")
            return 77
        return subprocess.run(unshare + [sys.executable, __file__, INSIDE, *programs], check=False).returncode
    problems = []
    with tempfile.TemporaryDirectory() as disk:
        for program in programs:
            look_at(program, disk, problems)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
