"""What a playbook works on is given with -e alone: an inventory may have variables of the same names for itself."""

from __future__ import annotations

import json

import pytest
from playbooks.stage import Stage

# As an inventory may well have them.
THEIRS = {
    "team": "vision",
    "user": "alice",
    "users": "alice",
    "source": "mlflow1",
    "target": "mlflow1",
    "dest": "/nonexistent/file",
    "snapshot": "latest",
    "at": "2026-01-01",
    "as": "nlp",
    "from_host": "mlflow1",
    "team_port": 5001,
}


@pytest.mark.parametrize(
    ("playbook", "message"),
    [
        ("offboard_user", "user: name the user to remove from every team"),
        ("onboard_team", "team: name the team to onboard"),
        ("upgrade_team", "team: name the team to upgrade"),
        ("rotate_passwords", "team, dest: name the team and the file for the new passwords"),
        ("rotate_secrets", "team, dest: name the team and the file for the new password"),
        ("restore_team", "team: name the team to restore"),
        ("move_team", "team, source, target: name the team, the host it is on and the one it moves to"),
        ("move_stores", "team: name the team to move, as in"),
        ("readmit_admin", "team: name the team whose admin is locked out"),
        ("export_access", "team, team_port, dest: give the team's name, its future port and the file to write"),
    ],
)
def test_variables_of_an_inventory_are_not_taken(untouched: Stage, playbook: str, message: str) -> None:
    declared = json.loads(untouched.inventory.read_text())["all"]["children"]["mlflow_servers"]["hosts"]["mlflow1"]
    before = untouched.users("vision")
    run = untouched.play(playbook, inventory=untouched.declare("theirs.json", {**declared, **THEIRS}))
    assert run.code != 0
    assert message in " ".join(run.output.split()), run.output
    assert untouched.users("vision") == before
