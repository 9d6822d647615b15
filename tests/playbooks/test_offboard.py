"""Who was offboarded by mlops.mlflow.offboard_user is gone from every team, and says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playbooks.stage import TEAMS, Stage

REMINDER = "still declares 'alice'"


def test_check_mode_tells_and_changes_nothing(untouched: Stage) -> None:
    before = {team: untouched.users(team) for team in TEAMS}
    run = untouched.play("offboard_user", "--check", user="alice")
    assert (run.code, run.changed) == (0, 1), run.output
    assert {team: untouched.users(team) for team in TEAMS} == before
    assert [untouched.login(team, "alice") for team in TEAMS] == [200, 200]


def test_somebody_nobody_knows(untouched: Stage) -> None:
    before = {team: untouched.users(team) for team in TEAMS}
    run = untouched.play("offboard_user", user="alicia")
    assert (run.code, run.changed) == (0, 0), run.output
    assert "No team of mlflow1 has a user 'alicia'" in run.output
    assert {team: untouched.users(team) for team in TEAMS} == before


def test_a_team_s_own_admin_is_refused(untouched: Stage) -> None:
    run = untouched.play("offboard_user", user="admin")
    assert run.code != 0
    assert "the account this module logs in as, which cannot delete itself" in run.output
    assert [untouched.login(team, "admin") for team in TEAMS] == [200, 200]


@pytest.mark.parametrize("given", [{}, {"user": ""}])
def test_a_user_is_asked_for(running: Stage, given: dict[str, str]) -> None:
    run = running.play("offboard_user", **given)
    assert run.code != 0
    assert "user: name the user to remove from every team, as in -e user=bob" in run.output


def test_gone_from_both_teams(stage: Stage, tmp_path: Path) -> None:
    others = {team: set(stage.users(team)) - {"alice"} for team in TEAMS}
    assert [stage.login(team, "alice") for team in TEAMS] == [200, 200]
    run = stage.play("offboard_user", "-vvv", "--diff", user="alice")
    assert (run.code, run.changed) == (0, 1), run.output
    assert stage.shown(run.output) == []
    assert [stage.login(team, "alice") for team in TEAMS] == [401, 401]
    assert {team: set(stage.users(team)) for team in TEAMS} == others
    assert run.output.count(REMINDER) >= 2

    report = stage.play("report_access", mlflow_access_report_dir=str(tmp_path))
    assert report.code == 0, report.output
    told = json.loads((tmp_path / "mlflow1.json").read_text())
    assert set(told) == set(TEAMS)
    for found in told.values():
        # A tag may tell of whom the experiment was.
        assert "alice" not in {entry["user"] for entry in found["effective"]}
        assert "alice" not in json.dumps(found["declaration"]["users"] + found["declaration"]["groups"])
        assert "alice" not in json.dumps([thing.get("grants") for thing in found["declaration"]["experiments"]])
    assert "alice" not in (tmp_path / "mlflow1.md").read_text()

    again = stage.play("offboard_user", user="alice")
    assert (again.code, again.changed) == (0, 0), again.output


def test_of_one_team_only_and_the_creator_of_something(stage: Stage) -> None:
    stage.client("nlp", "create", "henry", "notes")
    before = stage.users("vision")
    run = stage.play("offboard_user", user="henry")
    assert (run.code, run.changed) == (0, 1), run.output
    assert "henry" not in stage.users("nlp")
    assert stage.users("vision") == before
    assert "Team nlp still declares 'henry'" in run.output
    assert "Team vision still declares" not in run.output


def test_a_stopped_team_is_told(stage: Stage) -> None:
    declared = json.loads(stage.inventory.read_text())["all"]["children"]["mlflow_servers"]["hosts"]["mlflow1"]
    for team in declared["mlflow_teams"]:
        team["state"] = "stopped" if team["name"] == "nlp" else "present"
    run = stage.play("offboard_user", inventory=stage.declare("stopped.json", declared), user="alice")
    assert (run.code, run.changed) == (0, 1), run.output
    assert "Team nlp is stopped" in run.output
    assert [stage.login(team, "alice") for team in TEAMS] == [401, 200]
