"""What the stories of notebooks share: people of one host, what they may read of a team, and looks into it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import project
import testhosts
from e2e import stage
from e2e.proxied import DOMAIN, NLP, VISION, Connection, Doors, quoted
from e2e.stage import Stage, soon

HOST = "notebook"
ADMIN = "admin:vision-admin-try-out"
USERS = ("user1", "user2")
EXPERIMENTS = ("a", "b", "c", "x", "y/with a slash")
SEED = {
    "a": {"user1": "READ", "user2": "READ"},
    "b": {"user1": "EDIT"},
    "c": {"user1": "READ"},
    "x": {"user2": "READ"},
    "y/with a slash": {"user2": "MANAGE"},
}
SEES = {"user1": ["a", "b", "c"], "user2": ["a", "x", "y%2Fwith a slash"]}
PASSWORDS = {user: f"{user}-try-out-only" for user in USERS}
UNITS = "mlflow@vision.service mlflow-listen@vision.service"
SERVICE = "mlflow-mounts.service"
MAIN = f"$(systemctl show --value -p MainPID {SERVICE})"
# Logs a run in each experiment, with what makes names hard; prints where it put what.
LOG = Path(__file__).parent / "log_for_mounts.py"
# What the real client says that a user can read: a line for each file, as md5sum prints them.
READ = Path(__file__).parent / "read_by_client.py"
RUN_NOTEBOOK = Path(__file__).parent / "run_notebook.py"
NOTEBOOK = project.ROOT / "examples" / "notebooks" / "quickstart.ipynb"
# All that the role writes.
WRITTEN = f"/etc/mlflow-mounts /etc/systemd/system/{SERVICE} /usr/local/bin/mlflow-mounts /usr/local/lib/mlflow-mounts"


def settings(**grants: dict[str, str]) -> dict[str, object]:
    """Return what a run is told in place of the example's: the people of the story, and what each may do."""
    users = [{"name": user, "password": PASSWORDS[user]} for user in USERS]
    teams = {name: stage.example(name) for name in ("vision", "nlp")}
    for team in teams.values():
        team["users"] += users
    teams["vision"]["idle_timeout"] = "30s"
    teams["vision"]["experiments"] += [
        {"name": name, "grants": {"alice": "MANAGE", **grants.get(name, {})}} for name in EXPERIMENTS
    ]
    # user1 is of another team as well.
    teams["nlp"]["experiments"][0]["grants"]["user1"] = "READ"
    people = [{"name": name} for name in (*USERS, "alice")]
    declared: dict[str, object] = {f"mlflow_team_{name}": team for name, team in teams.items()}
    return {**declared, "mlflow_client_users": people, "mlflow_mounts": True}


def prepare(converged: Stage) -> Doors:
    """Give people a host to work on, which is also the proxy, to be cheap; nothing is deployed there yet."""
    testhosts.down([HOST])
    host = Stage(testhosts.up(HOST, uv=True))
    host.sh(
        f"cat >> /etc/hosts; for user in {' '.join(USERS)} alice; do useradd -m -s /bin/bash $user; done",
        "".join(f"{address} {DOMAIN} {VISION} {NLP}\n" for address in host.host.addresses),
    )
    # As on real hosts, where systemd shares it.
    host.sh("mount --make-rshared /")
    return Doors(converged, host, host)


def leave(converged: Stage) -> None:
    """Have the demo's host as it was."""
    testhosts.down([HOST])
    assert converged.play("site").code == 0


def look(notebook: Doors, user: str, command: str, check: bool = True) -> str:
    """Let somebody look into their directory."""
    return notebook.person(user, f"cd ~/mlflow-artifacts/vision && {command}", check=check)


def listed(notebook: Doors, user: str) -> list[str]:
    """Return the experiments that somebody sees; none where they see nothing."""
    return sorted(look(notebook, user, "ls", check=False).splitlines())


def sums(text: str) -> dict[str, str]:
    """Return checksums by path, from what md5sum prints."""
    return {path.removeprefix("./"): digest for digest, path in (line.split("  ", 1) for line in text.splitlines())}


def ask(notebook: Doors, path: str, body: object = None) -> dict[str, Any]:
    """Ask the team's server as its admin."""
    connection = Connection(notebook.proxy.host.address, VISION, notebook.trust())
    try:
        data = None if body is None else json.dumps(body).encode()
        answer = connection.ask(path, ADMIN, data, Content_Type="application/json")
    finally:
        connection.close()
    assert answer.status == 200, answer.text
    return dict(json.loads(answer.text or "{}"))


def asleep(notebook: Doors) -> bool:
    """Say whether the team sleeps."""
    said = notebook.server.sh(f"systemctl is-active {UNITS}", check=False)
    return said.split() == ["inactive", "inactive"]


def processes(notebook: Doors) -> list[str]:
    """Return who has a process that answers for their directory."""
    return sorted(notebook.notebook.sh(f"ps --no-headers -o user:32 --ppid {MAIN}", check=False).split())


def mounts(notebook: Doors) -> list[str]:
    """Return what is mounted, each with the number that it has for as long as it is."""
    return [line for line in notebook.notebook.sh("cat /proc/self/mountinfo").splitlines() if " fuse.mlflow " in line]


def reading(path: str, size: int, name: str) -> str:
    """Return what reads so much of a file, says so, waits until it is told to go on, and gives the whole checksum."""
    waits = f"touch ~/{name}.half; until [ -e ~/{name}.on ]; do sleep 0.2; done"
    return f"{{ head -c {size}; {waits}; cat; }} < {quoted(path)} | md5sum"


@contextlib.contextmanager
def holding(notebook: Doors, user: str, path: str, size: int) -> Iterator[Future[str]]:
    """Let somebody have read a part of a file while something happens, and read the rest of it afterwards."""
    name = f"reading-{user}"
    host = notebook.notebook
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(look, notebook, user, reading(path, size, name))
        try:
            assert soon(lambda: read.done() or host.sh(f"ls /home/{user}/{name}.half", check=False) != "")
            assert not read.done(), read.result()
            yield read
        finally:
            host.sh(f"touch /home/{user}/{name}.on")
            wait([read])
            host.sh(f"rm -f /home/{user}/{name}.*")
