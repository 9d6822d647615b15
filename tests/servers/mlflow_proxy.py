"""A proxy before a server: it remembers what was asked, and goes wrong when a test wants it to."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import socket
import threading
import typing as t
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import loopback

# What may become of a request.
PASS = "pass"
CUT = "cut"  # the server never sees it
CUT_AFTER = "cut after"  # the server did it, but its answer is lost
CUT_MIDDLE = "cut in the middle"  # half of the answer comes
REFUSED = "refused"  # the server never sees it, and is said to fail at it

Decide = Callable[[str, str, int], str]


def pass_all(method: str, path: str, writes: int) -> str:
    """Let every request through."""
    return PASS


def refusing(*paths: str) -> Decide:
    """A server that fails at these."""
    return lambda method, asked, writes: REFUSED if asked.endswith(paths) else PASS


class Handler(http.server.BaseHTTPRequestHandler):
    """Hands every request on."""

    server: Proxy

    def hand_on(self) -> None:
        """Ask the server, unless it is not to be asked, and give back its answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fate = self.server.noted(self.command, self.path)
        self.server.logins.add(self.headers.get("Authorization", ""))
        if fate == CUT:
            return self.hang_up()
        if fate == REFUSED:
            return self.send_error(500)
        upstream = http.client.HTTPConnection(self.server.target, timeout=300)
        headers = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
        with contextlib.closing(upstream):
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            data = answer.read()
        if fate == CUT_AFTER:
            return self.hang_up()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if fate == CUT_MIDDLE else data)
        return None

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PATCH = do_DELETE = hand_on  # noqa: N815 - http.server's names

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


class Proxy(http.server.ThreadingHTTPServer):
    """Listens on a free port; `decide` says what becomes of a request, told how many writes came before."""

    daemon_threads = True

    def __init__(self, target: str, certificate: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = urlsplit(target).netloc
        self.lock = threading.Lock()
        self.decide: Decide = pass_all
        self.requests: list[tuple[str, str]] = []
        # What was ever sent to log in, with nothing among it where somebody did not.
        self.logins: set[str] = set()
        scheme = "http"
        if certificate:
            loopback.speak_tls(self, certificate)
            scheme = "https"
        self.uri = f"{scheme}://127.0.0.1:{self.server_address[1]}"

    def noted(self, method: str, path: str) -> str:
        """Write a request down, and say what becomes of it."""
        with self.lock:
            before = len(self.writes)
            self.requests.append((method, path))
        return self.decide(method, path, before)

    @property
    def writes(self) -> list[tuple[str, str]]:
        """The requests that change something: the modules read with GET only."""
        return [request for request in self.requests if request[0] != "GET"]

    def forget(self) -> None:
        with self.lock:
            self.requests.clear()

    @contextlib.contextmanager
    def deciding(self, decide: Decide) -> Iterator[None]:
        """Let a test decide for a while."""
        self.decide = decide
        try:
            yield
        finally:
            self.decide = pass_all

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A client that turns away is what some tests are about."""
