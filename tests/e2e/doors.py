"""What the story of the doors needs: two hosts in three parts, and people on one of them."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from typing import Any

import demo
import project
from e2e import stage
from e2e.stage import Stage

EXAMPLE = project.ROOT / "examples" / "doors"
PICTURES = project.BUILD / "pictures"
DOMAIN = "mlflow.example.org"
VISION, NLP = f"vision.{DOMAIN}", f"nlp.{DOMAIN}"
PEOPLE = ("alice", "bob", "dave")
VENV = "/opt/mlflow/3.17.2/bin"


def host(container: str) -> dict[str, str]:
    """Return how Ansible reaches a container."""
    return {
        "ansible_connection": "containers.podman.podman",
        "ansible_host": container,
        "ansible_python_interpreter": "/usr/bin/python3",
    }


@dataclass(frozen=True)
class Doors:
    """mlflow1, which people also work on as notebook1, and proxy1 in front of it."""

    server: Stage
    proxy: Stage

    def play(self, name: str, *more: str, **overrides: Any) -> demo.Play:
        """Run a playbook for all three."""
        known = {**host(self.server.host.container), "mlflow_server_address": self.server.host.address}
        reach = {
            "mlflow1": known,
            "notebook1": host(self.server.host.container),
            "proxy1": host(self.proxy.host.container),
        }
        file = stage.WORK / "doors.json"
        stage.write_private(file, json.dumps({"all": {"hosts": reach}}))
        if overrides:
            given = stage.WORK / f"doors-{project.digest(json.dumps(overrides))}.json"
            stage.write_private(given, json.dumps(overrides))
            more = (*more, f"--extra-vars=@{given}")
        both = json.dumps({"mlflow_proxy_by": ["name", "path"]})
        return demo.play(name, [demo.EXAMPLE, EXAMPLE, file], "--extra-vars", both, *more)

    def person(self, user: str, command: str, check: bool = True) -> str:
        """Let a Unix user run a command, with nothing set but what a log-in sets."""
        inside = f"cd && PATH={VENV}:$PATH && export PATH MLFLOW_DISABLE_TELEMETRY=true && {command}"
        return self.server.sh(f"su - {user} -s /bin/sh -c {quoted(inside)}", check=check)

    def ask(self, path: str, user: str = "", name: str = VISION, **headers: str) -> Answer:
        """Send one request to the proxy, from here."""
        connection = Connection(self.proxy.host.address, name, self.trust())
        try:
            return connection.ask(path, user, **headers)
        finally:
            connection.close()

    def trust(self) -> ssl.SSLContext:
        """Return a context that knows the proxy's CA and no other."""
        return ssl.create_default_context(cadata=self.proxy.sh("cat /etc/mlflow-proxy/ca.pem"))

    def disk_used(self) -> int:
        """Return how many bytes are in use where nginx keeps what does not fit into memory."""
        self.proxy.sh("sync")
        return int(
            self.proxy.sh("du -sb /var/lib/nginx /var/cache /run/mlflow-proxy /tmp | awk '{sum += $1} END {print sum}'")
        )

    def pin(self) -> str:
        """Return how the browser recognises the proxy."""
        key = "openssl x509 -in /etc/mlflow-proxy/server.pem -pubkey -noout | openssl pkey -pubin -outform der"
        shown = self.proxy.sh(f"{key} | base64 -w0")
        return base64.b64encode(hashlib.sha256(base64.b64decode(shown)).digest()).decode()


@dataclass(frozen=True)
class Answer:
    """What came back, and after how many seconds."""

    status: int
    headers: dict[str, str]
    text: str
    seconds: float


class Connection(http.client.HTTPSConnection):
    """To an address, for another name."""

    def __init__(self, address: str, name: str, context: ssl.SSLContext) -> None:
        super().__init__(name, 443, timeout=120)
        self._address, self._trust = address, context

    def connect(self) -> None:
        self.sock = self._trust.wrap_socket(
            socket.create_connection((self._address, 443), 120), server_hostname=self.host
        )

    def ask(self, path: str, user: str = "", body: bytes | None = None, method: str = "", **headers: str) -> Answer:
        """Send one request; user is NAME:PASSWORD."""
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        if user:
            given["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        before = time.monotonic()
        self.request(method or ("GET" if body is None else "POST"), path, body, given)
        answer = self.getresponse()
        try:
            text = answer.read().decode(errors="replace")
        except http.client.IncompleteRead as error:
            # Who is refused before the body was read may be cut off before the answer's end.
            text = error.partial.decode(errors="replace")
        return Answer(
            answer.status, {key.lower(): value for key, value in answer.getheaders()}, text, time.monotonic() - before
        )


def quoted(text: str) -> str:
    """Return a text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def tls_offered(address: str, version: str) -> bool:
    """Say whether a server takes a version of TLS."""
    command = ["openssl", "s_client", "-connect", f"{address}:443", "-servername", VISION, f"-{version}"]
    command += ["-cipher", "ALL:@SECLEVEL=0"]
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    return "Cipher is (NONE)" not in done.stdout and done.returncode == 0
