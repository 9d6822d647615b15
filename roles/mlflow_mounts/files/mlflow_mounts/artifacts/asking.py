"""Asks a team's server, with the user's log-in, directly: a proxy of the host's would be given the password."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from mlflow_mounts import patience
from mlflow_mounts.artifacts import login
from mlflow_mounts.artifacts.exchange import Connection, Response
from mlflow_mounts.artifacts.login import Login

# Seconds after which an unused connection is closed: an open one keeps a server from sleeping.
QUIET = 5.0
# Seconds for which a log-in that was refused is not tried again, since trying is counted where it is throttled.
REFUSED = 5.0
# Bytes of one answer that is read at once.
LARGEST = 64 << 20
# Pages of one listing, and things in it.
MOST_PAGES = 2000
MEANINGS = {
    401: errno.EACCES,
    403: errno.EACCES,
    404: errno.ENOENT,
    416: errno.ERANGE,
    429: errno.EAGAIN,
    502: errno.EHOSTDOWN,
    503: errno.EHOSTDOWN,
    504: errno.ETIMEDOUT,
}
# Where it may be another moment's: a server that starts, or one who asks too often.
PASSING = (429, 502, 503)
TRIES = 5


def unlike_mlflow() -> OSError:
    """Return the error for an answer that MLflow does not give."""
    return OSError(errno.EPROTO, "no answer of MLflow's")


def list_of(found: object, key: str) -> list[dict[str, Any]]:
    """Return the things in an answer; where it has none, the key is missing."""
    things = found.get(key, []) if isinstance(found, dict) else None
    if not isinstance(things, list) or not all(isinstance(thing, dict) for thing in things):
        raise unlike_mlflow()
    return things


def text_of(thing: Mapping[str, Any], key: str) -> str:
    """Return a text of a thing, or an empty one."""
    found = thing.get(key)
    return found if isinstance(found, str) else ""


def number_of(thing: Mapping[str, Any], key: str) -> int:
    """Return a number of a thing that a file may have, or 0."""
    try:
        found = int(thing.get(key) or 0)
    except (TypeError, ValueError, OverflowError):
        return 0
    return found if 0 <= found < 1 << 62 else 0


def all_pages(ask: Callable[[dict[str, str]], object], key: str) -> Iterator[dict[str, Any]]:
    """Return the things on all pages of an answer, each of which is asked for with the token of the one before."""
    token, former = "", {""}
    for _page in range(MOST_PAGES):
        found = ask({"page_token": token} if token else {})
        things = list_of(found, key)
        yield from things
        token = text_of(found, "next_page_token") if isinstance(found, dict) else ""
        # One that begins anew would never end.
        if token in former or not things:
            return
        former.add(token)


class Answer:
    """An answer whose body is still to be read."""

    def __init__(self, team: Team, connection: Connection, response: Response) -> None:
        self._team, self._connection, self._response = team, connection, response
        self.status = response.status

    def header(self, name: str) -> str:
        """Return a header, or an empty text."""
        return self._response.header(name)

    @property
    def length(self) -> int | None:
        """Return how much is still to come; None where the server did not say."""
        return self._response.length

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer at the end."""
        try:
            with self._team.watching(self._connection):
                return self._response.read(size)
        except OSError:
            self.close()
            raise

    def rest(self) -> bytes:
        """Return all that is left, and let the connection be used again."""
        data = self.read(LARGEST + 1)
        if len(data) > LARGEST:
            self.close()
            raise unlike_mlflow()
        self.done()
        return data

    def done(self) -> None:
        """Let the connection be used again, where all was read."""
        if self._response.finished and self._response.stays:
            self._team.keep(self._connection)
        else:
            self.close()

    def close(self) -> None:
        """Read no more."""
        self._response.close()
        self._connection.close()


class Team:
    """A team's server."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._version: object = None
        self._login: Login | None = None
        self._kept: list[tuple[float, Connection]] = []
        self._watched: dict[Connection, float] = {}
        self._refused: dict[bool, float] = {}
        self._trusting = threading.Lock()
        self._trusted: tuple[object, ssl.SSLContext] | None = None

    def login(self) -> Login:
        """Return what the user's file says now."""
        version = login.version(self.path)
        with self._lock:
            if version != self._version or self._login is None:
                self._login = login.read(self.path)
                self._version = version
                self._refused.clear()
                for _at, connection in self._kept:
                    connection.close()
                self._kept.clear()
            return self._login

    def ask(self, method: str, path: str, body: str | None = None, /, **headers: str) -> Answer:
        """Return an answer; raises OSError for one that is a refusal."""
        who = self.login()
        names_only = path.startswith("/api/2.0/mlflow/")
        if self._refused.get(names_only, 0) > time.monotonic():
            raise OSError(errno.EACCES, "the log-in was refused")
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given["Authorization"] = who.authorization
        for trial in range(TRIES):
            answer = self._answer(who, method, who.prefix + path, body, given)
            # Redirects are not followed: the log-in is for this server.
            if answer.status < 300:
                return answer
            wait = answer.header("Retry-After")
            with contextlib.suppress(OSError):
                answer.rest()
            if answer.status == 401:
                self._refused[names_only] = time.monotonic() + REFUSED
            if answer.status not in PASSING or trial == TRIES - 1:
                break
            seconds = int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 4 else 1
            if seconds > patience.left():
                break
            time.sleep(seconds)
        raise OSError(MEANINGS.get(answer.status, errno.EIO), f"{answer.status}")

    def _answer(self, who: Login, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        trust = self._trust(who.authority) if who.secure else None
        for fresh in (False, True):
            kept = None if fresh else self._used_before(who, trust)
            connection = kept or Connection(who.host, who.port, trust, who)
            try:
                with self.watching(connection):
                    return Answer(self, connection, connection.ask(method, path, body, headers))
            except OSError as error:
                connection.close()
                # The server may have closed it just now.
                if kept is None or error.errno == errno.ETIMEDOUT:
                    raise
        raise AssertionError("a fresh connection answers or raises")

    def _used_before(self, who: Login, trust: ssl.SSLContext | None) -> Connection | None:
        """Return a kept connection to this log-in's server, which is trusted as it is now and says nothing."""
        while True:
            with self._lock:
                if not self._kept:
                    return None
                connection = self._kept.pop()[1]
            if (connection.whose, connection.context) == (who, trust) and connection.silent:
                return connection
            connection.close()

    def _trust(self, authority: str | None) -> ssl.SSLContext:
        """Return whom to trust, as it stands on disk now: what is known of all of them is large, so it is read once."""
        usual = ssl.get_default_verify_paths()
        # Of a directory, which is another one when a file comes or goes, OpenSSL reads what it needs.
        path = authority or usual.cafile or usual.capath
        version = login.version(path) if path and os.path.exists(path) else None
        # A disk may hang: who asks without TLS, or watches over others, does not wait for it.
        with patience.turn(self._trusting):
            if self._trusted is None or self._trusted[0] != (path, version):
                try:
                    self._trusted = ((path, version), ssl.create_default_context(cafile=authority))
                except ssl.SSLError as error:
                    # Its number is one of OpenSSL's.
                    raise OSError(errno.EKEYREJECTED, f"{path}: {error}") from None
            return self._trusted[1]

    @contextlib.contextmanager
    def watching(self, connection: Connection) -> Iterator[None]:
        """Let something be done on a connection, but not for longer than there is patience: see rest()."""
        seconds, sock = patience.left(), connection.sock
        if sock is not None:
            sock.settimeout(seconds)
        until = self._watched[connection] = time.monotonic() + seconds
        try:
            try:
                yield
            finally:
                with self._lock:
                    self._watched.pop(connection, None)
            # What was ended looks like the end of an answer that does not say how long it is.
            if time.monotonic() >= until:
                raise TimeoutError
        except TimeoutError:
            raise patience.timed_out() from None
        except (OSError, ValueError) as error:
            if time.monotonic() >= until:
                raise patience.timed_out() from None
            if isinstance(error, ssl.SSLError):
                raise OSError(errno.EKEYREJECTED, f"{error}") from None
            known = error.errno if isinstance(error, OSError) else None
            raise OSError(known if known and known > 0 else errno.EHOSTUNREACH, f"{error}") from None

    def keep(self, connection: Connection) -> None:
        """Keep a connection for the next who asks, unless the log-in is another one meanwhile."""
        with self._lock:
            if connection.sock is not None and connection.whose == self._login:
                self._kept.append((time.monotonic(), connection))
                return
        connection.close()

    def rest(self) -> None:
        """Close what nobody uses, and end what takes too long: a server may also send a byte now and then."""
        now = time.monotonic()
        with self._lock:
            for connection, until in list(self._watched.items()):
                sock = connection.sock
                if now > until and sock is not None:
                    with contextlib.suppress(OSError):
                        # That of TLS would first let who reads take what is encrypted for the answer.
                        socket.socket.shutdown(sock, socket.SHUT_RDWR)
            old = [pair for pair in self._kept if now - pair[0] >= QUIET]
            self._kept = [pair for pair in self._kept if now - pair[0] < QUIET]
        for _at, connection in old:
            connection.close()

    def get(self, path: str, /, **arguments: str) -> object:
        """Return what a question is answered with."""
        query = urlencode(arguments, errors="surrogatepass")
        return self._parsed(self.ask("GET", f"{path}?{query}" if query else path))

    def post(self, path: str, arguments: Mapping[str, object]) -> object:
        """Return what a longer question is answered with."""
        return self._parsed(self.ask("POST", path, json.dumps(arguments), Content_Type="application/json"))

    @staticmethod
    def _parsed(answer: Answer) -> object:
        try:
            return json.loads(answer.rest())
        except (ValueError, RecursionError):
            raise unlike_mlflow() from None

    def pages(self, path: str, key: str, /, **arguments: object) -> Iterator[dict[str, Any]]:
        """Return the things on all pages of an answer."""
        yield from all_pages(lambda paging: self.post(path, {**arguments, **paging}), key)
