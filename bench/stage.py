"""The one host that is measured, its teams, and how playbooks and questions get there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import demo
import measure
import project
import servers
import testhosts

HERE = Path(__file__).parent
NAME = "bench"
HOME = project.BUILD / "bench" / "hosts"
# Without it the passwords of a host that was kept are lost.
SEED = HOME / "seed"
COUNTS = HOME / "counts"
FIRST_PORT = 20001
IDLE_TIMEOUT = "1min"
VERSION = (project.ROOT / "requirements-mlflow.txt").read_text().partition("mlflow[auth]==")[2].split()[0]
ENVIRONMENT = f"/opt/mlflow/{VERSION}"
PYTHON = f"{ENVIRONMENT}/bin/python"
# A size that is measured, and beside which one team more is onboarded.
BESIDE = 50
STOCK_PORT = 19999
STOCK_HOME = "/var/lib/stock"


def team(number: int, seed: str) -> dict[str, Any]:
    """Return one declared team: two users, a group and an experiment with grants."""
    name = f"t{number:03}"
    users = [{"name": f"{name}-{who}", "password": f"{who}-{name}-{seed}"} for who in ("writer", "reader")]
    group = {"name": "readers", "members": [users[1]["name"]], "grants": [{"experiment": "*", "permission": "READ"}]}
    return {
        "name": name,
        "port": FIRST_PORT + number - 1,
        "admin_password": f"admin-{name}-{seed}",
        "update_password": "on_create",
        "users": users,
        "groups": [group],
        "experiments": [{"name": "first", "grants": {users[0]["name"]: "EDIT"}}],
    }


def write_private(file: Path, text: str) -> Path:
    """Write a file with passwords in it, in place of the former."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    servers.write_private(file, text)
    return file


def seed_of_passwords() -> str:
    """Return what this host's passwords end in."""
    if not SEED.exists():
        write_private(SEED, secrets.token_hex(8))
    return SEED.read_text()


@dataclass(frozen=True)
class Cost:
    """What one run of a playbook took."""

    seconds: float
    remote: int
    changed: int


@dataclass
class Stage:
    """The host, and how many teams are on it."""

    host: testhosts.Host
    seed: str = field(default_factory=seed_of_passwords)
    teams: int = 0
    most: int = 0

    def inventory(self, teams: int) -> Path:
        """Write the inventory of so many teams."""
        reach = json.loads(demo.reach(self.host, HOME / "reach.json").read_text())
        settings = {
            "mlflow_version": VERSION,
            "mlflow_server_idle_timeout": IDLE_TIMEOUT,
            "mlflow_teams": [team(number, self.seed) for number in range(1, teams + 1)],
        }
        group = {"hosts": reach["all"]["hosts"], "vars": settings}
        whole = {"all": {"children": {"mlflow_servers": group}}}
        return write_private(HOME / "inventory.json", json.dumps(whole))

    def play(self, playbook: str, teams: int, *more: str) -> Cost:
        """Run a playbook for so many teams; count what it does on the host."""
        command = ["ansible-playbook", playbook, f"--inventory={self.inventory(teams)}", *more]
        environment = {
            **demo.environment(),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "count_remote",
            "BENCH_COUNTS": str(COUNTS),
        }
        started = time.monotonic()
        measure.run_whole(command, environment)
        counted = json.loads(COUNTS.read_text())
        cost = Cost(time.monotonic() - started, counted["remote"], counted["changed"])
        project.say(
            f"{Path(playbook).name}, {teams} teams: {cost.seconds:.1f} s, {cost.remote} remote executions, "
            f"{cost.changed} changed"
        )
        return cost

    def deploy(self, teams: int) -> None:
        """Have so many teams on the host, if they are not there yet."""
        if self.teams < teams:
            self.play("mlops.mlflow.site", teams)
            self.teams = teams

    def reboot(self) -> None:
        """Cut the host off its power, and let it boot again; it may have another address then."""
        testhosts.podman("kill", self.host.container)
        testhosts.podman("start", self.host.container)
        testhosts.wait_until_booted(self.host.name)
        self.host = testhosts.running()[self.host.name]

    def ask(self, do: str, timeout: float = 600, **given: Any) -> Any:
        """Run one of the functions of on_host.py on the host."""
        code = (HERE / "on_host.py").read_text()
        return json.loads(self.run(["python3", "-c", code], json.dumps({"do": do, **given}), timeout))

    def run(self, command: list[str], feed: str = "", timeout: float = 600) -> str:
        """Run a command on the host; return what it prints."""
        whole = [*testhosts.inside(self.host.container), *command]
        try:
            done = subprocess.run(
                whole,
                input=feed,
                env=project.environment(),
                text=True,
                check=False,
                capture_output=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise project.ToolError(f"not done after {timeout:.0f} s on the host: {command[0]}") from error
        if done.returncode != 0:
            raise project.ToolError(f"failed on the host: {command[0]}\n{done.stderr[-2000:]}")
        return done.stdout

    def who(self, number: int = 1) -> dict[str, Any]:
        """Return how a team's writer is reached, for on_host.py."""
        declared = team(number, self.seed)
        writer = declared["users"][0]
        return {"port": declared["port"], "user": writer["name"], "password": writer["password"]}


@contextlib.contextmanager
def stock_server(on: Stage) -> Iterator[dict[str, Any]]:
    """Run MLflow as it ships as a unit of its own, and give how it is reached; leave nothing of it."""
    who = {"port": STOCK_PORT, "user": "admin", "password": f"admin-stock-{on.seed}"}
    settings = {
        "HOME": STOCK_HOME,
        "MLFLOW_AUTH_ADMIN_PASSWORD": who["password"],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(),
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{STOCK_HOME}/mlflow.db",
        "MLFLOW_ARTIFACTS_DESTINATION": f"{STOCK_HOME}/artifacts",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    # Without a bound of its own it may wait for ever when it is asked to stop.
    gone = f"systemctl kill --signal=KILL stock; systemctl stop stock; rm -rf {STOCK_HOME}"
    unit = ["systemd-run", "--quiet", "--collect", "--unit=stock", f"--working-directory={STOCK_HOME}"]
    unit += [f"--property=EnvironmentFile={STOCK_HOME}/environment"]
    server = [PYTHON, "-m", "mlflow", "server", "--app-name", "basic-auth", "--port", str(STOCK_PORT)]
    try:
        on.run(["sh", "-c", f"{gone}; umask 077; mkdir {STOCK_HOME} && cat > {STOCK_HOME}/environment"], lines)
        on.run([*unit, *server])
        wait_for(on, who)
        time.sleep(measure.SETTLE)
        yield who
    finally:
        on.run(["sh", "-c", gone])


def wait_for(on: Stage, who: dict[str, Any], seconds: float = 180) -> None:
    """Wait until the stock server answers somebody who logged in."""
    end = time.monotonic() + seconds
    while True:
        try:
            on.ask("first_answer", who=who)
        except project.ToolError:
            if time.monotonic() > end:
                journal = on.run(["journalctl", "--unit=stock", "--lines=20", "--output=cat", "--no-pager"])
                raise project.ToolError(f"the stock server did not come up:\n{journal}") from None
            time.sleep(1)
        else:
            return


def prepare(fresh: bool) -> Stage:
    """Return the host, with nothing on it unless it was kept from a former run."""
    if fresh:
        forget()
    os.makedirs(HOME, exist_ok=True)
    return Stage(testhosts.up(NAME, uv=True))


def forget() -> None:
    """Remove the host, and the passwords that were for it."""
    testhosts.down([NAME])
    shutil.rmtree(HOME, ignore_errors=True)


def memory_of_host() -> int:
    """Return the GiB that the host has, which are this machine's."""
    found = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return round(int(found[1]) / 1024**2) if found else 0
