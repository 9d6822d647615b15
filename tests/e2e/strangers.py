"""What people without a log-in, and with bad ones, may try on a proxy: requests as no client would send them."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import project
import testhosts
from e2e.holder import held
from e2e.proxied import DOMAIN, VISION, Doors
from e2e.stage import WHO_AM_I, Stage

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
# A path of each of nginx's locations, and of what is closed.
PLACES = (WHO_AM_I, "/static-files/index.html", "/health", "/metrics", "/ajax-api/3.0/jobs/x", f"{ARTIFACTS}/1/x")
# How nginx and MLflow could come to read one of them differently; {first} and {rest} are its parts.
ODD = (
    "/api/x/../..{path}",
    "/static-files/..{path}",
    "/static-files/%2e%2e{path}",
    "/static-files/.%2E{path}",
    "/static-files%2f..{path}",
    "/static-files/..%2f{rest}",
    "/static-files/%252e%252e{path}",
    "/static-files/..%252f{rest}",
    "/static-files/..;{path}",
    "/static-files;x=1{path}",
    "/static-files/..%5c{rest}",
    "/static-files\\..{path}",
    "/./{rest}",
    "/.{path}",
    "/{path}",
    "{path}/.",
    "{path}/..",
    "{path}//",
    "{path}%2f",
    "{path}%2F..",
    "{path};x",
    "{path}%00",
    "{path}%0a",
    "{path}%0d%0ax",
    "{path}%7f",
    "{path}\\x",
    "{path}%5Cx",
    "{path}\x01",
    "{path}\xff",
    "{path}%ff",
    "{path}%c0%af",
    "{path}%ed%a0%80",
    "{path}%zz",
    "{path}%",
    "{path}%u002f",
    "{path}#/static-files/x",
    "{path}?x#y",
    "http://" + VISION + "{path}",
    "https://other.example.org{path}",
    "//other.example.org{path}",
    "{path}?x y",
    "{path}" + "/x" * 5000,
)
# What may be sent as well, and is read as it stands.
PLAIN = (
    "{path}",
    "{path}?a=//../%2e%2e;b",
    "/%61{rest_of_path}",
    "{path}/x.y/.hidden/...",
    "{path}/a%20b%25%c3%a9",
    "{upper}",
)
MALFORMED = (
    "",
    "Basic",
    "Basic !!!!",
    "Basic " + base64.b64encode(b"nobody").decode(),
    "Basic " + base64.b64encode(b":a password").decode(),
    "Basic " + base64.b64encode(b"ali\nce:a password").decode(),
    "Basic " + base64.b64encode(b"alice:" + b"x" * 3000).decode(),
    "Bearer " + base64.b64encode(b"alice:a password").decode(),
    "Digest username=alice",
    "Basic YWxpY2U6eA== YWxpY2U6eA==",
)


def spelled(path: str, forms: Iterable[str]) -> Iterator[str]:
    """Return a path in all of these forms."""
    for form in forms:
        upper = path.upper()
        yield form.format(path=path, rest=path[1:], rest_of_path=path[2:], upper=upper)


@dataclass(frozen=True)
class Stranger:
    """Somebody who comes to a proxy with sockets of their own."""

    address: str
    trust: ssl.SSLContext

    def connect(self, name: str = VISION, speaks: str = "http/1.1") -> ssl.SSLSocket:
        """Return a connection."""
        plain = socket.create_connection((self.address, 443), 300)
        self.trust.set_alpn_protocols([speaks])
        return self.trust.wrap_socket(plain, server_hostname=name)

    def hold(
        self, number: int, begins: bytes, more: bytes, name: str = VISION, speaks: str = "http/1.1"
    ) -> contextlib.AbstractContextManager[list[ssl.SSLSocket]]:
        """Hold requests that are begun and do not end."""
        return held(lambda: self.connect(name, speaks), number, begins, more)

    def head(self, path: str, name: str, method: str, logins: Iterable[str], more: str = "") -> bytes:
        """Return what a request begins with, spelled as it is given."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {name}", *(f"Authorization: {login}" for login in logins)]
        return ("\r\n".join(lines) + f"\r\n{more}\r\n").encode("latin-1")

    def ask(self, path: str, *logins: str, name: str = VISION, method: str = "GET") -> tuple[int, str]:
        """Return the status of the answer and all of it; 0 when the connection was closed without one."""
        with self.connect(name) as connection:
            connection.sendall(self.head(path, name, method, logins, "Connection: close\r\n"))
            return answered(connection)

    def upload(
        self, path: str, size: int, *logins: str, name: str = VISION, method: str = "PUT", chunked: bool = False
    ) -> tuple[int, int]:
        """Send a body as long as it is taken; return the status, and how much was taken at most."""
        length = "Transfer-Encoding: chunked\r\n" if chunked else f"Content-Length: {size}\r\n"
        piece = bytes(1 << 16)
        if chunked:
            piece = b"10000\r\n" + piece + b"\r\n"
        sent = 0
        with self.connect(name) as connection:
            connection.sendall(self.head(path, name, method, logins, length))
            answer = b""
            # Whoever is refused may be cut off.
            with contextlib.suppress(OSError):
                while sent < size and not (answer := arrived(connection)):
                    connection.sendall(piece)
                    sent += 1 << 16
                if chunked and sent >= size:
                    connection.sendall(b"0\r\n\r\n")
            return answered(connection, answer)[0], sent


@contextlib.contextmanager
def holding(
    stage: Stage,
    name: str,
    number: int,
    begins: bytes,
    more: bytes = b"x",
    speaks: str = "http/1.1",
    source: str = "127.0.0.1",
) -> Iterator[None]:
    """Hold requests that a host begins on its own proxy, from an address of its own."""
    script = (Path(__file__).parent / "holder.py").read_text()
    given = [name, str(number), begins.hex(), more.hex(), speaks, source]
    command = [*testhosts.inside(stage.host.container), "python3", "-c", script, *given]
    with subprocess.Popen(
        command, env=project.environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "held\n"
        yield
        process.stdin.close()


def frame(kind: int, flags: int, stream: int, text: bytes) -> bytes:
    """Return a frame of HTTP/2."""
    return struct.pack(">I", len(text))[1:] + struct.pack(">BBI", kind, flags, stream) + text


def never_taken(path: str, name: str, number: int, **more: str) -> tuple[bytes, bytes]:
    """Return what begins a connection over HTTP/2 with requests of which no more than the heads of answers is taken.

    The second is what takes a byte of each answer, so that nginx does not give up.
    """

    def field(name: str, value: str) -> bytes:
        return b"\0" + b"".join(bytes([len(each)]) + each.encode() for each in (name, value))

    asks = {":method": "GET", ":scheme": "https", ":authority": name, ":path": path, **more}
    block = b"".join(field(*pair) for pair in asks.items())
    # No byte of a body is to come, and a head ends the request.
    settings = frame(4, 0, 0, struct.pack(">HI", 4, 0))
    requests = b"".join(frame(1, 5, 2 * each + 1, block) for each in range(number))
    taken = b"".join(frame(8, 0, 2 * each + 1, struct.pack(">I", 1)) for each in range(number))
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + requests, taken


def login(user: str) -> str:
    """Return the header for NAME:PASSWORD."""
    return "Basic " + base64.b64encode(user.encode()).decode()


def arrived(connection: ssl.SSLSocket) -> bytes:
    """Return what has come of an answer, without waiting for it."""
    timeout = connection.gettimeout()
    connection.settimeout(0)
    try:
        return connection.recv(1 << 16)
    except ssl.SSLWantReadError:
        return b""
    finally:
        connection.settimeout(timeout)


def answered(connection: ssl.SSLSocket, text: bytes = b"") -> tuple[int, str]:
    """Return the status of an answer, and all of it up to its end; one that has no length ends with the connection."""
    with contextlib.suppress(OSError):
        while not complete(text) and (piece := connection.recv(1 << 16)):
            text += piece
    found = re.match(rb"HTTP/1\.[01] (\d+)", text)
    return int(found.group(1)) if found else 0, text.decode("latin-1")


def complete(text: bytes) -> bool:
    """Say whether a whole answer is there."""
    head, end, body = text.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\ncontent-length: (\d+)", head)
    return bool(end and length and len(body) >= int(length.group(1)))


def stranger(doors: Doors) -> Stranger:
    """Return somebody who comes from this machine."""
    return Stranger(doors.proxy.host.address, doors.trust())


def both_ways(path: str) -> list[tuple[str, str]]:
    """Return where a path of the team is found: by its name, and below the start page's."""
    scheme, there, rest = path.partition("example.org/")
    return [(VISION, path), (DOMAIN, f"{scheme}{there}/vision/{rest}" if "://" in scheme else f"/vision{path}")]
