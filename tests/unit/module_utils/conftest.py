"""A server that answers what a test tells it to, and remembers what it was asked."""

import http.server
import json
import socket
import socketserver

import pytest
from loopback import listening, self_signed, speak_tls


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


class Tcp6(Tcp):
    """Likewise, over IPv6."""

    address_family = socket.AF_INET6

    def __init__(self):
        super().__init__(("::1", 0))
        self.uri = f"http://[::1]:{self.server_address[1]}"


class Unix(socketserver.UnixStreamServer):
    """Listens on a Unix socket."""

    script = (200, {}, {})

    def __init__(self, path):
        super().__init__(path, Scripted)
        self.requests = []

    def get_request(self):
        return super().get_request()[0], ("", 0)


@pytest.fixture
def server():
    with listening(Tcp()) as started:
        yield started


@pytest.fixture
def other_server():
    with listening(Tcp()) as started:
        yield started


@pytest.fixture
def ipv6_server():
    with listening(Tcp6()) as started:
        yield started


@pytest.fixture
def unix_server(tmp_path):
    with listening(Unix(str(tmp_path / "http.sock"))) as started:
        yield started


@pytest.fixture
def tls_server(server, tmp_path):
    """The scripted server behind TLS, with a certificate nobody trusts yet, at its `certificate`."""
    server.certificate, both = self_signed(tmp_path)
    speak_tls(server, both)
    server.uri = server.uri.replace("http:", "https:")
    return server
