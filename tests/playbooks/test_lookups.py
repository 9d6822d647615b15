"""Each secret is looked up once, however many teams there are: whoever keeps them may take half a second for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playbooks.stage import Stage


def looked_up(stage: Stage, asked: Path) -> dict[str, Any]:
    """Return what is declared, with each password from a lookup that leaves a line of its own."""
    declared: dict[str, Any] = json.loads(stage.inventory.read_text())["all"]["children"]["mlflow_servers"]["hosts"][
        "mlflow1"
    ]
    for team in declared["mlflow_teams"]:
        for person, key in [(team, "admin_password"), *((user, "password") for user in team["users"])]:
            name = f"{team['name']} {person.get('password') and person['name']}"
            command = f"echo '{name}' >> {asked}; printf %s {person[key]}"
            person[key] = f"{{{{ lookup('ansible.builtin.pipe', {command!r}) }}}}"
    return declared


@pytest.mark.parametrize(
    ("playbook", "given"),
    [
        ("offboard_user", {"user": "nobody-of-this-name"}),
        ("report_access", {}),
        ("rotate_passwords", {"team": "vision"}),
    ],
)
def test_each_secret_is_looked_up_once(untouched: Stage, tmp_path: Path, playbook: str, given: dict[str, str]) -> None:
    asked = tmp_path / "asked"
    inventory = untouched.declare("looked_up.json", looked_up(untouched, asked))
    more = {"dest": str(tmp_path / "new.yml"), "mlflow_access_report_dir": str(tmp_path / "report")}
    run = untouched.play(playbook, "--check", inventory=inventory, **given, **more)
    assert run.code == 0, run.output
    lines = asked.read_text().splitlines()
    assert len(lines) > 5
    assert sorted(lines) == sorted(set(lines))
