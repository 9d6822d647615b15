"""A log-in that is right while MLflow cannot read who its people are: whoever comes is told to come again."""

from __future__ import annotations

import base64
import contextlib
import http.client
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import project
import pytest
import servers

SERVE = project.ROOT / "roles" / "mlflow_server" / "files" / "mlflowctl" / "in_mlflow"
PASSWORD = "the admin's own word"
# One of MLflow's older routes, and one of its newer.
ROUTES = {"GET": "/api/2.0/mlflow/users/current", "PUT": "/api/2.0/mlflow-artifacts/artifacts/0/model.pkl"}


@pytest.fixture
def team(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A server as a team's unit runs it, which remembers no log-in; return its port and its database."""
    port = servers.free_port()
    settings = servers.settings(tmp_path, PASSWORD, stock=False, auth_database="mlflow.db", gateway=False)
    settings |= {"MLFLOW_HOST": "127.0.0.1", "MLFLOW_PORT": str(port), "MLFLOW_WORKERS": "1"}
    settings |= {"RUNTIME_DIRECTORY": str(tmp_path)}
    config = Path(settings["MLFLOW_AUTH_CONFIG_PATH"])
    config.write_text(config.read_text().replace("auth_cache_ttl_seconds = 60", "auth_cache_ttl_seconds = 0"))
    command = [str(project.MLFLOW / "bin" / "python"), str(SERVE), "serve", "server", "--app-name", "basic-auth"]
    log = tmp_path / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=settings, stdout=file, stderr=file, start_new_session=True
        )
    try:
        servers.wait_until_healthy(process, f"http://127.0.0.1:{port}", log)
        yield port, tmp_path / "mlflow.db"
    finally:
        servers.stop(process)


def answered(port: int, password: str = PASSWORD) -> dict[str, int]:
    """Return the status of each route."""
    word = base64.b64encode(f"admin:{password}".encode()).decode()
    found = {}
    for method, path in ROUTES.items():
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=300)) as connection:
            connection.request(method, path, b"it" if method == "PUT" else None, {"Authorization": f"Basic {word}"})
            found[method] = connection.getresponse().status
    return found


def test_who_cannot_be_looked_up_is_no_stranger(team: tuple[int, Path]) -> None:
    port, database = team
    assert answered(port) == {"GET": 200, "PUT": 200}
    assert answered(port, "wrong") == {"GET": 401, "PUT": 401}
    # As to MLflow, where a database is away.
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE users RENAME TO away")
        assert answered(port) == {"GET": 503, "PUT": 503}
        connection.execute("ALTER TABLE away RENAME TO users")
    assert answered(port) == {"GET": 200, "PUT": 200}
    assert answered(port, "wrong") == {"GET": 401, "PUT": 401}
