"""One request and its answer at a time, over a connection that stays: HTTP/1.1 as far as servers of MLflow speak it.

Python's own client is not taken for what it brings into the memory of each process: a whole library of electronic mail.
"""

from __future__ import annotations

import contextlib
import errno
import re
import select
import socket
import ssl

from mlflow_mounts import patience

LONGEST_LINE = 64 << 10
MOST_HEADERS = 100
# Answers that only say that another one is coming.
MOST_INTERIM = 8
STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?\Z")
CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\Z")
NUMBER = re.compile(r"\d{1,18}\Z", re.ASCII)
# What would be a second line or a second word of a request.
UNSENDABLE = re.compile(r"[\x00-\x20\x7f]")


class NotHttpError(ValueError):
    """What came is no answer."""


def sendable(host: str) -> bytes:
    """Return a host's name as it is asked for; raises OSError for one that no host can have."""
    try:
        # As bytes already: Python would look at each name with tables of all languages, which are large.
        return host.encode("ascii" if host.isascii() else "idna")
    except UnicodeError:
        raise OSError(errno.EHOSTUNREACH, "no host has such a name") from None


class Connection:
    """A connection to a server, which is made when something is asked."""

    def __init__(self, host: str, port: int | None, context: ssl.SSLContext | None, whose: object = None) -> None:
        # Whom it trusts, and with whose log-in it asks: it is nobody else's.
        self.context, self.whose = context, whose
        usual = 443 if context else 80
        self._host = sendable(host)
        self._port = port or usual
        name = f"[{host}]" if ":" in host else self._host.decode()
        self._name = name if self._port == usual else f"{name}:{self._port}"
        self.sock: socket.socket | None = None

    def ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Response:
        """Send a request; return what is answered, whose body is still to be read."""
        if UNSENDABLE.search(path) or any("\r" in value or "\n" in value for value in headers.values()):
            raise NotHttpError("nothing that can be asked")
        data = b"" if body is None else body.encode()
        given = {"Host": self._name, "Accept-Encoding": "identity", **headers}
        if body is not None:
            given["Content-Length"] = f"{len(data)}"
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()), "", ""]
        sock = self.sock or self._connected()
        sock.sendall("\r\n".join(lines).encode("latin-1") + data)
        return Response(sock)

    def _connected(self) -> socket.socket:
        """Connect to one of a name's addresses. All of them together have the patience that one would have."""
        failed: OSError = OSError(errno.EHOSTUNREACH, "it has no address")
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _name, address in found:
            try:
                # Known from here on, so that it is ended when it takes too long; but not while both agree on keys, when
                # it is no socket: that has the seconds that are left, as a whole.
                self.sock = sock = socket.socket(family, kind, protocol)
                sock.settimeout(patience.left())
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.context:
                    sock.settimeout(patience.left())
                    self.sock = sock = self.context.wrap_socket(sock, server_hostname=self._host)
                return sock
            except OSError as error:
                self.close()
                if isinstance(error, ssl.SSLError):
                    raise
                failed = error
        raise failed

    @property
    def silent(self) -> bool:
        """Whether nothing comes that nobody has asked for: such as its end, or what would be taken for an answer."""
        if self.sock is None:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Have no connection any more."""
        sock, self.sock = self.sock, None
        if sock:
            sock.close()


class Response:
    """What is answered: its head is read, its body is not."""

    def __init__(self, sock: socket.socket) -> None:
        self._file = sock.makefile("rb")
        try:
            self._begin()
        except BaseException:
            self._file.close()
            raise

    def _begin(self) -> None:
        for _interim in range(MOST_INTERIM):
            minor, self.status = self._status()
            self._headers = self._read_headers()
            if self.status >= 200:
                break
        else:
            raise NotHttpError("it is still to come")
        coding, said = self.header("transfer-encoding").lower(), self.header("content-length")
        if coding not in ("", "chunked") or not (said == "" or NUMBER.match(said)):
            raise NotHttpError("nobody can say where it ends")
        self._chunked = coding == "chunked"
        # What is left of it, or None where that is not known.
        self.length = int(said) if said and not self._chunked else None
        if self.status in (204, 304):
            self._chunked, self.length = False, 0
        self._chunk = 0
        words = {word.strip() for word in self.header("connection").lower().split(",")}
        stays = "close" not in words if minor else "keep-alive" in words
        self.stays = stays and (self._chunked or self.length is not None)
        self.finished = self.length == 0
        if self.finished:
            self._file.close()

    def _line(self) -> bytes:
        line = self._file.readline(LONGEST_LINE + 1)
        if not line.endswith(b"\n"):
            if len(line) > LONGEST_LINE:
                raise NotHttpError("a line without end")
            raise ConnectionResetError(errno.ECONNRESET, "the answer was cut off")
        return line[:-1].removesuffix(b"\r")

    def _status(self) -> tuple[int, int]:
        found = STATUS.match(self._line())
        if not found:
            raise NotHttpError("it does not begin as an answer")
        return int(found[1]), int(found[2])

    def _read_headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _line in range(MOST_HEADERS):
            line = self._line().decode("latin-1")
            if not line:
                return headers
            name, colon, value = line.partition(":")
            name, value = name.lower(), value.strip()
            if not colon or not name or name != name.strip():
                raise NotHttpError("a line that is no header")
            # Two that differ are two answers, of which one is somebody else's.
            if headers.setdefault(name, value) != value and name in ("content-length", "transfer-encoding"):
                raise NotHttpError("it ends in two places")
        raise NotHttpError("headers without end")

    def header(self, name: str) -> str:
        """Return a header, or an empty text."""
        return self._headers.get(name.lower(), "")

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer at the end; raises OSError where that comes too early."""
        if self.finished:
            return b""
        data = self._of_chunks(size) if self._chunked else self._plain(size)
        if self.finished:
            self._file.close()
        return data

    def _plain(self, size: int) -> bytes:
        if self.length is None:
            data = self._file.read(size)
            self.finished = len(data) < size
            return data
        data = self._exactly(min(size, self.length))
        self.length -= len(data)
        self.finished = not self.length
        return data

    def _of_chunks(self, size: int) -> bytes:
        # In one piece: a part of two bytes would take thirty times as much by itself.
        data = bytearray()
        while size:
            if not self._chunk:
                found = CHUNK.match(self._line())
                if not found:
                    raise NotHttpError("a part of no length")
                self._chunk = int(found[1], 16)
                if not self._chunk:
                    self._read_headers()
                    self.finished = True
                    break
            part = self._exactly(min(size, self._chunk))
            data += part
            size -= len(part)
            self._chunk -= len(part)
            if not self._chunk and self._line():
                raise NotHttpError("a part that goes on")
        return bytes(data)

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise OSError(errno.EIO, "the answer was cut off")
        return data

    def close(self) -> None:
        """Read no more."""
        with contextlib.suppress(OSError):
            self._file.close()
