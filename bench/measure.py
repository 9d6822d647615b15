"""Real servers to measure against, and how a command is measured: seconds, and requests that the server saw."""

from __future__ import annotations

import base64
import contextlib
import http.client
import secrets
import shutil
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn
from urllib.parse import urlsplit

import project
import servers

HOME = project.BUILD / "bench"
# Most of a stock server's fifteen processes only start when the first one answers already.
SETTLE = 20


@dataclass(frozen=True)
class Run:
    """What one command cost."""

    seconds: float
    requests: int


@dataclass(frozen=True)
class Server:
    """A fresh server, and how to reach it."""

    uri: str
    password: str
    log: Path

    def requests(self) -> int:
        """Count the requests so far: the server writes a line for each."""
        return self.log.read_text(errors="replace").count(' HTTP/1.1" ')

    def measure(self, what: str, command: Sequence[str | Path]) -> Run:
        """Run a command against this server, and say so."""
        environment = {
            **project.environment(),
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }
        before, started = self.requests(), time.monotonic()
        run_whole(command, environment)
        run = Run(time.monotonic() - started, self.requests() - before)
        project.say(f"{what}: {run.seconds:.1f} s, {run.requests} requests")
        return run

    def answer_time(self, path: str, *, times: int = 15) -> float:
        """Return the median of the seconds that an answer takes, each over a new connection."""
        word = base64.b64encode(f"admin:{self.password}".encode()).decode()
        taken = []
        for _try in range(times):
            started = time.monotonic()
            connection = http.client.HTTPConnection(urlsplit(self.uri).netloc, timeout=60)
            connection.request("GET", path, headers={"Authorization": f"Basic {word}"})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            taken.append(time.monotonic() - started)
            if answer.status != 200:
                raise project.ToolError(f"GET {path}: {answer.status}")
        return statistics.median(taken)


def run_whole(command: Sequence[str | Path], environment: dict[str, str]) -> None:
    """Run a command, and stop it with all it started when this tool is told to end."""
    with servers.listened_to(command, env=environment) as process:
        output = process.communicate()[0]
    if process.returncode != 0:
        raise project.ToolError(f"failed ({process.returncode}): {Path(command[1]).name}\n{output[-3000:]}")


@contextlib.contextmanager
def server(name: str, *, stock: bool = False, gateway: bool = False) -> Iterator[Server]:
    """Run a fresh server, lean as the role configures it, or stock as MLflow ships it; leave nothing of it."""
    home = HOME / name
    shutil.rmtree(home, ignore_errors=True)
    password = secrets.token_urlsafe(24)
    try:
        with servers.serving(project.MLFLOW, home, password, stock=stock, gateway=gateway) as uri:
            time.sleep(SETTLE if stock else 0)
            yield Server(uri, password, home / "server.log")
    finally:
        shutil.rmtree(home, ignore_errors=True)


class TooLateError(Exception):
    """Nothing that only expects a tool to fail takes this for it."""


@contextlib.contextmanager
def at_most(minutes: int) -> Iterator[None]:
    """End what takes longer, with what it started."""

    def too_late(number: int, frame: FrameType | None) -> NoReturn:
        raise TooLateError(f"not done after {minutes} minutes")

    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(minutes * 60)
    try:
        yield
    finally:
        signal.alarm(0)
