"""Run the modules against real MLflow servers: the newest with `ansible-test integration`, then every
supported version and the playbooks with suites of pytest.

Arguments name targets below tests/integration/targets or suites, or are ansible-test's own; `targets` are all of them:
make integration ARGS='user group playbooks -v'
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import json
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import demo
import people
import project
import sanity
import servers

INTEGRATION = project.BUILD / "integration"
COPY = INTEGRATION / "ansible_collections" / "mlops" / "mlflow"

# What pytest runs below tests/ when no names are given, or these.
SUITES = ["servers", "playbooks"]
# All targets, and no suite.
TARGETS = "targets"

# What the targets provoke, and look for.
PROVOKED = ("[WARNING]: experiment 'located': keeps its artifacts at ",)


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


def test(venv: Path, words: list[str]) -> bool:
    """Run the targets against one server."""
    version = servers.version_of(venv)
    home = INTEGRATION / f"server-{version}"
    shutil.rmtree(home, ignore_errors=True)
    password = secrets.token_urlsafe(24)
    project.say(f"starting MLflow {version}")
    with servers.serving(venv, home, password, gateway=True, hurried=True) as uri, redirecting(uri) as elsewhere:
        config = COPY / "tests" / "integration" / "integration_config.yml"
        config.unlink(missing_ok=True)
        values = {
            "mlflow_uri": uri,
            "mlflow_redirecting_uri": elsewhere,
            "mlflow_unused_port": servers.free_port(),
            "mlflow_admin_password": password,
            # Part of every other password, so that none is the same in two runs.
            "mlflow_secret": secrets.token_hex(8),
            # What puts a program before MLflow's client, imported once for all of them.
            "mlflow_people": [sys.executable, people.__file__, str(demo.people().path)],
        }
        # JSON is YAML.
        servers.write_private(config, json.dumps(values))
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


def targets(words: list[str]) -> bool:
    """Run the targets."""
    sanity.bootstrap_pip()
    project.copy_sources(COPY)
    # Else ansible-test asks the checkout's git, which ignores all under build/.
    project.run(["git", "init", "-q", COPY], quiet=True)
    return test(project.MLFLOW, words)


def watched(command: list[str], password: str) -> list[str]:
    """Run a command, show what it says, and return what is wrong with that."""
    faults = []
    with servers.listened_to(command, cwd=COPY, env=sanity.environment()) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if line.startswith(project.WARNINGS) and not line.startswith(PROVOKED):
                faults.append(f"Ansible warns: {line.strip()}")
            if password in line:
                faults.append("the admin's password was shown")
    if process.returncode != 0:
        faults.append(f"FAILED ({process.returncode})")
    return faults


def suite(name: str) -> bool:
    """Run one suite of pytest; when interrupted, give it the time to stop its servers."""
    command = ["pytest", str(project.ROOT / "tests" / name)]
    # In a session of its own it is interrupted once, by this tool.
    with subprocess.Popen(command, cwd=project.ROOT, env=project.environment(), start_new_session=True) as process:
        try:
            return process.wait() == 0
        except KeyboardInterrupt:
            process.terminate()
            process.wait(timeout=60)
            raise


def main() -> int:
    """Run the targets and suites named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = parser.parse_known_args()[1]
    suites = [name for name in SUITES if name in words]
    named = [word for word in words if not word.startswith("-") and word not in suites]
    words = [word for word in words if word not in (*suites, TARGETS)]
    project.tidy_up_when_told_to_end()
    results = []
    if named or not suites:
        with project.lock(f"integration-{TARGETS}"):
            results.append(targets(words))
    for name in suites or ([] if named else SUITES):
        with project.lock(f"integration-{name}"):
            results.append(suite(name))
    return 0 if all(results) else 1


if __name__ == "__main__":
    project.main(main)
