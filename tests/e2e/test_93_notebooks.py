"""Each person's artifacts, as files, on the host where they work: what they may read, and nothing of anybody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import testhosts
from e2e import stage
from e2e.doors import DOMAIN, NLP, VISION, Connection, Doors, changed
from e2e.stage import Stage

HOST = "notebook"
ADMIN = "admin:vision-admin-try-out"
USERS = ("user1", "user2")
EXPERIMENTS = ("a", "b", "c", "x", "y/with a slash")
SEES = {"user1": ["a", "b", "c"], "user2": ["a", "x", "y%2Fwith a slash"]}
PASSWORDS = {user: f"{user}-try-out-only" for user in USERS}
LARGE = 64 * 1024**2
UNITS = "mlflow@vision.service mlflow-listen@vision.service"
SERVICE = "mlflow-mounts.service"
# Logs a run in each experiment, with what makes names hard; prints where it put what.
LOG = Path(__file__).parent / "log_for_mounts.py"
# What the real client says that a user can read: a line for each file, as md5sum prints them.
READ = Path(__file__).parent / "read_by_client.py"

# Reads a file, and waits in its middle for as long as a file of its own is there.
HALF = """
import hashlib, os, sys, time
whole, mark = hashlib.md5(), os.path.expanduser("~/half")
with open(sys.argv[1], "rb", buffering=0) as file:
    while data := file.read(1 << 20):
        whole.update(data)
        if file.tell() == 8 << 20:
            open(mark, "w").close()
            while os.path.exists(mark):
                time.sleep(0.05)
print(whole.hexdigest())
"""


def vision(**grants: dict[str, str]) -> dict[str, object]:
    """Return the team, with the people of the story and what each may do."""
    team = stage.example("vision", idle_timeout="30s")
    team["users"] = [*team["users"], *({"name": user, "password": PASSWORDS[user]} for user in USERS)]
    team["experiments"] = [
        *team["experiments"],
        *({"name": name, "grants": {"alice": "MANAGE", **grants.get(name, {})}} for name in EXPERIMENTS),
    ]
    return team


SEED = {
    "a": {"user1": "READ", "user2": "READ"},
    "b": {"user1": "EDIT"},
    "c": {"user1": "READ"},
    "x": {"user2": "READ"},
    "y/with a slash": {"user2": "MANAGE"},
}


def settings(**grants: dict[str, str]) -> dict[str, object]:
    """Return what a run is told in place of the example's."""
    people = [{"name": name} for name in (*USERS, "alice")]
    return {"mlflow_team_vision": vision(**grants), "mlflow_client_users": people, "mlflow_mounts": True}


@pytest.fixture(scope="module")
def notebook(converged: Stage) -> Iterator[Doors]:
    """Give the demo's teams a proxy, and people a host to work on; it is one host, to be cheap."""
    testhosts.down([HOST])
    host = Stage(testhosts.up(HOST, uv=True))
    there = Doors(converged, host, host)
    host.sh(
        f"cat >> /etc/hosts; for user in {' '.join(USERS)} alice; do useradd -m $user; done",
        "".join(f"{address} {DOMAIN} {VISION} {NLP}\n" for address in host.host.addresses),
    )
    # As on real hosts, where systemd shares it.
    host.sh("mount --make-rshared /")
    with ThreadPoolExecutor(1) as pool:
        equipped = pool.submit(there.equip)
        host.sh("mkdir /home/user2/mlflow-artifacts")
        refused = there.play("site", **settings(**SEED))
        equipped.result()
    # What somebody has there is theirs; everything else was done, and it says so.
    assert refused.code != 0
    assert "/home/user2/mlflow-artifacts is there already" in refused.output, refused.output[-5000:]
    assert host.sh("ls /usr/local/lib/mlflow-mounts", check=False) == ""
    host.sh("rmdir /home/user2/mlflow-artifacts")
    run = there.play("open_doors", **settings(**SEED))
    assert run.code == 0, run.output[-5000:]
    yield there
    testhosts.down([HOST])
    assert converged.play("site").code == 0


@pytest.fixture(scope="module")
def logged(notebook: Doors) -> dict[str, dict[str, str]]:
    """Log what there is to see; return the checksum of each file, by experiment and run."""
    notebook.notebook.sh("cat > /tmp/log.py", LOG.read_text())
    notebook.notebook.sh("cat > /tmp/read.py", READ.read_text())
    said = notebook.person("alice", f"mlflow-team vision python /tmp/log.py {LARGE}")
    return dict(json.loads(said.splitlines()[-1]))


def look(notebook: Doors, user: str, command: str, check: bool = True) -> str:
    """Let somebody look into their directory."""
    return notebook.person(user, f"cd ~/mlflow-artifacts/vision && {command}", check=check)


def listed(notebook: Doors, user: str) -> list[str]:
    return sorted(look(notebook, user, "ls").splitlines())


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
    said = notebook.server.sh(f"systemctl is-active {UNITS}", check=False)
    return said.split() == ["inactive", "inactive"]


def processes(notebook: Doors) -> list[str]:
    """Return who has a process that answers for their directory."""
    asked = f"ps --no-headers -o user:32 --ppid $(systemctl show --value -p MainPID {SERVICE})"
    return sorted(notebook.notebook.sh(asked, check=False).split())


def test_a_second_run_changes_nothing(notebook: Doors) -> None:
    for options in ((), ("--check",)):
        run = notebook.play("open_doors", *options, **settings(**SEED))
        assert (run.code, run.warnings) == (0, []), run.output[-5000:]
        assert changed(run)["notebook1"] == 0, run.output[-5000:]
    assert processes(notebook) == []


def test_each_sees_what_they_may_read(notebook: Doors, logged: dict[str, dict[str, str]]) -> None:
    for user, names in SEES.items():
        mine = [name for name in listed(notebook, user) if name != "resnet"]
        assert (user, mine) == (user, names)
        found = sums(look(notebook, user, "find . -type f -exec md5sum {} +"))
        by_client = sums(notebook.person(user, "mlflow-team vision python /tmp/read.py"))
        assert found == by_client
        wanted = {digest for name in names for digest in logged[name.replace("%2F", "/")].values()}
        assert set(found.values()) == wanted
    assert processes(notebook) == list(USERS)
