#!/usr/bin/env python3
"""Server CPU per request of tilledge against nginx, hot objects, same run, turns taken: bars of issue 13.

The servers get one core and one loop each, the client (bench/edge_ranges_client.c, bodies discarded with MSG_TRUNC)
another. What is reported is the CPU time of the server's threads over the requests: a load generator's rate measures
itself.
Needs nginx and a C compiler; `./dev build` first. The edge is measured as it ships, its access log on with --log.
"""
import argparse
import contextlib
import hashlib
import http.server
import json
import pathlib
import random
import signal
import socket
import statistics
import subprocess
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
OBJECT_BYTES = 16 << 20
WORKS = {"4 KiB ranges": (4096, 4_000), "64 KiB ranges": (65_536, 2_000), "1 MiB ranges": (1 << 20, 200),
         "whole 16 MiB": (OBJECT_BYTES, 16)}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    """Of all its threads, in nanoseconds' grain: utime and stime of a stat file come in ticks of 10 ms."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


class Origin(http.server.BaseHTTPRequestHandler):
    """Has one plain object; no metadata."""
    payload = b""

    def do_HEAD(self):
        found = self.path.startswith("/a/" + hashlib.sha256(self.payload).hexdigest())
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(self.payload) if found else 0))
        self.end_headers()
        return found

    def do_GET(self):
        if self.do_HEAD():
            with contextlib.suppress(ConnectionError):  # it has no ranges: whoever wanted one cuts it
                self.wfile.write(self.payload)

    def log_message(self, *_):
        pass


def start_nginx(folder, port, name, payload):
    (folder / "www/a").mkdir(parents=True)
    (folder / "www/a" / name).write_bytes(payload)
    (folder / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{ worker_connections 4096; }}
http {{ access_log off; sendfile on; tcp_nopush off; open_file_cache max=100; keepalive_requests 10000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u;
  scgi_temp_path {folder}/s; server {{ listen 127.0.0.1:{port}; root {folder}/www; }} }}
""")
    return subprocess.Popen(["taskset", "-c", "0", "nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)])


def start_edge(program, folder, port, origin, log):
    arguments = ["taskset", "-c", "0", program, "serve", "--origin", origin, "--data", str(folder / "edge"),
                 "--listen", f"127.0.0.1:{port}"]
    if log:
        arguments += ["--access-log", str(folder / "access.log")]
    edge = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    edge.stdout.readline()
    return edge


def load(client, port, name, size, count):
    subprocess.run(["taskset", "-c", "1", client, str(port), "/a/" + name, str(OBJECT_BYTES), str(size), str(count)],
                   check=True)


def measure(client, servers, name, size, count, repeats):
    """us of server CPU a request, by server, one figure a repeat."""
    figures = {server: [] for server in servers}
    for _ in range(repeats):
        for server, (process, port) in servers.items():
            before = cpu_seconds(process.pid)
            load(client, port, name, size, count)
            figures[server].append((cpu_seconds(process.pid) - before) / count * 1e6)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", nargs="+", default=["build/dev/bin/tilledge"], help="tilledge, or several to compare")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--log", action="store_true", help="the edge writes its access log")
    options = parser.parse_args()
    payload = random.Random(1).randbytes(OBJECT_BYTES)
    name = hashlib.sha256(payload).hexdigest()
    Origin.payload = payload
    origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        client = str(folder / "client")
        subprocess.run(["cc", "-O2", "-o", client, str(HERE / "edge_ranges_client.c")], check=True)
        servers = {}
        try:
            port = free_port()
            servers["nginx"] = (start_nginx(folder, port, name, payload), port)
            for i, program in enumerate(options.bin):
                port = free_port()
                place = folder / str(i)
                place.mkdir()
                url = f"http://127.0.0.1:{origin.server_port}"
                servers[program] = (start_edge(program, place, port, url, options.log), port)
            for process, port in servers.values():
                load(client, port, name, OBJECT_BYTES, 3)  # hot; a plain object is vouched for from then on
            for work, (size, count) in WORKS.items():
                figures = measure(client, servers, name, size, count, options.repeats)
                row = {"work": work}
                for server, values in figures.items():
                    ratios = [value / peer for value, peer in zip(values, figures["nginx"])]
                    row[server] = {"us": round(statistics.median(values), 2), "best_us": round(min(values), 2),
                                   "ratio": round(statistics.median(ratios), 2),
                                   "spread": [round(min(ratios), 2), round(max(ratios), 2)]}
                print(json.dumps(row), flush=True)
        finally:
            for process, _ in servers.values():
                process.send_signal(signal.SIGTERM)
                process.wait()
    origin.shutdown()


if __name__ == "__main__":
    main()
