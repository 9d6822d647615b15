"""Run the modules against real MLflow servers, with `ansible-test integration`.

Arguments name targets below tests/integration/targets, or are ansible-test's own:
make integration ARGS='user group -v'
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import http.server
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import typing as t
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import project
import sanity

INTEGRATION = project.BUILD / "integration"
COPY = INTEGRATION / "ansible_collections" / "mlops" / "mlflow"
PATIENCE = 180

# The virtual environment of each server to test against.
SERVERS = [project.MLFLOW]


class Redirector(http.server.BaseHTTPRequestHandler):
    """Sends every request on to the server, to show that the modules do not go there."""

    target: str

    def redirect(self) -> None:
        """Answer any request."""
        self.send_response(307)
        self.send_header("Location", self.target + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PATCH = do_DELETE = redirect  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@contextlib.contextmanager
def redirecting(target: str) -> Iterator[str]:
    """Run a server that redirects to another one; give its address."""
    handler = type("Handler", (Redirector,), {"target": target})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def settings(home: Path, password: str, *, stock: bool) -> dict[str, str]:
    """Return the environment of a server that keeps all it has under its home."""
    ini = configparser.RawConfigParser()
    database = f"sqlite:///{home}/mlflow.db"
    ini["mlflow"] = {
        "admin_username": "admin",
        "default_permission": "NO_PERMISSIONS",
        "database_uri": database.replace("%", "%%"),
        "auth_cache_ttl_seconds": "0" if stock else "60",
    }
    with (home / "basic_auth.ini").open("w", encoding="utf-8") as file:
        ini.write(file)
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "MLFLOW_AUTH_CONFIG_PATH": str(home / "basic_auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
        "MLFLOW_BACKEND_STORE_URI": database,
        "MLFLOW_ARTIFACTS_DESTINATION": str(home / "artifacts"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true" if stock else "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_MODEL_CATALOG_URI": "",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_UVICORN_OPTS": "--timeout-graceful-shutdown 2",
    }


@contextlib.contextmanager
def serving(venv: Path, home: Path, password: str, *, stock: bool = False) -> Iterator[str]:
    """Run one fresh server; give its address when it answers, and stop it whatever happens.

    It is lean, as the role configures servers, or stock: as MLflow ships it.
    """
    home.mkdir(parents=True, mode=0o700)
    address = ("127.0.0.1", free_port())
    command = [str(venv / "bin" / "python"), "-m", "mlflow", "server", "--app-name", "basic-auth"]
    command += [] if stock else ["--workers", "1"]
    command += ["--host", address[0], "--port", str(address[1])]
    with (home / "server.log").open("w") as log:
        # A group of its own, so that its workers can be stopped with it.
        process = subprocess.Popen(
            command,
            cwd=home,
            env=settings(home, password, stock=stock),
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


def test(venv: Path, words: list[str]) -> bool:
    """Run the targets against one server."""
    version = project.run([venv / "bin" / "python", "-m", "mlflow", "--version"], quiet=True).stdout.split()[-1]
    home = INTEGRATION / f"server-{version}"
    shutil.rmtree(home, ignore_errors=True)
    password = secrets.token_urlsafe(24)
    project.say(f"starting MLflow {version}")
    with serving(venv, home, password) as uri, redirecting(uri) as elsewhere:
        config = COPY / "tests" / "integration" / "integration_config.yml"
        config.unlink(missing_ok=True)
        values = {
            "mlflow_uri": uri,
            "mlflow_redirecting_uri": elsewhere,
            "mlflow_unused_port": free_port(),
            "mlflow_admin_password": password,
            # Part of every other password, so that none is the same in two runs.
            "mlflow_secret": secrets.token_hex(8),
            "mlflow_python": str(venv / "bin" / "python"),
        }
        # JSON is YAML.
        write_private(config, json.dumps(values))
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        command = ["ansible-test", "integration", "--local", "--python", python, "--color", "no"]
        command += ["--continue-on-error", *words]
        try:
            faults = watched(command, password)
        finally:
            config.unlink()
    verdict = "; ".join(faults) if faults else "passed"
    project.say(f"MLflow {version}: {verdict}; the server's log is {home / 'server.log'}")
    return not faults


def watched(command: list[str], password: str) -> list[str]:
    """Run a command, show what it says, and return what is wrong with that."""
    faults = []
    with subprocess.Popen(
        command,
        cwd=COPY,
        env=sanity.environment(),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                if line.startswith(("[WARNING]", "[DEPRECATION WARNING]")):
                    faults.append(f"Ansible warns: {line.strip()}")
                if password in line:
                    faults.append("the admin's password was shown")
        except BaseException:
            stop(process)
            raise
    if process.returncode != 0:
        faults.append(f"FAILED ({process.returncode})")
    return faults


def interrupted(number: int, frame: FrameType | None) -> t.NoReturn:
    """Stop the servers also when this tool is told to end."""
    raise KeyboardInterrupt


def main() -> int:
    """Run the targets named, or all, against every server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = parser.parse_known_args()[1]
    signal.signal(signal.SIGTERM, interrupted)
    with project.lock("sanity"):
        sanity.HOME.mkdir(parents=True, exist_ok=True)
        sanity.bootstrap_pip()
    with project.lock("integration"):
        project.copy_sources(COPY)
        # Else ansible-test asks the checkout's git, which ignores all under build/.
        project.run(["git", "init", "-q", COPY], quiet=True)
        results = [test(venv, words) for venv in SERVERS]
    return 0 if all(results) else 1


if __name__ == "__main__":
    project.main(main)
