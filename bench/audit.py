"""Measure what the audit lines cost a team's server: two servers as the role starts them, one with and one without.

make bench-audit. Each in turn logs metrics and makes and deletes experiments; compared is the processor time of the
server a request, since that does not change with what else the machine does.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import project
import servers

SERVE = project.ROOT / "roles" / "mlflow_server" / "files" / "mlflowctl" / "in_mlflow"
ROUNDS, REQUESTS = 8, 150
PASSWORD = "only-for-the-benchmark"
API = "/api/2.0/mlflow"
PATIENCE = 180


@dataclass
class Server:
    """A server that runs, and a connection to it."""

    process: int
    path: Path
    connection: http.client.HTTPConnection | None = None

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        """Keep a connection."""
        with contextlib.closing(http.client.HTTPConnection("localhost")) as self.connection:
            self.connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.connection.sock.connect(str(self.path))
            yield

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask for something as the admin."""
        login = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json", "Host": "localhost"}
        if self.connection is None:
            raise project.ToolError("nobody is connected")
        self.connection.request("POST", API + path, json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise project.ToolError(f"{path}: {answer.status} {text.decode()}")
        found: dict[str, Any] = json.loads(text or b"{}")
        return found

    def processor(self) -> float:
        """Return the seconds of processor that it has taken so far."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def logs_metrics(self) -> float:
        """Log to one run, as training does."""
        experiment = self.post("/experiments/create", {"name": os.urandom(8).hex()})["experiment_id"]
        run = self.post("/runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
        before = self.processor()
        for step in range(REQUESTS):
            self.post("/runs/log-metric", {"run_id": run, "key": "loss", "value": 1, "timestamp": 1, "step": step})
        return (self.processor() - before) / REQUESTS

    def makes_and_deletes(self) -> float:
        """Change something with each request."""
        before = self.processor()
        for _time in range(REQUESTS // 2):
            made = self.post("/experiments/create", {"name": os.urandom(8).hex()})
            self.post("/experiments/delete", made)
        return (self.processor() - before) / REQUESTS


@contextlib.contextmanager
def serving(home: Path, audit: str) -> Iterator[Server]:
    """Run a server as a team's unit does."""
    home.mkdir()
    settings = servers.settings(home, PASSWORD, stock=False, auth_database="mlflow.db", gateway=False)
    settings.update(
        MLOPS_MLFLOW_AUDIT=audit, MLFLOW_WORKERS="1", RUNTIME_DIRECTORY=str(home), MLFLOW_UVICORN_OPTS=f"--uds {home}/s"
    )
    command = [str(project.MLFLOW / "bin" / "python"), str(SERVE), "serve", "server", "--app-name", "basic-auth"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=home, env=settings, stdout=log, stderr=log, start_new_session=True)
    try:
        end = time.monotonic() + PATIENCE
        while not (home / "s").exists():
            if process.poll() is not None or time.monotonic() > end:
                raise project.ToolError((home / "log").read_text()[-2000:])
            time.sleep(0.2)
        yield Server(process.pid, home / "s")
    finally:
        servers.stop(process)


def main() -> int:
    """Print a table."""
    with (
        tempfile.TemporaryDirectory() as home,
        serving(Path(home) / "without", "no") as without,
        serving(Path(home) / "with", "direct") as watched,
    ):
        print("| what | without, ms | with, ms | ratio |\n|---|---|---|---|")
        for what, work in {"log a metric": "logs_metrics", "make or delete": "makes_and_deletes"}.items():
            found: list[list[float]] = [[], []]
            for _round in range(ROUNDS):
                for times, server in zip(found, (without, watched), strict=True):
                    with server.connected():
                        times.append(getattr(server, work)() * 1000)
            one, other = map(statistics.median, found)
            print(f"| {what} | {one:.2f} | {other:.2f} | {other / one:.3f} |", flush=True)
    return 0


if __name__ == "__main__":
    project.main(main)
