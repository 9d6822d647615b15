"""Real servers to measure against, and how a command is measured: seconds, and requests that the server saw."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import project
import servers

HOME = project.BUILD / "bench"


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

    def measure(self, command: Sequence[str | Path]) -> Run:
        """Run a command against this server."""
        environment = {
            **project.environment(),
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": self.password,
        }
        before, started = self.requests(), time.monotonic()
        project.run(command, quiet=True, env=environment)
        return Run(time.monotonic() - started, self.requests() - before)


@contextlib.contextmanager
def server(name: str, *, stock: bool = False) -> Iterator[Server]:
    """Run a fresh server: lean as the role configures it, or stock as MLflow ships it."""
    home = HOME / name
    shutil.rmtree(home, ignore_errors=True)
    password = secrets.token_urlsafe(24)
    with servers.serving(project.MLFLOW, home, password, stock=stock) as uri:
        yield Server(uri, password, home / "server.log")
