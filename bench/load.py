"""People who ask as fast as they are answered, each over a connection of their own, and take next to nothing for it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import json
import socket
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import project

API = "/api/2.0/mlflow"
# Longer than anybody waits for an answer of a server that has a small part of a processor.
PATIENCE = 120


class Through(http.client.HTTPSConnection):
    """A connection to a name at an address that the DNS does not know."""

    def __init__(self, name: str, address: str, authority: ssl.SSLContext) -> None:
        super().__init__(name, timeout=PATIENCE)
        self.address, self.authority = address, authority

    def connect(self) -> None:
        """Connect there, and want its certificate."""
        plain = socket.create_connection((self.address, 443), PATIENCE)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.authority.wrap_socket(plain, server_hostname=self.host)


@dataclass(frozen=True)
class Door:
    """A proxy, and who asks there."""

    name: str
    address: str
    authority: ssl.SSLContext
    user: str
    password: str

    @contextlib.contextmanager
    def asking(self) -> Iterator[Callable[[str, Any], Any]]:
        """Give what posts something over one connection, and returns the answer."""
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        with contextlib.closing(Through(self.name, self.address, self.authority)) as connection:

            def post(path: str, body: Any) -> Any:
                connection.request("POST", API + path, json.dumps(body), headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    raise project.ToolError(f"{path}: {answer.status} {text[:500].decode('utf-8', 'replace')}")
                return json.loads(text)

            yield post


@dataclass(frozen=True)
class Answered:
    """How many answers there were each second, how long one took, and what part of a processor asking took."""

    rate: float
    median: float
    asking: float


Work = Callable[[int, int], tuple[str, dict[str, Any]]]


def under_load(
    door: Door, clients: int, work: Work, warm: float, seconds: float, inside: Callable[[str], None]
) -> Answered:
    """Let so many ask for what work gives for them, one thing after the other; count what is answered after a while.

    When counting begins and when it ends, inside is told so.
    """
    done, taken = threading.Event(), []

    def ask(me: int) -> None:
        with door.asking() as post:
            for number in itertools.count():
                if done.is_set():
                    return
                began = time.monotonic()
                post(*work(me, number))
                now = time.monotonic()
                taken.append((now, now - began))

    with ThreadPoolExecutor(clients) as pool:
        going = [pool.submit(ask, me) for me in range(clients)]
        try:
            time.sleep(warm)
            inside("begin")
            begin, own = time.monotonic(), time.process_time()
            time.sleep(seconds)
            end, own = time.monotonic(), time.process_time() - own
            inside("end")
        finally:
            done.set()
        for one in going:
            one.result()
    counted = [took for at, took in taken if begin <= at < end]
    if not counted:
        raise project.ToolError(f"nobody was answered within {seconds:.0f} s")
    return Answered(len(counted) / (end - begin), statistics.median(counted), own / (end - begin))
