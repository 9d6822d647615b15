"""A server that gives what a test has put into it, as MLflow's API would, or as no server should."""

import contextlib
import http.server
import json
import re
import threading
import time
from urllib.parse import parse_qs, unquote, urlsplit

AUTHORIZATION = "Basic YWxpY2U6c2VjcmV0"
STORE = "/api/2.0/mlflow-artifacts/artifacts/"


class Lab(http.server.ThreadingHTTPServer):
    """The server, and what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        # Answers to questions of the API by path; a status, or something to be said as JSON, or what makes either.
        self.answers = {}
        # Bytes of artifacts by path.
        self.files = {}
        self.asked = []
        # none: whole files only. cut: less than was said; cut-once: that once. drip: a byte now and then.
        # chunked: no length.
        self.manner = ""
        self.statuses = []
        self.hold = threading.Event()
        self.hold.set()

    @property
    def uri(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else a body waits for the news that its head has come.
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self._answer({})

    def do_POST(self):
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body):
        lab = self.server
        path, _mark, query = self.path.partition("?")
        asked = {**{key: values[0] for key, values in parse_qs(query).items()}, **body}
        lab.asked.append((path, asked, self.headers.get("Range")))
        lab.hold.wait(300)
        if self.headers["Authorization"] != AUTHORIZATION:
            return self._say(401, b"{}")
        if lab.statuses:
            return self._say(lab.statuses.pop(0), b"{}", {"Retry-After": "0"})
        if path.startswith(STORE):
            return self._file(lab, unquote(urlsplit(path).path[len(STORE) :]))
        found = lab.answers.get(path, 404)
        found = found(asked) if callable(found) else found
        if isinstance(found, int):
            return self._say(found, b"{}", {"Location": "/elsewhere", "Retry-After": "0"})
        return self._say(200, found if isinstance(found, bytes) else json.dumps(found).encode())

    def _file(self, lab, name):
        if name not in lab.files:
            return self._say(404, b"{}")
        data = lab.files[name]
        tags = {"ETag": f'"{len(data)}-{hash(data)}"'}
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not found or lab.manner in ("none", "chunked", "cut-whole"):
            return self._say(200, data, tags)
        first = int(found[1])
        if first >= len(data):
            return self._say(416, b"")
        part = data[first : int(found[2]) + 1 if found[2] else None]
        tags["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{len(data)}"
        if lab.manner == "other":
            tags["Content-Range"] = f"bytes 1-{len(part)}/{len(data)}"
        return self._say(206, part, tags)

    def _say(self, status, data, headers=()):
        manner = self.server.manner if status in (200, 206) else ""
        if manner == "cut-once":
            self.server.manner = ""
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        with contextlib.suppress(OSError):
            if manner == "chunked":
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\n\r\n")
                return
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if manner.startswith("cut"):
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            elif manner == "drip":
                for byte in data:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.2)
            else:
                self.wfile.write(data)


@contextlib.contextmanager
def running():
    lab = Lab()
    thread = threading.Thread(target=lab.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield lab
    finally:
        lab.hold.set()
        lab.shutdown()
        lab.server_close()
