"""What the whole stories share: a host, runs of the playbooks on it, and looks at it from outside."""

from __future__ import annotations

import atexit
import base64
import contextlib
import dataclasses
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import demo
import project
import pytest
import testhosts
import yaml

# Of this process alone, since the suites go on side by side.
WORK = project.BUILD / "stories" / str(os.getpid())
WHO_AM_I = "/api/2.0/mlflow/users/current"
TEAMS = Path("group_vars") / "mlflow_servers"
ALICE = {"name": "alice", "password": "alice-try-out-only"}
# How many metrics somebody logs after what happened meanwhile.
AFTERWARDS = 25
# Where a role or a server could leave a secret behind.
TREES = "/etc /home /opt /root /run /srv /tmp /usr/local /var/lib/mlflow /var/log /var/tmp"


@dataclasses.dataclass(frozen=True)
class Stage:
    """A host that plays mlflow1, and the inventory that is applied to it."""

    host: testhosts.Host
    inventory: Path = demo.EXAMPLE

    def again(self) -> Stage:
        """Return the host where it is now: it has perhaps another address since it was switched off."""
        return dataclasses.replace(self, host=testhosts.running()[self.host.name])

    def play(self, name: str, *more: str, **overrides: Any) -> demo.Play:
        """Run a playbook, with variables in place of the inventory's."""
        reach = demo.reach(self.host, WORK / f"{self.host.name}.json")
        if overrides:
            file = WORK / f"{self.host.name}-{project.digest(json.dumps(overrides))}.json"
            write_private(file, json.dumps(overrides))
            more = (*more, f"--extra-vars=@{file}")
        return demo.play(name, [self.inventory, reach], *more)

    def sh(self, command: str, feed: str = "", check: bool = True) -> str:
        """Run a shell command on the host; return what it prints."""
        run = [*testhosts.inside(self.host.container), "sh", "-c", command]
        done = subprocess.run(run, input=feed, env=project.environment(), text=True, check=False, capture_output=True)
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done.stdout

    def bring(self, name: str) -> None:
        """Put a program of the tests' own environment on the host."""
        found = shutil.which(name, path=f"{project.BUILD}/venv/bin:{os.environ['PATH']}")
        assert found, name
        place = f"/usr/local/bin/{name}"
        command = [*testhosts.inside(self.host.container), "sh", "-c", f"cat > {place} && chmod 755 {place}"]
        with open(found, "rb") as program:
            subprocess.run(command, stdin=program, env=project.environment(), check=True)

    def url(self, port: int) -> str:
        """Return where a team is reached from here."""
        return f"http://{self.host.address}:{port}"

    def ask(self, port: int, name: str, password: str, path: str = WHO_AM_I, body: Any = None) -> int:
        """Return the status that a request is answered with; 0 where nobody listens."""
        return self.answer(port, name, password, path, body)[0]

    def answer(
        self, port: int, name: str, password: str, path: str, body: Any = None, address: str = ""
    ) -> tuple[int, str]:
        """Return the status and the text that a request is answered with; 0 where nobody listens."""
        credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        # Never through a proxy, unlike urllib: the host is on this machine.
        connection = http.client.HTTPConnection(address or self.host.address, port, timeout=120)
        try:
            connection.request("GET" if body is None else "POST", path, body and json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def login(self, port: int, name: str, password: str) -> int:
        """Return the status a log-in is answered with."""
        return self.ask(port, name, password)

    def journal(self, options: str) -> str:
        """Return what is in the journal, once all that was said so far is written."""
        return self.sh(f"journalctl --sync; journalctl --no-pager --output=cat {options}")

    def starts(self, team: str) -> int:
        """Return how often the team's server has been started."""
        lines = self.journal(f"--unit=mlflow@{team}.service").splitlines()
        return sum(line.startswith("Started mlflow@") for line in lines)

    def lives(self, *teams: str) -> dict[str, str]:
        """Return what is new after any restart of the teams' units."""
        units = [f"{unit}@{team}" for team in teams for unit in ("mlflow", "mlflow-listen")]
        found = {
            unit: self.sh(f"systemctl show --value --property=InvocationID {unit}.service").strip() for unit in units
        }
        assert all(found.values())
        return found

    def leaks(self, *secrets: str) -> list[str]:
        """Return where on the host others can see any of these."""
        channels = {
            "journal": "journalctl --no-pager --output cat",
            "processes": "ps axww -o args",
            "units": "systemctl show --all 'mlflow*'; systemctl cat 'mlflow*'",
        }
        said = {name: self.sh(command) for name, command in channels.items()}
        found = [name for name, text in said.items() if any(it in text for it in secrets)]
        # One that all may read shows that the search works.
        patterns = "\n".join([*secrets, "root:x:0:0"]) + "\n"
        nobody = "setpriv --reuid=nobody --regid=nogroup --clear-groups"
        search = f"{nobody} grep -rlFs --devices=skip --exclude-dir=site-packages -f - {TREES}"
        files = self.sh(search, feed=patterns, check=False).splitlines()
        assert "/etc/passwd" in files
        return found + [file for file in files if not file.startswith("/etc/passwd")]


@atexit.register
def forget_work() -> None:
    """Remove what was written, which has passwords, and what is left of who was killed."""
    for work in WORK.parent.glob("[0-9]*"):
        if work == WORK or not Path("/proc", work.name).exists():
            shutil.rmtree(work, ignore_errors=True)


def write_private(file: Path, text: str) -> None:
    """Write a file with passwords in it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(text)


def example(team: str, **changes: Any) -> dict[str, Any]:
    """Return a team of the example, changed."""
    text = (demo.EXAMPLE / TEAMS / f"team_{team}.yml").read_text()
    return {**yaml.safe_load(text)[f"mlflow_team_{team}"], **changes}


def with_team(team: dict[str, Any], name: str = "inventory") -> Path:
    """Return a copy of the example inventory with one team's file more."""
    copy = WORK / name
    if not copy.exists():
        shutil.copytree(demo.EXAMPLE, copy)
    write_private(copy / TEAMS / f"team_{team['name']}.yml", yaml.safe_dump({f"mlflow_team_{team['name']}": team}))
    return copy


def forget(stage: Stage, team: str) -> None:
    """Remove all that a host has of a team, by hand."""
    units = f"mlflow@{team}.service mlflow-listen@{team}.socket mlflow-listen@{team}.service"
    stage.sh(f"systemctl disable --quiet --now {units}", check=False)
    places = " ".join([f"/etc/mlflow/{team}", f"/var/lib/mlflow/{team}", f"/etc/systemd/system/mlflow*@{team}.*"])
    stage.sh(f"rm -rf {places}; userdel mlflow-{team}; systemctl daemon-reload; systemctl reset-failed", check=False)


def forget_backups(stage: Stage, repository: str) -> None:
    """Remove all that a host has of its backups, by hand."""
    stage.sh("systemctl stop 'mlflow-backup*.timer'", check=False)
    units = "/etc/systemd/system/mlflow-backup* /etc/systemd/system/timers.target.wants/mlflow-backup*"
    stage.sh(f"rm -rf /etc/mlflow-backup {units} {repository}; systemctl daemon-reload")


def soon(holds: Callable[[], bool], seconds: int = 600) -> bool:
    """Say whether something comes to hold; it may take long on a busy machine."""
    deadline, pause = time.monotonic() + seconds, 0.2
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        # What takes longer is not brought about by asking for it all the time.
        pause = min(pause * 1.1, 1)
    return True


def stream_during(
    stage: Stage,
    what: Callable[[], object],
    *more: str,
    port: int = 5001,
    who: dict[str, str] | None = None,
    experiment: str = "resnet",
) -> dict[str, Any]:
    """Let somebody, Alice unless another is named, log one metric after the other while something happens.

    However long that takes, it began before and ends when some more have been acknowledged afterwards.
    """
    mark = WORK / f"streams-{port}"
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.unlink(missing_ok=True)
    stream = ("stream", experiment, "--seconds", "3600", "--mark", str(mark), "--after", str(AFTERWARDS))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(demo.person, stage.url(port), who or ALICE, *stream, *more)
        try:
            assert soon(lambda: answer.done() or mark.exists())
            what()
        finally:
            mark.unlink(missing_ok=True)
        return answer.result()


@contextlib.contextmanager
def cut_off(command: list[str]) -> Iterator[Path]:
    """Begin a run of Ansible, and kill it with all that it has started here; give the file that has its output."""
    WORK.mkdir(parents=True, exist_ok=True)
    file = WORK / "cut_off.log"
    with open(file, "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=project.ROOT, env=demo.environment(), stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield file
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def in_order(config: pytest.Config, items: list[pytest.Item], folder: Path, names: str) -> None:
    """Have the files of a suite in an order; whoever names several of them has the order in which they are named."""
    if len(config.args) > 1:
        return
    places = (folder / name for name in names.split())
    ranks = {place.with_name(f"test_{place.name}.py"): number for number, place in enumerate(places)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)) if folder in item.path.parents else -1)


def last_words(run: demo.Play) -> str:
    """Return the message that the run ends with."""
    (fatal,) = re.findall(r"^(?:fatal|failed): \[mlflow1\].*", run.output, re.MULTILINE)
    (message,) = re.findall(r'"msg": "((?:[^"\\]|\\.)*)"', fatal)
    return str(message)
