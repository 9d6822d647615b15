"""An MLflow server that is started as a team's unit starts it, on this machine alone."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import project
import servers
from mlflow_reader import Reader, reader_for

SERVE = project.ROOT / "roles" / "mlflow_server" / "files" / "mlflowctl" / "in_mlflow"


@contextlib.contextmanager
def serving(venv: Path, home: Path, password: str, *, gateway: bool = False, **more: str) -> Iterator[str]:
    """Run one whose home is made already, with more variables; give its address. People are where experiments are."""
    port = servers.free_port()
    settings = servers.settings(home, password, stock=False, auth_database="mlflow.db", gateway=gateway)
    ini = Path(settings["MLFLOW_AUTH_CONFIG_PATH"])
    files = settings["MLFLOW_BACKEND_STORE_URI"]
    ini.write_text(ini.read_text().replace(files, more.get("MLFLOW_BACKEND_STORE_URI", files)))
    settings |= {"RUNTIME_DIRECTORY": str(home), "MLFLOW_WORKERS": "1", **more}
    command = [str(venv / "bin" / "python"), str(SERVE), "serve", "server", "--app-name", "basic-auth"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    uri = f"http://127.0.0.1:{port}"
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=home, env=settings, stdout=log, stderr=log, start_new_session=True)
    try:
        servers.wait_until_healthy(process, uri, home / "server.log")
        yield uri
    finally:
        servers.stop(process)


@contextlib.contextmanager
def read(venv: Path, home: Path, password: str, *people: tuple[str, str], gateway: bool = False) -> Iterator[Reader]:
    """Run one with some people, by name and password; give what reads it as its admin."""
    home.mkdir(mode=0o700)
    with serving(venv, home, password, gateway=gateway) as uri:
        numbers = [int(part) for part in servers.version_of(venv).split(".")]
        reader = reader_for(uri, password, (numbers[0], numbers[1]))
        for who in people:
            reader.create_user(*who)
        yield reader
