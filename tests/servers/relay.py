"""Stands before a server, and sees how many bytes go through and what is asked for."""

from __future__ import annotations

import contextlib
import re
import socket
import socketserver
import threading
from collections.abc import Iterator

REQUEST = re.compile(rb"^([A-Z]+ \S+) HTTP/1\.[01]\r$", re.MULTILINE)
PIECE = 1 << 18
# For how long anything is held, at most.
PATIENCE = 600


class Handler(socketserver.BaseRequestHandler):
    """One connection, and the one that it goes on by."""

    server: Relay

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.target)) as onwards:
            back = threading.Thread(target=self.hand_on, args=(onwards, self.request), daemon=True)
            back.start()
            self.hand_on(self.request, onwards)
            back.join()

    def hand_on(self, source: socket.socket, target: socket.socket) -> None:
        """Hand on what comes, until it ends."""
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                self.server.note(data)
                if self.server.slow and self.server.slow in data:
                    self.server.go.wait(PATIENCE)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


class Relay(socketserver.ThreadingTCPServer):
    """Listens on a free port, and hands everything on to a port of this machine."""

    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = target
        self.uri = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        self.bytes = 0
        self.requests: list[str] = []
        # What has this in it is handed on when there is a go.
        self.slow, self.go = b"", threading.Event()

    def note(self, data: bytes) -> None:
        """Count it, and write down each request that begins in it: a client sends the whole head at once."""
        with self.lock:
            self.bytes += len(data)
            self.requests += [found.decode() for found in REQUEST.findall(data)]

    @contextlib.contextmanager
    def held(self, what: bytes) -> Iterator[None]:
        """Hand on nothing that has this in it, until the end."""
        self.slow = what
        try:
            yield
        finally:
            self.slow = b""
            self.go.set()

    def forget(self) -> None:
        with self.lock:
            self.bytes = 0
            self.requests.clear()
