"""Real MLflow servers on loopback, with authentication on, for tests and benchmarks."""

from __future__ import annotations

import base64
import configparser
import contextlib
import io
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import typing as t
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import project

# As long as a very busy machine needs to load three of them at once, and more.
PATIENCE = 1200
# As many rounds as it takes is what makes a hash slow, and nothing else about it. What is loaded of MLflow, in two
# processes, stays: looking for what of it could go is a fifth of that.
HURRIED = """
import gc
from werkzeug import security
gc.set_threshold(100_000)
security.generate_password_hash.__defaults__ = ("pbkdf2:sha256:1", 16)
"""


def free_port() -> int:
    """Return a port that nothing listens on.

    A server takes it seconds later: it is none of those that the kernel gives meanwhile to whoever wants any.
    """
    given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = given // 2 + secrets.randbelow(given // 2)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def version_of(venv: Path) -> str:
    """Return the version of an environment's MLflow, without the seconds that it takes to be imported."""
    ask = "from importlib.metadata import version; print(version('mlflow'))"
    return project.run([venv / "bin" / "python", "-c", ask], quiet=True).stdout.strip()


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def settings(home: Path, password: str, *, stock: bool, auth_database: str, gateway: bool) -> dict[str, str]:
    """Return the environment of a server that keeps all it has under its home."""
    ini = configparser.RawConfigParser()
    ini["mlflow"] = {
        "admin_username": "admin",
        # Before 3.16 it was only read from here.
        "admin_password": password.replace("%", "%%"),
        "default_permission": "NO_PERMISSIONS",
        "database_uri": f"sqlite:///{home}/{auth_database}".replace("%", "%%"),
        "auth_cache_ttl_seconds": "0" if stock else "60",
    }
    text = io.StringIO()
    ini.write(text)
    write_private(home / "basic_auth.ini", text.getvalue())
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "MLFLOW_AUTH_CONFIG_PATH": str(home / "basic_auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{home}/mlflow.db",
        "MLFLOW_ARTIFACTS_DESTINATION": str(home / "artifacts"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true" if stock else "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "true" if gateway else "false",
        "MLFLOW_CRYPTO_KEK_PASSPHRASE": secrets.token_hex(),
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        # What listens to webhooks and to the gateway is a test, on this machine.
        "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_WEBHOOK_REQUEST_TIMEOUT": "300",
        "MLFLOW_MODEL_CATALOG_URI": "",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # A worker that is slow, as all are on a busy machine, is not taken for one that hangs, and killed.
        "MLFLOW_UVICORN_OPTS": "--timeout-graceful-shutdown 2 --timeout-worker-healthcheck 600",
        "GUNICORN_CMD_ARGS": "--timeout 600",
    }


@contextlib.contextmanager
def serving(
    venv: Path,
    home: Path,
    password: str,
    *,
    stock: bool = False,
    auth_database: str = "mlflow.db",
    gateway: bool = False,
    hurried: bool = False,
    inherited: Sequence[Path] = (),
) -> Iterator[str]:
    """Run one server; give its address when it answers, and stop it whatever happens.

    It is lean, as the role configures servers, or stock: as MLflow ships it. Users and experiments
    share a database, which 2.22 cannot: name another one for its users. It is a fresh one, but for files that it
    has inherited. A hurried one gives everybody a hash that is quick to check.
    """
    home.mkdir(parents=True, mode=0o700)
    environment = settings(home, password, stock=stock, auth_database=auth_database, gateway=gateway)
    if hurried:
        (home / "sitecustomize.py").write_text(HURRIED)
        environment["PYTHONPATH"] = str(home)
    for file in inherited:
        shutil.copy(file, home)
    address = ("127.0.0.1", free_port())
    command = [str(venv / "bin" / "python"), "-m", "mlflow", "server", "--app-name", "basic-auth"]
    command += [] if stock else ["--workers", "1"]
    command += ["--host", address[0], "--port", str(address[1])]
    with (home / "server.log").open("w") as log:
        # A group of its own, so that its workers can be stopped with it.
        process = subprocess.Popen(
            command,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    uri = f"http://{address[0]}:{address[1]}"
    try:
        wait_until_healthy(process, uri, home / "server.log")
        yield uri
    finally:
        stop(process)


def wait_until_healthy(process: subprocess.Popen[bytes], uri: str, log: Path) -> None:
    """Return when the server answers; say what it wrote when it does not."""
    give_up = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < give_up:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    last = "\n".join(log.read_text().splitlines()[-30:])
    raise project.ToolError(f"MLflow did not come up; the end of {log}:\n{last}")


def stop(process: subprocess.Popen[t.Any]) -> None:
    """Stop a process with all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)


@contextlib.contextmanager
def listened_to(command: Sequence[str | Path], **options: t.Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command whose output is read; stop it with all it started when the reading ends early."""
    with subprocess.Popen(
        command,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **options,
    ) as process:
        try:
            yield process
        except BaseException:
            stop(process)
            raise
