"""Each person's artifacts, as files, on the host where they work: what they may read, and nothing of anybody else's."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from e2e import mounted
from e2e.mounted import MAIN, PASSWORDS, SEED, SEES, SERVICE, USERS, ask, asleep, listed, look, processes, settings
from e2e.proxied import Doors, changed, quoted
from e2e.stage import ALICE, Stage, soon

Sums = dict[str, dict[str, str]]
LARGE = 64 * 1024**2
TOP = "/run/mlflow-mounts/user1"

# Looks into another process as a debugger would; prints 0 where it may.
ATTACH = "import ctypes, sys; print(ctypes.CDLL(None).ptrace(16, int(sys.argv[1]), 0, 0))"


@pytest.fixture(scope="module")
def notebook(converged: Stage) -> Iterator[Doors]:
    """Give the demo's teams a proxy, and people a host to work on."""
    there = mounted.prepare(converged)
    host = there.notebook
    with ThreadPoolExecutor(1) as pool:
        equipped = pool.submit(there.equip, "nbclient", "ipykernel")
        host.sh("mkdir /home/user2/mlflow-artifacts")
        refused = there.play("site", **settings(**SEED))
        equipped.result()
    # What somebody has there is theirs; everything else was done, and it says so.
    assert refused.code != 0
    assert "/home/user2/mlflow-artifacts is there already" in refused.output, refused.output[-5000:]
    assert host.sh("ls /usr/local/lib/mlflow-mounts", check=False) == ""
    host.sh("rmdir /home/user2/mlflow-artifacts")
    run = there.play("configure_proxies", **settings(**SEED))
    assert run.code == 0, run.output[-5000:]
    yield there
    mounted.leave(converged)


@pytest.fixture(scope="module")
def logged(notebook: Doors) -> Sums:
    """Log what there is to see; return the checksum of each file, by experiment and run."""
    notebook.notebook.sh("cat > /tmp/log.py", mounted.LOG.read_text())
    notebook.notebook.sh("cat > /tmp/read.py", mounted.READ.read_text())
    said = notebook.person("alice", f"mlflow-team vision python /tmp/log.py {LARGE}")
    return dict(json.loads(said.splitlines()[-1]))


def note_in(notebook: Doors, experiment: str) -> str:
    """Return where user1 finds a file of an experiment."""
    return look(notebook, "user1", f"ls {experiment}/*@*/note.txt").strip()


def test_a_second_run_changes_nothing(notebook: Doors) -> None:
    for options in ((), ("--check",)):
        run = notebook.play("configure_proxies", *options, **settings(**SEED))
        assert (run.code, run.warnings) == (0, []), run.output[-5000:]
        assert changed(run)["notebook1"] == 0, run.output[-5000:]
    assert processes(notebook) == []


def test_each_sees_what_they_may_read(notebook: Doors, logged: Sums) -> None:
    for user, names in SEES.items():
        mine = [name for name in listed(notebook, user) if name != "resnet"]
        assert (user, mine) == (user, names)
        found = sums_of(notebook, user)
        by_client = mounted.sums(notebook.person(user, "mlflow-team vision python /tmp/read.py"))
        assert found == by_client
        wanted = {digest for name in names for digest in logged[name.replace("%2F", "/")].values()}
        assert set(found.values()) == wanted
    assert processes(notebook) == list(USERS)


def sums_of(notebook: Doors, user: str) -> dict[str, str]:
    return mounted.sums(look(notebook, user, "find . -type f -exec md5sum {} +"))


def test_nobody_gets_at_what_is_anothers(notebook: Doors, logged: Sums) -> None:
    host = notebook.notebook
    note = note_in(notebook, "b")
    # user1 stands in it, with a file open.
    standing = f"cd {quoted(f'{TOP}/vision/{note}'.rpartition('/')[0])} && exec 9< note.txt && exec sleep 300"
    host.sh(f"systemd-run --quiet --uid=user1 --gid=user1 --unit=holding sh -c {quoted(standing)}")
    assert soon(lambda: host.sh("pgrep -u user1 -x sleep", check=False) != "", 30)
    pid = host.sh("pgrep -u user1 -x sleep").strip()
    ways = [TOP, f"{TOP}/vision/{note}", f"/proc/{pid}/cwd/note.txt", f"/proc/{pid}/fd/9", f"/proc/{pid}/root{TOP}"]
    tried = f'for way in {" ".join(quoted(way) for way in ways)}; do ls "$way/"; cat "$way"; done; true'
    assert notebook.person("user2", tried) == ""
    # Nor root, as long as it does not become user1.
    assert host.sh(tried) == ""
    # The process that answers was root's: nobody looks into it, not even whose it is, and it has nothing of user2's.
    server = host.sh(f"pgrep -u user1 -P {MAIN}").strip()
    for user in USERS:
        tried = f"cd /proc/{server} && ls fd; cat environ; head -c1 mem; true"
        assert (user, notebook.person(user, tried)) == (user, "")
        assert notebook.person(user, f"/usr/bin/python3 -c {quoted(ATTACH)} {server}").strip() == "-1"
    facts = host.sh(f"cat /proc/{server}/status")
    assert re.findall(r"(?m)^(?:Cap(?:Prm|Eff)|NoNewPrivs):\s+(\S+)", facts) == ["0" * 16, "0" * 16, "1"]
    assert host.sh(f"ls -l /proc/{server}/fd").count("/dev/fuse") == 1
    host.sh("systemctl stop holding")
    # What is not theirs is not there either, for whoever knows its name.
    for name in ("x", f"x/{note.split('/')[1]}"):
        said = look(notebook, "user1", f"ls -d {quoted(name)} 2>&1", check=False)
        assert said.endswith("No such file or directory\n")
    for command in ("touch b/new", "mkdir b/new", "rm -r b", "mv b d", "chmod 777 b"):
        assert "Read-only file system" in look(notebook, "user1", f"{command} 2>&1", check=False)


def test_what_is_revoked_is_gone_and_what_is_granted_is_there(notebook: Doors, logged: Sums) -> None:
    cat = f"cat {quoted(note_in(notebook, 'b'))}"
    assert look(notebook, "user1", cat) == "a note of b"
    found = ask(notebook, "/api/2.0/mlflow/experiments/get-by-name?experiment_name=b")
    on_it = {"resource_type": "experiment", "resource_id": found["experiment"]["experiment_id"], "username": "user1"}
    ask(notebook, "/api/3.0/mlflow/users/permissions/revoke", on_it)
    # Also one that knows the way, since each is asked for; for how long names are kept, test_mounts_tree.py says.
    assert soon(lambda: look(notebook, "user1", cat, check=False) == "")
    assert soon(lambda: "b" not in listed(notebook, "user1"))
    ask(notebook, "/api/3.0/mlflow/users/permissions/grant", {**on_it, "permission": "EDIT"})
    assert soon(lambda: "b" in listed(notebook, "user1"))
    assert soon(lambda: look(notebook, "user1", cat, check=False) == "a note of b")


@pytest.mark.parametrize("kill", [f"kill -KILL {MAIN}", f"pkill -KILL -u user1 -P {MAIN}"], ids=["main", "user"])
def test_what_is_killed_comes_back(notebook: Doors, logged: Sums, kill: str) -> None:
    assert "b" in listed(notebook, "user1")
    notebook.notebook.sh(kill)
    assert soon(lambda: "b" in listed(notebook, "user1"), 20)


def test_the_example_runs_as_it_stands(notebook: Doors, logged: Sums) -> None:
    host = notebook.notebook
    host.sh("cat > /tmp/quickstart.ipynb", mounted.NOTEBOOK.read_text())
    host.sh("cat > /tmp/run_notebook.py", mounted.RUN_NOTEBOOK.read_text())
    said = notebook.person("alice", "python /tmp/run_notebook.py /tmp/quickstart.ipynb")
    cells = json.loads(said)["cells"]
    # From the file below ~/mlflow-artifacts.
    assert "".join(cells[-1]["outputs"][0]["text"]) == "what the picture shows\n"
    assert ALICE["password"] not in said


def test_no_secret_is_to_be_seen(notebook: Doors, logged: Sums) -> None:
    host = notebook.notebook
    assert processes(notebook) != []
    passwords = {**PASSWORDS, ALICE["name"]: ALICE["password"]}
    sent = [base64.b64encode(f"{user}:{password}".encode()).decode() for user, password in passwords.items()]
    secrets = [*passwords.values(), *sent]
    assert host.leaks(*secrets) == []
    # Nor in what root sees of it.
    shown = host.sh(
        f"cat /proc/*/mountinfo /etc/mlflow-mounts/* /proc/{MAIN}/environ; mlflow-mounts status", check=False
    )
    assert "user1" in shown
    assert [secret for secret in secrets if secret in shown] == []


def test_who_reads_notices_no_restart(notebook: Doors, logged: Sums) -> None:
    host = notebook.notebook
    before, main = mounted.mounts(notebook), host.sh(f"echo {MAIN}")
    with mounted.holding(notebook, "user1", large_in(notebook, "user1"), LARGE // 2) as read:
        host.sh(f"systemctl restart {SERVICE}")
    assert read.result().split()[0] == logged["a"]["large.bin"]
    # The mounts are what they were, of another process.
    assert mounted.mounts(notebook) == before
    assert host.sh(f"echo {MAIN}") != main


def large_in(notebook: Doors, user: str) -> str:
    """Return where somebody finds the large file."""
    return look(notebook, user, "ls a/*@*/large.bin").strip()


@pytest.fixture(scope="module")
def hung(notebook: Doors, logged: Sums) -> Iterator[Future[str]]:
    """Let the server of one of user1's teams hang, and user1 look at it: what that comes to."""
    server = notebook.server
    # Awake, and nobody has looked at it yet.
    assert soon(lambda: notebook.person("user1", "ls ~/mlflow-artifacts/nlp", check=False) != "")
    server.sh("systemctl kill --signal=STOP mlflow@nlp.service")
    with ThreadPoolExecutor(1) as pool:
        try:
            # Whatever was known is forgotten.
            notebook.notebook.sh(f"systemctl restart {SERVICE}")
            yield pool.submit(notebook.person, "user1", "ls ~/mlflow-artifacts/nlp 2>&1", check=False)
        finally:
            server.sh("systemctl kill --signal=CONT mlflow@nlp.service")


def test_a_server_that_hangs_keeps_nobody_else_waiting(notebook: Doors, hung: Future[str]) -> None:
    # Ctrl-C is heard, another team answers, and units start: all while the first look still waits.
    assert notebook.person("user1", "timeout --signal=INT 1 ls ~/mlflow-artifacts/nlp; echo $?").split() == ["124"]
    assert "a" in listed(notebook, "user1")
    notebook.notebook.sh("systemd-run --quiet --wait -p ProtectSystem=strict -p ProtectHome=yes -p PrivateTmp=yes true")
    assert not hung.done(), hung.result()


def test_a_look_alone_wakes_a_team_and_an_open_file_keeps_none_awake(notebook: Doors, logged: Sums) -> None:
    host = notebook.notebook
    with mounted.holding(notebook, "user2", large_in(notebook, "user2"), LARGE // 2) as read:
        assert soon(lambda: asleep(notebook), 300)
        starts = notebook.server.starts("vision")
        # What is known without its server.
        assert notebook.person("user2", "ls ~/mlflow-artifacts") == "nlp\nvision\n"
        host.sh("mlflow-mounts status; mlflow-mounts doctor")
        assert (asleep(notebook), notebook.server.starts("vision")) == (True, starts)
    assert read.result().split()[0] == logged["a"]["large.bin"]
    assert notebook.server.starts("vision") == starts + 1


def test_a_server_that_hangs_keeps_nobody_for_ever(notebook: Doors, hung: Future[str]) -> None:
    assert "Connection timed out" in hung.result()
    notebook.server.sh("systemctl kill --signal=CONT mlflow@nlp.service")
    assert soon(lambda: notebook.person("user1", "ls ~/mlflow-artifacts/nlp", check=False) != "")


def test_who_is_offboarded_has_nothing(notebook: Doors, logged: Sums) -> None:
    assert listed(notebook, "user2") != []
    run = notebook.play("offboard_user", "-e", "user=user2", **settings(**SEED))
    assert run.code == 0, run.output[-5000:]
    assert soon(lambda: notebook.person("user2", "ls -A /run/mlflow-mounts/user2") == "")
    assert notebook.notebook.sh("ls -d /home/user2/mlflow-artifacts", check=False) == ""


def test_it_is_taken_back_and_a_host_that_cannot_mount_is_refused(notebook: Doors, logged: Sums) -> None:
    host = notebook.notebook
    given = {**settings(**SEED), "mlflow_mounts": False}
    there = f"ls -d {mounted.WRITTEN} /home/*/mlflow-artifacts"
    assert host.sh(there).count("\n") >= 6
    for changes in (True, False):
        run = notebook.play("configure_proxies", "--limit=notebook1", **given)
        assert (run.code, changed(run)["notebook1"] > 0) == (0, changes), run.output[-5000:]
        assert (host.sh(there, check=False), mounted.mounts(notebook)) == ("", [])
    host.sh("mv /dev/fuse /dev/fuse.away")
    run = notebook.play("configure_proxies", "--limit=notebook1", **settings(**SEED))
    host.sh("mv /dev/fuse.away /dev/fuse")
    assert run.code != 0
    assert "mlflow_mounts: notebook1 has no /dev/fuse; load the kernel's module fuse there" in run.output
    assert changed(run)["notebook1"] == 0, run.output[-5000:]
    assert host.sh(there, check=False) == ""
