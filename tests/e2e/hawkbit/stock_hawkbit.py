"""A stock hawkBit's Direct Device Integration API, as far as one target sees it: exactly the contract, nothing of ours.

No signed metadata, no delta, no choice per device: modules, artifacts, actions, feedback. Unknown members of bodies are
ignored; every answer but an artifact carries a shallow ETag; only 200, 206, 304 and the 4xx of the contract occur.
"""

import email.utils
import hashlib
import http.server
import json
import re
import threading

EXECUTIONS = {"closed", "proceeding", "canceled", "scheduled", "rejected", "resumed", "download", "downloaded"}


class Action:
    def __init__(self, number, version, modules):
        self.number, self.version, self.modules = number, version, modules
        self.status, self.active, self.canceling = "running", True, False
        self.update = "forced"
        self.history = []   # (status, code, details), oldest first


class StockHawkbit:
    def __init__(self, controller, token):
        self.controller, self.token = controller, token
        self.actions, self.attributes, self.artifacts = {}, {}, {}
        self.installed = None
        self.wants_attributes = True
        self.lock = threading.Lock()
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer.handle(self, "GET")

            def do_HEAD(self):
                outer.handle(self, "HEAD")

            def do_PUT(self):
                outer.handle(self, "PUT")

            def do_POST(self):
                outer.handle(self, "POST")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    # --- the operator's side ---

    def assign(self, number, version, files, update="forced"):
        """files: name -> bytes, the artifacts of one software module."""
        module = number * 10
        for name, content in files.items():
            self.artifacts[(module, name)] = content
        action = Action(number, version, [(module, "pos-os", version, files)])
        action.update = update
        with self.lock:
            self.actions[number] = action
        return action

    def cancel(self, number):
        with self.lock:
            self.actions[number].canceling = True
            self.actions[number].status = "canceling"

    # --- the device's side ---

    def handle(self, request, method):
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        path, _, query = request.path.partition("?")
        with self.lock:
            self.requests.append((method, path))
        if request.headers.get("Authorization") != "TargetToken " + self.token:
            return self.answer(request, 401, b"")
        prefix = f"/DEFAULT/controller/v1/{self.controller}"
        if not (path == prefix or path.startswith(prefix + "/")):
            return self.answer(request, 404, b"")
        parts = path[len(prefix):].strip("/").split("/") if path != prefix else []
        with self.lock:
            self.route(request, method, parts, body)

    def route(self, request, method, parts, body):
        reading = method in ("GET", "HEAD")
        if not parts and reading:
            return self.json(request, self.base())
        if parts == ["configData"] and method == "PUT":
            return self.config_data(request, body)
        if parts and parts[0] == "softwaremodules" and len(parts) == 4 and parts[2] == "artifacts" and reading:
            return self.artifact(request, int(parts[1]), parts[3])
        if len(parts) >= 2 and parts[0] in ("deploymentBase", "cancelAction") and parts[1].isdigit():
            action = self.actions.get(int(parts[1]))
            cancel = parts[0] == "cancelAction"
            if action is None:
                return self.answer(request, 404, b"")
            if len(parts) == 3 and parts[2] == "feedback" and method == "POST":
                return self.feedback(request, action, cancel, body)
            if len(parts) == 2 and reading and action.active and action.canceling == cancel:
                action.history.append(("retrieved", None, []))
                text = {"id": parts[1], "cancelAction": {"stopId": parts[1]}} if cancel else self.deployment(action)
                return self.json(request, text)
        return self.answer(request, 404, b"")

    def base(self):
        links = {}
        link = f"{self.url}/DEFAULT/controller/v1/{self.controller}"
        active = [a for a in self.actions.values() if a.active]
        if active:
            action = min(active, key=lambda a: a.number)
            if action.canceling:
                links["cancelAction"] = {"href": f"{link}/cancelAction/{action.number}"}
            else:
                links["deploymentBase"] = {"href": f"{link}/deploymentBase/{action.number}?c=-{action.number}403998"}
        if self.installed is not None:
            links["installedBase"] = {"href": f"{link}/installedBase/{self.installed.number}"}
        if self.wants_attributes:
            links["configData"] = {"href": f"{link}/configData"}
        answer = {"config": {"polling": {"sleep": "00:00:30"}}}
        if links:
            answer["_links"] = links
        return answer

    def deployment(self, action):
        chunks = []
        for module, name, version, files in action.modules:
            artifacts = []
            for filename, content in files.items():
                href = (f"{self.url}/DEFAULT/controller/v1/{self.controller}/softwaremodules/{module}"
                        f"/artifacts/{filename}")
                artifacts.append({
                    "filename": filename,
                    "hashes": {"sha1": hashlib.sha1(content).hexdigest(), "md5": hashlib.md5(content).hexdigest(),
                               "sha256": hashlib.sha256(content).hexdigest()},
                    "size": len(content),
                    "_links": {"download-http": {"href": href}, "md5sum-http": {"href": href + ".MD5SUM"}}})
            chunks.append({"part": "os", "version": version, "name": name, "artifacts": artifacts})
        deployment = {"download": "forced", "update": action.update, "chunks": chunks}
        if action.update == "skip":
            deployment["maintenanceWindow"] = "unavailable"
        return {"id": str(action.number), "deployment": deployment}

    def feedback(self, request, action, cancel, body):
        try:
            status = json.loads(body)["status"]
            execution, finished = status["execution"], status["result"]["finished"]
        except (ValueError, KeyError, TypeError):
            return self.answer(request, 400, b"")
        if execution not in EXECUTIONS or finished not in ("success", "failure", "none"):
            return self.answer(request, 400, b"")
        if not action.active:
            return self.answer(request, 410, b"")
        details = status.get("details") or []
        if len(details) > 50 or any(len(d) > 512 for d in details):
            return self.answer(request, 429, b"")
        good = finished in ("success", "none")
        if cancel:
            stored = "canceled" if execution == "closed" and good else "running"
            action.active = stored != "canceled"
            action.canceling = False
            action.status = stored
        elif execution == "closed":
            stored = action.status = "finished" if good else "error"
            action.active = False
            self.installed = action if good else self.installed
            self.wants_attributes = True
        else:
            stored = {"download": "download", "rejected": "warning", "canceled": "canceled"}.get(execution, "running")
        action.history.append((stored, status.get("code"), details))
        return self.answer(request, 200, b"")

    def config_data(self, request, body):
        try:
            data = json.loads(body)["data"]
        except (ValueError, KeyError):
            return self.answer(request, 400, b"")
        if not data or any(len(k) > 128 or len(v) > 128 for k, v in data.items()):
            return self.answer(request, 400, b"")
        self.attributes.update(data)
        self.wants_attributes = False
        return self.answer(request, 200, b"")

    def artifact(self, request, module, name):
        content = self.artifacts.get((module, name))
        if content is None or not any(a.active and not a.canceling and a.modules[0][0] == module
                                      for a in self.actions.values()):
            return self.answer(request, 404, b"")
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "Accept-Ranges": "bytes",
                   "Last-Modified": email.utils.formatdate(1767225600, usegmt=True),
                   "Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff",
                   "Content-Disposition": f"attachment;filename={name}"}
        wanted = request.headers.get("Range")
        if wanted is None:
            return self.answer(request, 200, content, headers)
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        first = int(match.group(1)) if match else len(content)
        if first >= len(content):
            return self.answer(request, 416, b"", {"Content-Range": f"bytes */{len(content)}"})
        last = min(int(match.group(2) or len(content) - 1), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return self.answer(request, 206, content[first:last + 1], headers)

    def json(self, request, value):
        text = json.dumps(value, separators=(",", ":")).encode()
        etag = f'"{hashlib.md5(text).hexdigest()}"'
        if request.headers.get("If-None-Match") == etag:
            return self.answer(request, 304, b"", {"ETag": etag})
        return self.answer(request, 200, text, {"Content-Type": "application/hal+json", "ETag": etag})

    @staticmethod
    def answer(request, status, body, headers=None):
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        if status != 304:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD" and status != 304:
            request.wfile.write(body)
