"""What the story of proxy and clients needs: a server, a proxy, and a host where people work."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import demo
import project
import testhosts
from e2e import stage
from e2e.stage import WHO_AM_I, Stage, soon

EXAMPLE = project.ROOT / "examples" / "proxies"
PICTURES = project.BUILD / "pictures"
DOMAIN = "mlflow.example.org"
VISION, NLP = f"vision.{DOMAIN}", f"nlp.{DOMAIN}"
PEOPLE = ("alice", "bob", "dave")
VERSION = "3.17.2"
CONSTRAINTS = project.ROOT / "roles" / "mlflow_server" / "files" / f"constraints-{VERSION}.txt"
VENV = "/opt/notebook"
# What people load.
LOADED = "mlflow.cli, mlflow.genai, mlflow.pyfunc, mlflow.sklearn, sklearn.linear_model"
ALICE = "alice:alice-try-out-only"
ADMIN = "admin:vision-admin-try-out"
NEW_RUN = "/api/2.0/mlflow/runs/create"
ASKS = "curl --silent --output /dev/null --max-time 120 --write-out %{http_code}"
ASKS_NLP = f"{ASKS} --user dave:dave-try-out-only https://{NLP}{WHO_AM_I}"
VISION_UNITS = "mlflow@vision.service mlflow-listen@vision.service"


@dataclass(frozen=True)
class Doors:
    """mlflow1, proxy1 in front of it, and notebook1, where people work."""

    server: Stage
    proxy: Stage
    notebook: Stage
    inventory: Path = demo.EXAMPLE
    # Instead of the proxy's own CA.
    certificate: str = ""

    def play(self, name: str, *more: str, **overrides: Any) -> demo.Play:
        """Run a playbook for all three."""
        known = {**testhosts.connection(self.server.host), "mlflow_server_address": self.server.host.address}
        reach = {
            "mlflow1": known,
            "notebook1": testhosts.connection(self.notebook.host),
            "proxy1": testhosts.connection(self.proxy.host),
        }
        file = stage.WORK / "doors.json"
        stage.write_private(file, json.dumps({"all": {"hosts": reach}}))
        if overrides:
            given = stage.WORK / f"doors-{project.digest(json.dumps(overrides))}.json"
            stage.write_private(given, json.dumps(overrides))
            more = (*more, f"--extra-vars=@{given}")
        both = json.dumps({"mlflow_proxy_routing": ["name", "path"]})
        return demo.play(name, [self.inventory, EXAMPLE, file], "--extra-vars", both, *more)

    def equip(self, *more: str) -> None:
        """Install MLflow where people work, as who looks after notebooks would."""
        packages = " ".join((f"--constraint /root/constraints.txt mlflow=={VERSION} scikit-learn", *more))
        self.notebook.sh("cat > /root/constraints.txt", CONSTRAINTS.read_text())
        self.notebook.sh(f"uv venv --quiet --python /usr/bin/python3 {VENV}")
        self.notebook.sh(f"uv pip install --quiet --python {VENV}/bin/python {packages}")
        # Nobody who works there may write what Python compiles, and root does so here: a third of all that there is.
        self.notebook.sh(f"cd /tmp && {VENV}/bin/python -c 'import {LOADED}'")

    def person(self, user: str, command: str, check: bool = True) -> str:
        """Let a Unix user run a command, with nothing set but what a log-in sets."""
        inside = f"cd && PATH={VENV}/bin:$PATH && export PATH MLFLOW_DISABLE_TELEMETRY=true && {command}"
        return self.notebook.sh(f"su - {user} -s /bin/sh -c {quoted(inside)}", check=check)

    @contextlib.contextmanager
    def logging(self, user: str, experiment: str, *more: str) -> Iterator[dict[str, int]]:
        """Let somebody log from before something happens until after it; tell how it went."""
        mark, told = f"/home/{user}/logs", {}
        self.notebook.sh("cat > /tmp/person.py", (project.ROOT / "tools" / "person.py").read_text())
        words = ("stream", experiment, "--seconds 3600", f"--mark {mark}", *more)
        command = f"mlflow-team vision python /tmp/person.py {' '.join(words)}"
        with ThreadPoolExecutor(1) as pool:
            going = pool.submit(self.person, user, command)
            try:
                assert soon(lambda: going.done() or self.notebook.sh(f"ls {mark}", check=False) != "")
                yield told
            finally:
                self.notebook.sh(f"rm -f {mark}")
            told.update(json.loads(going.result().splitlines()[-1]))

    def ask(self, path: str, user: str = "", name: str = VISION, method: str = "", **headers: str) -> Answer:
        """Send one request to the proxy, from here."""
        connection = Connection(self.proxy.host.address, name, self.trust())
        try:
            return connection.ask(path, user, method=method, **headers)
        finally:
            connection.close()

    def trust(self) -> ssl.SSLContext:
        """Return a context that knows one CA and no other."""
        return ssl.create_default_context(cadata=self.certificate or self.proxy.sh("cat /etc/mlflow-proxy/ca.pem"))

    def shows(self, certificate: str) -> bool:
        """Say whether the proxy comes to show a certificate: those that began before are finished with the former."""
        address = (self.proxy.host.address, 443)
        return soon(lambda: ssl.get_server_certificate(address, timeout=20).strip() == certificate.strip())

    def protocol(self) -> str | None:
        """Return what the proxy would speak with a browser."""
        context = self.trust()
        context.set_alpn_protocols(["h2", "http/1.1"])
        connection = Connection(self.proxy.host.address, VISION, context)
        connection.connect()
        try:
            return connection.sock.selected_alpn_protocol()
        finally:
            connection.close()

    def written(self) -> int:
        """Return how much nginx has written to disk so far, also to files that have no name any more."""
        # A worker of before a reload may go while it looks.
        counts = self.proxy.sh("grep -hs ^write_bytes $(pgrep -x nginx | sed 's|.*|/proc/&/io|')", check=False)
        return sum(int(line.split()[1]) for line in counts.splitlines())

    def kept(self) -> int:
        """Return how much the team's server has of artifacts, also of those that it is receiving."""
        # A file may go while it looks.
        return int(self.server.sh("du -sb /var/lib/mlflow/vision/artifacts", check=False).split()[0])

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


def changed(run: demo.Play) -> dict[str, int]:
    """Return how much a run has changed, by host."""
    found = re.findall(r"^(\w+) +: ok=\d+ +changed=(\d+)", run.output, re.MULTILINE)
    return {name: int(count) for name, count in found}


def sleeps(doors: Doors) -> bool:
    """Say whether the server of vision sleeps, without asking it."""
    return doors.server.sh(f"systemctl is-active {VISION_UNITS}", check=False).split() == ["inactive", "inactive"]


def asleep(doors: Doors) -> bool:
    """Stop the server of vision; say whether it is."""
    doors.server.sh(f"systemctl stop {VISION_UNITS}", check=False)
    return sleeps(doors)


def scanned(address: str) -> ElementTree.Element:
    """Return what a scanner says of a server's TLS; it tries SSL too, which OpenSSL here has no more."""
    command = ["sslscan", f"--sni-name={VISION}", "--xml=-", f"{address}:443"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return ElementTree.fromstring(done.stdout)  # noqa: S314


def compressed(address: str) -> bool:
    """Say whether a server takes the offer to compress, which neither OpenSSL nor the scanner makes in Debian."""

    def sized(length: int, content: str) -> str:
        return f"{len(content) // 2:0{2 * length}x}{content}"

    # TLS 1.2 with four ciphers, DEFLATE or nothing, two curves and three signatures.
    extensions = f"000a{sized(2, sized(2, '001d0017'))}000d{sized(2, sized(2, '040308040401'))}"
    hello = f"0303{'5a' * 32}00{sized(2, 'c02bc02fc02cc030')}{sized(1, '0100')}{sized(2, extensions)}"
    with socket.create_connection((address, 443), 20) as connection, connection.makefile("rb") as answers:
        connection.sendall(bytes.fromhex("160301" + sized(2, "01" + sized(3, hello))))
        answer = answers.read(44)
        assert (answer[0], answer[5]) == (0x16, 0x02), answer
        # Behind the session's name and the cipher.
        return answers.read(answer[43] + 3)[-1] != 0


def certify(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate as an operator would bring along, and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "30", "-subj", f"/CN={DOMAIN}", "-addext", f"subjectAltName=DNS:{DOMAIN},DNS:*.{DOMAIN}"]
    command += ["-addext", "keyUsage=digitalSignature,keyCertSign"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], capture_output=True, check=True)
    return certificate, key
