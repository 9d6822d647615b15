"""Deploy the teams of examples/inventory on a throwaway host, and work there as their people do.

The shipped playbook does the deploying, MLflow's own client the working. Ends with who can log in
where, which also stands in build/demo.json.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import project
import testhosts
from people import People

HOST = "demo"
EXAMPLE = project.ROOT / "examples" / "inventory"
WHERE = project.BUILD / "demo" / "hosts.yml"
RESULT = project.BUILD / "demo.json"
RECAP = re.compile(r"^mlflow1\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
# Several may be the first at the same time.
ONE_START = threading.Lock()

Team = dict[str, Any]


@dataclass(frozen=True)
class Play:
    """What became of a playbook's run on inventory host mlflow1."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        """The number of changes in the recap; -1 when it did not come to one."""
        found = RECAP.search(self.output)
        return int(found.group(1)) if found else -1

    @property
    def warnings(self) -> list[str]:
        """What Ansible warned of, with the words of the collection's own code."""
        return [line for line in self.output.splitlines() if line.startswith(project.WARNINGS)]


def reach(host: testhosts.Host, file: Path = WHERE) -> Path:
    """Write how Ansible gets to the host that the example calls mlflow1."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # In one piece: another run may be reading it.
    part = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    part.write_text(json.dumps({"all": {"hosts": {"mlflow1": testhosts.connection(host)}}}, indent=2) + "\n")
    part.replace(file)
    return file


def environment() -> dict[str, str]:
    """Return the environment of Ansible runs whose output is read here."""
    return {**project.environment(), "ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_NOCOLOR": "true"}


def sources(inventories: Sequence[Path]) -> list[str]:
    """Return Ansible's arguments for these inventories."""
    return [f"--inventory={inventory}" for inventory in inventories]


def play(
    name: str, inventories: Sequence[Path], *more: str, show: bool = False, env: Mapping[str, str] | None = None
) -> Play:
    """Run one of the collection's playbooks, or one of somebody's own; with show, its output is also seen."""
    playbook = name if name.endswith(".yml") else f"mlops.mlflow.{name}"
    command = ["ansible-playbook", *sources(inventories), *more, playbook]
    lines = []
    process = subprocess.Popen(
        command,
        cwd=project.ROOT,
        env=environment() if env is None else env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        for line in process.stdout or ():
            lines.append(line)
            if show:
                print(line, end="", flush=True)
    return Play(process.returncode, "".join(lines))


def declared_teams(inventories: Sequence[Path], host: str = "mlflow1") -> list[Team]:
    """Return a host's teams as Ansible reads them, with every template resolved."""
    ask = {"msg": "{{ query('mlops.mlflow.teams') }}"}
    command = ["ansible", *sources(inventories), host, "-m", "ansible.builtin.debug", "-a", json.dumps(ask)]
    answer = project.run(command, quiet=True, env=environment()).stdout
    return list(json.loads(answer.partition("=>")[2])["msg"])


def environment_of_people() -> dict[str, str]:
    """Return what is the same for everybody who works with MLflow's client."""
    return {
        **project.environment(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # The host is on this machine, whatever stands between it and the world.
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


@functools.cache
def people() -> People:
    """Return what lets people work, started when the first of them does."""
    return People(project.MLFLOW / "bin" / "python", environment_of_people())


def person(url: str, user: Team, *arguments: str) -> dict[str, Any]:
    """Let one person work with MLflow's client; return what came of it."""
    env = {
        **environment_of_people(),
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_TRACKING_USERNAME": user["name"],
        "MLFLOW_TRACKING_PASSWORD": user["password"],
    }
    with ONE_START:
        there = people()
    code, out, err = there.work(list(arguments), env)
    if code != 0:
        raise project.ToolError(f"{user['name']} at {url}: {' '.join(arguments)}: {err.strip()}")
    return dict(json.loads(out.splitlines()[-1]))


def level(team: Team, experiment: Team, user: str) -> str | None:
    """Return what a user may do with an experiment: their own grant, or their group's."""
    if user in experiment["grants"]:
        return str(experiment["grants"][user])
    for group in team["groups"]:
        for grant in group["grants"]:
            if user in group["members"] and grant.get("experiment") in ("*", experiment["name"]):
                return str(grant["permission"])
    return None


def cast(team: Team) -> tuple[str, Team, Team]:
    """Return an experiment, with one user who may edit it and one who may only read it."""
    for experiment in team["experiments"]:
        found = {level(team, experiment, user["name"]): user for user in team["users"]}
        if {"EDIT", "READ"} <= set(found):
            return experiment["name"], found["EDIT"], found["READ"]
    raise project.ToolError(f"{team['name']}: no experiment has both an editor and a reader")


def expect(claim: str, holds: bool, answer: object) -> None:
    """Print what holds, or end with what does not."""
    if not holds:
        raise project.ToolError(f"NOT so: {claim}; the answer was {answer}")
    print(f"  ok  {claim}", flush=True)


def work(team: Team, url: str, stranger: Team) -> None:
    """Do what the team's people do all day, and what they must not."""
    experiment, editor, reader = cast(team)
    answer = person(url, editor, "log", experiment)
    what = "params, metrics, a file and a model"
    expect(f"{editor['name']} logs {what} in {experiment}, and reads them back", answer.get("kept") is True, answer)
    seen = person(url, reader, "see", experiment, "--run", answer["run"])
    expect(f"{reader['name']} reads that run", seen.get("seen") is True, seen)
    refused = person(url, reader, "write", experiment)
    expect(f"{reader['name']} may not write there", refused.get("refused") == 403, refused)
    refused = person(url, stranger, "write", experiment)
    expect(f"{stranger['name']}, of another team, is not let in", refused.get("refused") == 401, refused)


def keep(teams: list[Team], urls: dict[str, str]) -> None:
    """Write who can log in where, readable by nobody else at any moment."""
    found = []
    for team in teams:
        admin = {"username": team["admin_username"], "password": team["admin_password"]}
        users = [{"username": user["name"], "password": user["password"]} for user in team["users"]]
        found.append({"name": team["name"], "url": urls[team["name"]], "admin": admin, "users": users})
    part = RESULT.with_suffix(f".{os.getpid()}")
    with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump({"teams": found}, file, indent=2)
        file.write("\n")
    part.rename(RESULT)


def tell(teams: list[Team], urls: dict[str, str]) -> None:
    """Print who can log in where."""
    for team in teams:
        print(f"\nTeam {team['name']}: {urls[team['name']]}")
        print(f"  {team['admin_username']:10} {team['admin_password']}   (admin)")
        for user in team["users"]:
            print(f"  {user['name']:10} {user['password']}")
    print(f"\nThe same in {RESULT.relative_to(project.ROOT)}. To end it: python3 tools/testhosts.py down {HOST}")


def main() -> None:
    """Deploy, work, tell, with no other run on hosts meanwhile."""
    with project.lock("hosts"):
        show_it_all()


def show_it_all() -> None:
    """Do the steps of the demo one after the other."""
    host = testhosts.up(HOST, uv=True)
    inventories = [EXAMPLE, reach(host)]
    project.say("ansible-playbook mlops.mlflow.site")
    deployed = play("site", inventories, show=True)
    if deployed.code != 0:
        raise project.ToolError("the playbook failed")
    teams = declared_teams(inventories)
    urls = {team["name"]: f"http://{host.address}:{team['port']}" for team in teams}
    project.say("working as the teams' people, with MLflow's own client")
    for team, other in zip(teams, teams[1:] + teams[:1], strict=True):
        print(f"Team {team['name']}:")
        work(team, urls[team["name"]], other["users"][0])
    keep(teams, urls)
    tell(teams, urls)
    same = "changed=0: nothing was changed on the host, it was all as declared"
    print(same if deployed.changed == 0 else f"changed={deployed.changed}: the host is now as declared")


if __name__ == "__main__":
    project.main(main)
