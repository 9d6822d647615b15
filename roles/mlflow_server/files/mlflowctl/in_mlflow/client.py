"""Asks a server over HTTP: one request at a time, as somebody, and never where it sends somebody."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from mlflowctl.in_mlflow.wait_until_healthy import UnixConnection

# Bytes of an answer. A server that runs somebody else's code may send any number.
LARGEST, PIECE = 64 << 20, 1 << 20
# An answer may be silent for its connection's timeout, and be as many times as long under way; an artifact, a day.
WHOLE_ANSWER, ARTIFACT_SECONDS = 4, 24 * 3600
Take = Callable[[http.client.HTTPResponse], bytes]


def whole(response: http.client.HTTPResponse) -> bytes:
    """Return all of an answer; HTTPException where it is larger than one is."""
    text = bytearray()
    for piece in pieces(response):
        text += piece
        if len(text) > LARGEST:
            raise http.client.HTTPException(f"the answer is larger than {LARGEST >> 20} MiB")
    return bytes(text)


def pieces(response: http.client.HTTPResponse) -> Iterator[memoryview]:
    """Yield an answer as it comes; each piece is there until the next one.

    Into a place of their own: of a part that is said to have -1 bytes, http.client would else return all that comes.
    """
    place = memoryview(bytearray(PIECE))
    while size := response.readinto(place):
        yield place[:size]
    refuse_part(response)


def refuse_part(response: http.client.HTTPResponse) -> None:
    """Raise where the server has ended before its answer, which http.client says only of what is read in one go."""
    if response.length:
        raise http.client.IncompleteRead(b"", response.length)


def checksum(response: http.client.HTTPResponse) -> bytes:
    """Return that of an artifact, which is of any size, as text; of anything else the answer itself."""
    if response.status != http.HTTPStatus.OK:
        return whole(response)
    total = hashlib.sha256()
    for piece in pieces(response):
        total.update(piece)
    return total.hexdigest().encode()


def log_in(username: str, password: str) -> dict[str, str]:
    """Return what says who asks."""
    word = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}", "Content-Type": "application/json"}


def over_socket(path: str, seconds: float) -> UnixConnection:
    """Return a way to the server that only a team's account can have made."""
    return UnixConnection(path, timeout=seconds)


def asked(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: Any,
    headers: dict[str, str],
    take: Take = whole,
) -> tuple[int, bytes]:
    """Send one request; return the status and what is taken of the answer. OSError or HTTPException where none is."""
    if isinstance(connection, UnixConnection):
        # The server takes this name for its own, whatever it is called outside.
        headers = {**headers, "Host": "localhost"}
    try:
        connection.connect()
        seconds = ARTIFACT_SECONDS if take is checksum else WHOLE_ANSWER * (connection.timeout or 0)
        with ended_after(connection.sock, seconds):
            connection.request(method, target, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, take(response)
    finally:
        connection.close()


@contextlib.contextmanager
def ended_after(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Hang up on a server that sends a byte now and then: what is read by then is no answer, whatever it looks like."""
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if late.is_set():
            raise TimeoutError(f"its answer was still not whole after {seconds:.0f} s")
