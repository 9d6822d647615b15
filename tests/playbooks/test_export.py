"""What mlops.mlflow.export_access writes is the declaration of the server it read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from playbooks.stage import Stage, mode

TEMPLATES = ["{{ lookup('pipe', 'id') }}", "with {% raw %} in it", "a {# remark"]
TEXTS = [
    "two\nlines: !vault |\n  {x",
    "!unsafe 'x'",
    "a: [*b, &c] # d",
    "\x1b[2K\u2028\u202e",
    "é 漢字",
    "12",
    "=",
    "null",
]


@pytest.fixture
def as_admin(untouched: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Give the address and the admin of vision in the way the mlflow client takes them."""
    stage = untouched
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stage.addresses["vision"])
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", stage.passwords["vision"]["admin"])
    return stage


def exported(stage: Stage, dest: Path) -> dict[str, Any]:
    """Export vision; return the file's contents."""
    port = stage.addresses["vision"].rpartition(":")[2]
    run = stage.play("export_access", "-vvv", "--diff", team="vision", team_port=port, dest=str(dest))
    assert run.code == 0, run.output
    assert stage.shown(run.output) == []
    assert stage.shown(dest.read_text()) == []
    return DataLoader().load_from_file(str(dest), trusted_as_template=True)


def test_the_file_given_back_changes_nothing(as_admin: Stage, tmp_path: Path) -> None:
    stage = as_admin
    variables = exported(stage, tmp_path / "team_vision.yml")
    assert list(variables) == ["mlflow_team_vision"]
    vault = {"vault_mlflow_passwords": {"vision": {"admin": stage.passwords["vision"]["admin"]}}}
    before = stage.users("vision")
    run = stage.fill("--diff", inventory=stage.declare("exported.json", {**variables, **vault}))
    assert run.changed == 0, run.output
    assert stage.users("vision") == before


def test_the_file_says_who_is_there(as_admin: Stage, tmp_path: Path) -> None:
    dest = tmp_path / "team_vision.yml"
    team = exported(as_admin, dest)["mlflow_team_vision"]
    assert mode(dest) == "0o640"
    assert team["name"] == "vision"
    assert team["default_permission"] == "NO_PERMISSIONS"
    assert {user["name"] for user in team["users"]} == set(as_admin.users("vision")) - {"admin"}
    assert [user["name"] for user in team["users"] if user.get("admin")] == ["dora"]
    assert not any("password" in user for user in team["users"])
    assert team["admin_password"] == "{{ vault_mlflow_passwords.vision.admin }}"
    (group,) = team["groups"]
    assert group["members"] == ["carol", "gina"]
    experiments = {thing["name"]: thing.get("grants") for thing in team["experiments"]}
    assert experiments["resnet"] == {"alice": "MANAGE", "bob": "EDIT"}
    assert experiments["scratch"] == {"frank": "MANAGE"}


def test_what_an_inventory_would_carry_out_is_refused(as_admin: Stage, tmp_path: Path) -> None:
    # Any user can make an experiment, whose name would be a template in a file of variables.
    as_admin.client("vision", "create", "erin", *TEMPLATES)
    try:
        run = as_admin.play("export_access", team="vision", team_port="5001", dest=str(tmp_path / "team.yml"))
    finally:
        as_admin.client("vision", "delete", *TEMPLATES)
    assert run.code != 0
    assert "the inventory would take these for templates; give them other names or tags first" in run.output
    assert [name for name in TEMPLATES if name not in run.output] == []
    assert list(tmp_path.iterdir()) == []


def test_any_other_name_is_a_text_in_it(as_admin: Stage, tmp_path: Path) -> None:
    stage, dest = as_admin, tmp_path / "team.yml"
    stage.client("vision", "create", "erin", *TEXTS)
    try:
        team = exported(stage, dest)["mlflow_team_vision"]
        grants = {thing["name"]: thing.get("grants") for thing in team["experiments"]}
        assert {name: grants.get(name) for name in TEXTS} == {name: {"erin": "MANAGE"} for name in TEXTS}
        assert all(line.isprintable() for line in dest.read_text().split("\n"))
        vault = {"vault_mlflow_passwords": {"vision": {"admin": stage.passwords["vision"]["admin"]}}}
        run = stage.fill("--check", f"--extra-vars=@{dest}", inventory=stage.declare("exported.json", vault))
        assert run.changed == 0, run.output
    finally:
        stage.client("vision", "delete", *TEXTS)


def test_check_mode_writes_nothing(as_admin: Stage, tmp_path: Path) -> None:
    dest = tmp_path / "team.yml"
    run = as_admin.play("export_access", "--check", team="vision", team_port="5001", dest=str(dest))
    assert run.code == 0, run.output
    assert not dest.exists()


@pytest.mark.parametrize("missing", ["team", "team_port", "dest"])
def test_what_only_the_operator_knows_is_asked_for(running: Stage, tmp_path: Path, missing: str) -> None:
    given = {"team": "vision", "team_port": "5001", "dest": str(tmp_path / "team.yml")}
    del given[missing]
    run = running.play("export_access", **given)
    assert run.code != 0
    assert "team, team_port, dest: give the team's name, its future port and the file to write" in run.output
    assert list(tmp_path.iterdir()) == []
