"""Run the scenarios' tests on every host and team, in molecule or by plain pytest."""

import base64
import functools
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import demo
import project
import pytest
import testhosts
import testinfra
from testinfra.backend.base import CommandResult
from testinfra.backend.podman import PodmanBackend

MOLECULE_HOSTS = ("debian12", "debian13")
SCENARIO = os.environ.get("MOLECULE_SCENARIO_NAME", "default")
INVENTORIES = [project.INVENTORY, project.ROOT / "molecule" / SCENARIO / "inventory"]

# Runs on the host: most servers listen there only. Reads what to ask, so that no password is in `ps`. As MLflow does,
# it keeps the connection: who is refused before a body was read could lose the answer with it.
ASK = """
import http.client, json, sys, urllib.parse
asked = json.load(sys.stdin)
body, url = asked.pop("body"), urllib.parse.urlsplit(asked.pop("url"))
connection = http.client.HTTPConnection(url.hostname, url.port, timeout=180)
target = urllib.parse.urlunsplit(("", "", *url[2:]))
connection.request(asked["method"], target, None if body is None else json.dumps(body).encode(), asked["headers"])
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode("utf-8", "replace")]))
"""


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        """The text as data."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Server:
    """One team's server on one host."""

    host: testinfra.host.Host
    machine: testhosts.Host
    team: demo.Team

    @property
    def name(self) -> str:
        """The team's name."""
        return str(self.team["name"])

    @property
    def admin(self) -> tuple[str, str]:
        """Who manages it."""
        return self.team["admin_username"], self.team["admin_password"]

    def feed(self, text: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the host with this input, and return how it ended."""
        run = [*testhosts.inside(self.machine.container), *command]
        return subprocess.run(run, input=text, env=project.environment(), text=True, check=False, capture_output=True)

    def ask(
        self, path: str, login: tuple[str, str] | None = None, method: str = "GET", body: Any = None, **headers: str
    ) -> Answer:
        """Send one request from the host itself."""
        if login:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        headers = {"Content-Type": "application/json", **headers}
        asked = {"url": self.team["tracking_uri"] + path, "method": method, "headers": headers, "body": body}
        done = self.feed(json.dumps(asked), "python3", "-c", ASK)
        assert done.returncode == 0, done.stderr
        return Answer(*json.loads(done.stdout))

    def show(self, unit: str, *names: str) -> list[str]:
        """Return properties of a unit."""
        lines = self.host.check_output("systemctl show --property=%s %s", ",".join(names), unit).splitlines()
        found = dict(line.split("=", 1) for line in lines)
        return [found[name] for name in names]

    def secrets(self) -> list[str]:
        """Return everything that nobody else may see."""
        found = [self.team["admin_password"], *(user["password"] for user in self.team["users"])]
        kept = self.host.file(f"/etc/mlflow/{self.name}/secrets.env").content_string.splitlines()
        return found + [line.split("=", 1)[1] for line in kept if "=" in line]


@functools.cache
def running() -> dict[str, testhosts.Host]:
    """Return the scenarios' hosts."""
    found = testhosts.running()
    missing = [name for name in MOLECULE_HOSTS if name not in found]
    if missing:
        pytest.exit(f"not running: {', '.join(missing)}; `molecule create` makes them")
    return {name: found[name] for name in MOLECULE_HOSTS}


class Inside(PodmanBackend):
    """Goes to a host as all tools here do: in a tenth of the time of `podman exec`, itself a tenth of Ansible's own."""

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        """Run a command there as root."""
        wanted = self.get_command(command, *args)
        words = [*testhosts.inside(self.name), "/bin/sh", "-c", wanted]
        result = self.run_local(" ".join(["%s"] * len(words)), *words)
        result.command = self.encode(wanted)
        return result


@functools.cache
def reached(machine: testhosts.Host) -> testinfra.host.Host:
    """Return how one of them is looked at."""
    backend = Inside(machine.container)
    host = testinfra.host.Host(backend)
    backend.set_host(host)
    return host


@functools.cache
def servers() -> list[Server]:
    """Return all servers of the scenario."""
    found = []
    for name, machine in running().items():
        found += [Server(reached(machine), machine, team) for team in demo.declared_teams(INVENTORIES, name)]
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test each server that is to run."""
    if "server" in metafunc.fixturenames:
        up = [server for server in servers() if server.team["state"] == "present"]
        metafunc.parametrize("server", up, ids=lambda server: f"{server.machine.name}-{server.name}", scope="session")


@pytest.fixture(scope="session", params=MOLECULE_HOSTS)
def host(request: pytest.FixtureRequest) -> testinfra.host.Host:
    """Return one of the hosts."""
    return reached(running()[request.param])


@pytest.fixture(scope="session")
def find_server() -> Any:
    """Return how to get a server by its host and team."""
    return lambda host, team: next(it for it in servers() if (it.machine.name, it.name) == (host, team))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the end of the journal beside a failed test: the reason is seldom in the assertion."""
    report = yield
    arguments = getattr(item, "funcargs", {})
    host = arguments.get("host") or getattr(arguments.get("server"), "host", None)
    if report.when == "call" and report.failed and host is not None:
        journal = host.run("journalctl --no-pager --lines 40 --priority info")
        report.sections.append(("journal", journal.stdout))
    return report
