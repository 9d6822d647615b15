"""The role that manages all teams' people: a team that fails does not keep the others from being managed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import demo
import project
import pytest
import servers
from playbooks.stage import Stage

HERE = Path(__file__).parent


def play(book: str, inventory: Path, *more: str) -> demo.Play:
    command = ["ansible-playbook", f"--inventory={inventory}", *more, HERE / book]
    done = project.run(command, quiet=True, check=False, env=demo.environment())
    return demo.Play(done.returncode, done.stdout + done.stderr)


@pytest.fixture
def teams(stage: Stage) -> list[dict[str, Any]]:
    """Return the declaration of both teams and of one whose server is down, with something new in each."""
    hosts = json.loads(stage.inventory.read_text())["all"]["children"]["mlflow_servers"]["hosts"]
    declared: list[dict[str, Any]] = hosts["mlflow1"]["mlflow_teams"]
    down = {"name": "audio", "port": servers.free_port(), "admin_password": 'its "own" password'}
    declared.insert(0, down)
    for team in declared:
        team["groups"] = [*team.get("groups", []), {"name": "new 🙂 ones", "members": [], "grants": []}]
    return declared


def groups(stage: Stage, team: str) -> list[str]:
    path = "/api/3.0/mlflow/roles/list?workspace=default"
    return [role["name"] for role in stage.get(team, path)[1]["roles"] if not role["name"].startswith("__")]


def test_the_others_are_managed_and_the_run_ends_with_the_one_that_failed(stage: Stage, teams: Any) -> None:
    inventory = stage.declare("teams.json", {"mlflow_teams": teams})
    run = play("fill.yml", inventory, "-vvv", "--diff")
    assert run.code != 0
    assert re.search(r'"msg": "audio: GET http://127.0.0.1:\d+/version: .*Connection refused.*"', run.output)
    assert run.output.count("RUNNING HANDLER [mlops.mlflow.mlflow_access : Fail with the teams that failed]") == 1
    assert "vision:\n+ group new 🙂 ones\n" in run.output
    assert "new 🙂 ones" in groups(stage, "vision")
    assert "new 🙂 ones" in groups(stage, "nlp")
    assert stage.shown(run.output) == []
    assert 'its \\"own\\" password' not in run.output
    # One task for all teams, of which none is named by an item.
    assert len(re.findall(r"TASK \[mlops.mlflow.mlflow_access : Manage users", run.output)) == 1
    assert "item=" not in run.output
    del teams[0]
    again = stage.fill(inventory=stage.declare("teams.json", {"mlflow_teams": teams}))
    assert re.search(r"changed=0 .*failed=0", again.output)


def test_check_mode_takes_it_for_one_that_is_to_come(stage: Stage, teams: Any) -> None:
    run = play("fill.yml", stage.declare("teams.json", {"mlflow_teams": teams}), "--check", "--diff")
    assert run.code == 0, run.output
    assert "audio: would be managed once its server runs: GET http://127.0.0.1:" in run.output
    assert "nlp:\n+ group new 🙂 ones\n" in run.output
    assert "new 🙂 ones" not in groups(stage, "nlp")


def test_teams_that_failed_before_are_left_alone_and_named_too(stage: Stage, teams: Any) -> None:
    run = play("one_failed.yml", stage.declare("teams.json", {"mlflow_teams": teams}))
    assert run.code != 0
    assert re.search(
        r'"audio: GET .*Connection refused.*\\nnlp: did not start"|"nlp: did not start\\naudio: GET', run.output
    )
    assert "new 🙂 ones" in groups(stage, "vision")
    assert "new 🙂 ones" not in groups(stage, "nlp")
