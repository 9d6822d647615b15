"""A server that answers what a test tells it to, and remembers what it was asked."""

import contextlib
import http.server
import json
import socketserver
import threading

import pytest


class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers every request from the server's script: a status, a body, headers."""

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        request = {"method": self.command, "path": self.path, "headers": dict(self.headers)}
        self.server.requests.append({**request, "body": self.rfile.read(length).decode()})
        status, body, headers = self.server.script
        if status is None:
            self.wfile.write(body.encode())
            return
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

    def log_message(self, *arguments):
        pass


class Tcp(http.server.ThreadingHTTPServer):
    """Listens on a free port."""

    daemon_threads = True
    script = (200, {}, {})

    def __init__(self, address=("127.0.0.1", 0)):
        super().__init__(address, Scripted)
        self.requests = []
        self.uri = f"http://127.0.0.1:{self.server_address[1]}"

    def answers(self, status, body="", **headers):
        self.script = (status, body, {name.replace("_", "-"): value for name, value in headers.items()})


class Unix(socketserver.UnixStreamServer):
    """Listens on a Unix socket."""

    script = (200, {}, {})

    def __init__(self, path):
        super().__init__(path, Scripted)
        self.requests = []

    def get_request(self):
        return super().get_request()[0], ("", 0)


@contextlib.contextmanager
def serving(server):
    # The default of half a second is what each test would wait for at its end.
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server():
    with serving(Tcp()) as started:
        yield started


@pytest.fixture
def other_server():
    with serving(Tcp()) as started:
        yield started


@pytest.fixture
def unix_server(tmp_path):
    with serving(Unix(str(tmp_path / "http.sock"))) as started:
        yield started
