"""The real server, as the role starts it, with a user store that is as it should be and one that is emptied."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import project
import pytest

SERVE = project.ROOT / "roles" / "mlflow_server" / "files" / "mlflowctl" / "in_mlflow"
PASSWORD = "first of all admins"


class Team:
    """What a server of the role finds: its settings, and a place for its data."""

    def __init__(self, home: Path, venv: str) -> None:
        self.home, self.python = home, project.BUILD / venv / "bin" / "python"
        self.database = home / "mlflow.db"
        (home / "basic_auth.ini").write_text(
            f"[mlflow]\nadmin_username = admin\nadmin_password = {PASSWORD}\ndefault_permission = READ\n"
            f"database_uri = sqlite:///{self.database}\n"
        )

    def start(self, workers: int = 1) -> subprocess.Popen[str]:
        """Start it."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "MLFLOW_WORKERS": str(workers),
            "MLFLOW_AUTH_CONFIG_PATH": str(self.home / "basic_auth.ini"),
            "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{self.database}",
            "MLFLOW_UVICORN_OPTS": f"--uds {self.home / 's'}",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "x" * 32,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        return subprocess.Popen(
            [str(self.python), str(SERVE), "serve", "server", "--app-name", "basic-auth"],
            env=environment,
            cwd=self.home,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def users(self) -> list[str]:
        """Who is in the database."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            return [name for (name,) in connection.execute("SELECT username FROM users")]

    def serve_until_it_has_an_admin(self) -> None:
        """Let it start, then end it."""
        server = self.start()
        try:
            end = time.monotonic() + 1200
            while not (self.home / "s").exists():
                assert server.poll() is None, server.communicate()[0]
                assert time.monotonic() < end
                time.sleep(0.2)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.communicate()
            (self.home / "s").unlink(missing_ok=True)


@pytest.mark.parametrize("venv", ["mlflow-3.12.0", project.MLFLOW.name])
def test_an_emptied_store_makes_no_new_admin(tmp_path: Path, venv: str) -> None:
    team = Team(tmp_path, venv)
    team.serve_until_it_has_an_admin()
    assert team.users() == ["admin"]
    # From here on the role keeps the password, which says that there were people.
    (tmp_path / "admin_password").write_text(PASSWORD)
    team.serve_until_it_has_an_admin()
    team.database.unlink()
    server = team.start()
    said = server.communicate(timeout=1200)[0]
    assert server.returncode == 1
    assert f"The server is not started: the user store {team.database} is not there" in said
    assert not team.database.exists()


def test_no_worker_begins_anew_either(tmp_path: Path) -> None:
    """Of several, the one that comes after one that was killed is the first that sees what has become of the store."""
    team = Team(tmp_path, "mlflow-3.12.0")
    team.serve_until_it_has_an_admin()
    (tmp_path / "admin_password").write_text(PASSWORD)
    server = team.start(workers=2)
    assert server.stdout
    lines = iter(server.stdout.readline, "")
    try:
        assert len(list(itertools.islice(completed(lines), 2))) == 2
        team.database.unlink()
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        for child in children:
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                os.kill(int(child), signal.SIGKILL)
        said = next(line for line in lines if "The server is not started" in line or "Created admin" in line)
        assert f"The server is not started: the user store {team.database} is not there" in said
        assert not team.database.exists()
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.communicate()


def completed(lines: Iterator[str]) -> Iterator[str]:
    """Yield those that say that a worker has started."""
    return (line for line in lines if "Application startup complete" in line)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["CREATE TABLE users (id INTEGER)", "INSERT INTO users VALUES (1)"], "None"),
        (["CREATE TABLE users (id INTEGER)"], "'the user store is empty'"),
        ([], "'the user store has no table of users'"),
    ],
)
def test_databases_of_other_kinds_are_asked_with_what_mlflow_brings(
    tmp_path: Path, statements: list[str], expected: str
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    code = f"import sys, user_store; print(repr(user_store.in_database('sqlite:///{tmp_path}/x.db')))"
    command = [str(project.MLFLOW / "bin" / "python"), "-c", code]
    done = subprocess.run(command, cwd=SERVE, text=True, capture_output=True, check=False)
    assert done.stdout == f"{expected}\n", done.stderr
