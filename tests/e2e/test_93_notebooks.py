"""Each person's artifacts, as files, on the host where they work: what they may read, and nothing of anybody else's."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import testhosts
from e2e import stage
from e2e.doors import DOMAIN, NLP, VISION, Connection, Doors, changed, quoted
from e2e.stage import Stage, soon

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


def test_nobody_gets_at_what_is_anothers(notebook: Doors, logged: dict[str, dict[str, str]]) -> None:
    there = "/run/mlflow-mounts/user1"
    run = look(notebook, "user1", "ls -d b/*@*").strip()
    # user1 stands in it, with a file open.
    holding = f"cd {there}/vision/{run} && exec 9< note.txt && exec sleep 300"
    notebook.notebook.sh(f"systemd-run --quiet --uid=user1 --gid=user1 --unit=holding sh -c {quoted(holding)}")
    pid = ""

    def stands_there() -> bool:
        nonlocal pid
        pid = notebook.notebook.sh("pgrep -u user1 -x sleep", check=False).strip()
        return bool(pid)

    assert soon(stands_there)
    ways = [there, f"{there}/vision/{run}/note.txt", "/home/user1/mlflow-artifacts"]
    ways += [f"/proc/{pid}/cwd/note.txt", f"/proc/{pid}/fd/9", f"/proc/{pid}/root{there}"]
    for way in ways:
        for ask in ("ls", "cat"):
            assert notebook.person("user2", f"{ask} {way}", check=False) == ""
    for command in (f"ls {there}", f"cat {there}/vision/{run}/note.txt"):
        assert notebook.notebook.sh(command, check=False) == ""
    server = notebook.notebook.sh(f"pgrep -u user1 -P $(systemctl show --value -p MainPID {SERVICE})").strip()
    # The process was root's, and nobody looks into it: not even whose it is.
    for user in USERS:
        assert notebook.person(user, f"ls /proc/{server}/fd", check=False) == ""
    facts = notebook.notebook.sh(f"cat /proc/{server}/status")
    assert re.findall(r"(?m)^(?:Cap(?:Prm|Eff)|NoNewPrivs):\s+(\S+)", facts) == ["0" * 16, "0" * 16, "1"]
    devices = notebook.notebook.sh(f"ls -l /proc/{server}/fd").count("/dev/fuse")
    assert devices == 1
    notebook.notebook.sh("systemctl stop holding")
    by_name = notebook.person("user1", "ls ~/mlflow-artifacts/vision/x", check=False)
    assert by_name == ""


def test_nobody_writes(notebook: Doors, logged: dict[str, dict[str, str]]) -> None:
    for command in ("touch b/new", "mkdir b/new", "rm -r b", "mv b d", "chmod 777 b"):
        said = look(notebook, "user1", f"{command} 2>&1", check=False)
        assert "Read-only file system" in said, said


def test_what_is_revoked_is_gone_and_what_is_granted_is_there(
    notebook: Doors, logged: dict[str, dict[str, str]]
) -> None:
    note = f"b/{look(notebook, 'user1', 'ls b | grep @').splitlines()[0]}"
    note += f"/{look(notebook, 'user1', f'ls {quoted(note)}').splitlines()[0]}"
    cat = f"cat {quoted(note)}"
    assert look(notebook, "user1", cat)
    found = ask(notebook, "/api/2.0/mlflow/experiments/get-by-name?experiment_name=b")
    on_it = {"resource_type": "experiment", "resource_id": found["experiment"]["experiment_id"], "username": "user1"}
    ask(notebook, "/api/3.0/mlflow/users/permissions/revoke", on_it)
    # One that knows the way, and was there a moment ago.
    assert soon(lambda: look(notebook, "user1", cat, check=False) == "", 2)
    assert soon(lambda: "b" not in listed(notebook, "user1"), 16)
    ask(notebook, "/api/3.0/mlflow/users/permissions/grant", {**on_it, "permission": "EDIT"})
    assert soon(lambda: "b" in listed(notebook, "user1"), 16)
    assert soon(lambda: look(notebook, "user1", cat, check=False) != "", 16)


def test_a_look_wakes_a_team_and_nothing_else_does(notebook: Doors, logged: dict[str, dict[str, str]]) -> None:
    # A file is open and somebody stands there: that keeps nobody awake.
    large = look(notebook, "user1", "ls a/*@*/large.bin").strip()
    reading = (
        f"cd ~/mlflow-artifacts/vision/a && exec 9< ../{quoted(large)} && head -c 3000000 <&9 | md5sum && sleep 400"
    )
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(notebook.person, "user1", f"{reading} & echo $! > ~/held; wait; true", check=False)
        assert soon(lambda: asleep(notebook), 180)
        before = notebook.server.starts("vision")
        assert look(notebook, "user2", "ls x")
        assert notebook.server.starts("vision") == before + 1
        notebook.notebook.sh("pkill -u user1 -x sleep")
        held.result()


def test_a_restart_in_the_middle_of_a_read_is_not_noticed(notebook: Doors, logged: dict[str, dict[str, str]]) -> None:
    wanted = logged["a"]["large.bin"]
    # A part, then a restart, then the rest.
    notebook.notebook.sh("cat > /tmp/reads.py; rm -f /home/user1/half", HALF)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(look, notebook, "user1", "python /tmp/reads.py a/*@*/large.bin")
        assert soon(lambda: read.done() or notebook.notebook.sh("ls /home/user1/half", check=False) != "")
        for _time in range(2):
            notebook.notebook.sh(f"systemctl restart {SERVICE}")
        notebook.notebook.sh("rm /home/user1/half")
        assert read.result().strip() == wanted


@pytest.mark.parametrize("whom", ["main", "user"])
def test_what_is_killed_comes_back(notebook: Doors, logged: dict[str, dict[str, str]], whom: str) -> None:
    assert listed(notebook, "user1")
    main = f"systemctl show --value -p MainPID {SERVICE}"
    notebook.notebook.sh(f"kill -KILL $({main})" if whom == "main" else f"pkill -KILL -u user1 -P $({main})")
    assert soon(lambda: SEES["user1"][0] in look(notebook, "user1", "ls", check=False).split(), 20)


def test_a_server_that_hangs_keeps_nobody_beyond_a_minute(notebook: Doors, logged: dict[str, dict[str, str]]) -> None:
    assert listed(notebook, "user1")
    notebook.server.sh("systemctl kill --signal=STOP mlflow@vision")
    try:
        # Until what is known is not fresh any more.
        assert soon(lambda: hangs(notebook, "ls b", 2))
        before = time.monotonic()
        said = notebook.notebook.sh("su - user1 -c 'timeout -s INT 3 ls ~/mlflow-artifacts/vision/c; echo $?'")
        assert (said.strip(), time.monotonic() - before < 10) == ("124", True)
        before = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            names = [f"timeout 100 ls b/{number} 2>&1; echo" for number in range(20)]
            answers = list(pool.map(lambda name: look(notebook, "user1", name, check=False), names))
        assert time.monotonic() - before < 75
        assert all("timed out" in answer for answer in answers), answers
        # Whoever is not of this team, and hardened units, notice nothing.
        before = time.monotonic()
        notebook.notebook.sh("systemd-run --quiet --wait -p ProtectSystem=strict -p ProtectHome=yes true")
        assert time.monotonic() - before < 10
    finally:
        notebook.server.sh("systemctl kill --signal=CONT mlflow@vision")
    assert soon(lambda: SEES["user1"][0] in look(notebook, "user1", "ls", check=False).split(), 90)


def hangs(notebook: Doors, command: str, seconds: int) -> bool:
    return look(notebook, "user1", f"timeout -s KILL {seconds} {command}; echo $?", check=False).split()[-1:] == ["137"]


def test_the_log_in_is_nowhere_but_in_its_file(notebook: Doors, logged: dict[str, dict[str, str]]) -> None:
    assert notebook.notebook.leaks(*PASSWORDS.values()) == []


def test_status_and_doctor_tell(notebook: Doors, logged: dict[str, dict[str, str]]) -> None:
    assert listed(notebook, "user1")
    lines = notebook.notebook.sh("mlflow-mounts status").splitlines()
    assert [line.split()[:2] for line in lines] == [[u, f"/run/mlflow-mounts/{u}"] for u in (*USERS, "alice")]
    assert "MiB" in lines[0]
    assert notebook.person("user1", "mlflow-mounts doctor").split("\n")[0].split()[:3] == ["vision", "answers", "you"]


def test_who_is_offboarded_sees_nothing(notebook: Doors, logged: dict[str, dict[str, str]]) -> None:
    assert listed(notebook, "user2")
    # The seed's people are the inventory's for this run as well.
    run = notebook.play("offboard_user", "-e", "user=user2", **settings(**SEED))
    assert run.code == 0, run.output[-5000:]
    assert notebook.notebook.sh("ls /home/user2/mlflow-artifacts", check=False) == ""
    assert soon(lambda: notebook.person("user2", "ls /run/mlflow-mounts/user2") == "", 20)


def test_a_host_that_is_not_to_mount_any_more(notebook: Doors, logged: dict[str, dict[str, str]]) -> None:
    off = {**settings(**SEED), "mlflow_mounts": False}
    for again in (False, True):
        run = notebook.play("open_doors", "--limit=notebook1,proxy1", **off)
        assert run.code == 0, run.output[-5000:]
        assert (changed(run)["notebook1"] == 0) is again or not again, run.output[-5000:]
    assert "mlflow" not in notebook.notebook.sh("grep fuse /proc/mounts", check=False)
    assert notebook.notebook.sh("ls -d /usr/local/lib/mlflow-mounts /home/*/mlflow-artifacts", check=False) == ""
    # Nor one that cannot: it is told so before anything changes.
    notebook.notebook.sh("mv /dev/fuse /dev/no-fuse")
    run = notebook.play("open_doors", "--limit=notebook1,proxy1", **settings(**SEED))
    notebook.notebook.sh("mv /dev/no-fuse /dev/fuse")
    assert run.code != 0
    assert "has no /dev/fuse" in run.output
    assert notebook.notebook.sh("ls -d /usr/local/lib/mlflow-mounts", check=False) == ""
