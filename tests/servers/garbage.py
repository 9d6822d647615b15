"""A team whose garbage is collected: a real server, its database and artifacts, and what the timer runs."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import sqlite3
import subprocess
import time
import typing as t
import urllib.request
from pathlib import Path

import project
from lab import Lab
from people import People

PROGRAM = project.ROOT / "roles" / "mlflow_server" / "files" / "mlflowctl" / "in_mlflow"
DAY = 86400 * 1000
# What the program would import again each time.
SHARED = ("mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store")
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONDONTWRITEBYTECODE": "1",
    "LC_ALL": "C.UTF-8",
}


@functools.cache
def collectors() -> People:
    """Return what forks a process for each collection, and has imported MLflow once."""
    return People(project.MLFLOW / "bin" / "python", {**ENVIRONMENT, "HOME": str(project.BUILD / "servers")}, SHARED)


class Team:
    """A team on the newest server, and what its timer runs, perhaps in a process that begins with nothing."""

    def __init__(self, lab: Lab, home: Path, by_itself: bool = False) -> None:
        self.lab, self.home, self.by_itself = lab, home, by_itself
        self.database = lab.databases[0]
        self.artifacts = Path(self.database).parent / "artifacts"
        self.environment: dict[str, str] = {}
        known = {
            "name": "vision",
            "account": "mlflow-vision",
            "state_dir": str(home),
            "socket": "",
            "admin_username": "admin",
            "default_permission": "NO_PERMISSIONS",
            "databases": [{"name": "mlflow", "uri": f"sqlite:///{self.database}", "file": self.database}],
            "artifacts": str(self.artifacts),
            "storage_dirs": [],
            "tracking_uri": lab.proxy.uri,
            "gc_older_than": "30d",
        }
        (home / "team.json").write_text(json.dumps(known))
        (home / "admin_password").write_text(lab.password)

    def know(self, **values: t.Any) -> None:
        """Change what is written down of the team."""
        file = self.home / "team.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))

    def start(self) -> subprocess.CompletedProcess[str]:
        """Run the program."""
        self.lab.proxy.forget()
        given = {"HOME": str(self.home), "CREDENTIALS_DIRECTORY": str(self.home)}
        environment = {**ENVIRONMENT, **given, **self.environment}
        command = [str(PROGRAM), "collect_garbage"]
        if self.by_itself:
            command = [str(project.MLFLOW / "bin" / "python"), *command]
            done = subprocess.run(command, env=environment, cwd=self.home, capture_output=True, text=True, check=False)
        else:
            done = subprocess.CompletedProcess(command, *collectors().work(command[1:], environment, PROGRAM))
        assert self.lab.password not in done.stdout + done.stderr
        return done

    def collect(self) -> str:
        """Run the program; return what it prints."""
        done = self.start()
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sql(self, statement: str, *values: t.Any) -> list[t.Any]:
        """Ask or change the database behind the server's back."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=30)) as connection:
            found = connection.execute(statement, values).fetchall()
            connection.commit()
        return found

    def post(self, what: str, **values: t.Any) -> dict[str, t.Any]:
        """Ask the server as its admin."""
        return self.lab.reader.ask("POST", f"/api/2.0/mlflow/{what}", **values)

    def run(self, experiment: str) -> str:
        """Make a run with a metric, and with an artifact that the server keeps."""
        run = self.post("runs/create", experiment_id=experiment, start_time=1)["run"]["info"]["run_id"]
        self.post("runs/log-metric", run_id=run, key="loss", value=0.5, timestamp=1)
        self.put(f"{experiment}/{run}/artifacts/note.txt")
        return str(run)

    def model(self, experiment: str) -> str:
        """Make a logged model."""
        made = self.post("logged-models", experiment_id=experiment, name="net")
        return str(made["model"]["info"]["model_id"])

    def put(self, path: str) -> None:
        """Have the server keep an artifact."""
        url = f"{self.lab.uri}/api/2.0/mlflow-artifacts/artifacts/{path}"
        request = urllib.request.Request(url, b"hello", method="PUT")  # noqa: S310 - a server of ours
        login = base64.b64encode(f"admin:{self.lab.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        urllib.request.urlopen(request, timeout=300).close()  # noqa: S310 - the same
        assert (self.artifacts / path).exists()

    def age(self, experiment: str = "", run: str = "", model: str = "") -> None:
        """Have it deleted forty days ago."""
        then = int(time.time() * 1000) - 40 * DAY
        if experiment:
            self.sql("UPDATE experiments SET last_update_time = ? WHERE experiment_id = ?", then, int(experiment))
            self.sql("UPDATE runs SET deleted_time = ? WHERE experiment_id = ?", then, int(experiment))
        if run:
            self.sql("UPDATE runs SET deleted_time = ? WHERE run_uuid = ?", then, run)
        if model:
            self.sql("UPDATE logged_models SET last_updated_timestamp_ms = ? WHERE model_id = ?", then, model)

    def runs(self) -> set[str]:
        """Return the runs that the database knows."""
        return {run for (run,) in self.sql("SELECT run_uuid FROM runs")}
