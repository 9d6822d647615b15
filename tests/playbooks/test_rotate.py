"""Passwords that mlops.mlflow.rotate_passwords makes work, the former ones do not, and nobody sees either."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from playbooks.stage import TEAMS, Stage, mode

VISION = TEAMS["vision"]["users"] + TEAMS["vision"]["admins"]


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """Return where the new passwords are to stand."""
    return tmp_path / "new passwords.yml"


def logins(stage: Stage, team: str, people: list[str]) -> list[int]:
    """Return what everybody's declared password is answered with."""
    return [stage.login(team, name) for name in people]


def test_check_mode_changes_nothing(untouched: Stage, dest: Path) -> None:
    run = untouched.play("rotate_passwords", "--check", "--diff", team="vision", dest=str(dest))
    assert run.code == 0, run.output
    assert not dest.exists()
    assert set(logins(untouched, "vision", VISION)) == {200}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"users": "alice,alicia"}, "users: not declared in team vision: alicia"),
        ({"users": "henry"}, "users: not declared in team vision: henry"),
        ({"team": "audio"}, "team: no team 'audio' is declared; there is nlp, vision"),
        ({"team": ""}, "team, dest: name the team and the file for the new passwords, each with -e"),
        ({"dest": ""}, "team, dest: name the team and the file for the new passwords, each with -e"),
    ],
)
def test_refusals(untouched: Stage, dest: Path, given: dict[str, str], message: str) -> None:
    run = untouched.play("rotate_passwords", **{"team": "vision", "dest": str(dest), **given})
    assert run.code != 0
    assert message in " ".join(run.output.split())
    assert not dest.exists()
    assert set(logins(untouched, "vision", VISION)) == {200}
    assert untouched.shown(run.output) == []


def test_passwords_made_before_are_not_overwritten(untouched: Stage, dest: Path) -> None:
    dest.write_text("henry: made before\n")
    run = untouched.play("rotate_passwords", team="nlp", users="henry", dest=str(dest))
    assert run.code != 0
    assert f"dest: {dest} exists" in " ".join(run.output.split())
    assert dest.read_text() == "henry: made before\n"
    assert logins(untouched, "nlp", ["henry"]) == [200]


def test_some_users_get_new_ones(stage: Stage, dest: Path) -> None:
    run = stage.play("rotate_passwords", "-vvv", "--diff", team="vision", users="alice,bob", dest=str(dest))
    assert run.code == 0, run.output
    new = yaml.safe_load(dest.read_text())
    assert list(new) == ["alice", "bob"]
    assert mode(dest) == "0o600"
    assert [stage.login("vision", name, password) for name, password in new.items()] == [200, 200]
    assert logins(stage, "vision", ["alice", "bob"]) == [401, 401]
    # Of the same team, and of the same name in another one.
    assert logins(stage, "vision", ["admin", "carol", "dora"]) == [200, 200, 200]
    assert logins(stage, "nlp", ["alice", "henry"]) == [200, 200]
    assert stage.shown(run.output) == []
    assert [name for name, password in new.items() if password in run.output] == []


def test_the_inventory_brings_the_former_ones_back(stage: Stage, dest: Path) -> None:
    run = stage.play("rotate_passwords", team="nlp", users="henry", dest=str(dest))
    assert run.code == 0, run.output
    assert "Take them into the inventory, or the next run sets the former ones again." in run.output
    assert logins(stage, "nlp", ["henry"]) == [401]
    stage.fill()
    assert logins(stage, "nlp", ["henry"]) == [200]


def test_all_users_of_a_team_by_default(stage: Stage, dest: Path) -> None:
    run = stage.play("rotate_passwords", team="vision", dest=str(dest))
    assert run.code == 0, run.output
    new = yaml.safe_load(dest.read_text())
    assert sorted(new) == sorted(VISION)
    assert len(set(new.values())) == len(new)
    assert min(map(len, new.values())) >= 24
    assert {stage.login("vision", name, password) for name, password in new.items()} == {200}
    assert set(logins(stage, "vision", VISION)) == {401}
    assert logins(stage, "vision", ["admin"]) == [200]
