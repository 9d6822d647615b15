"""What the dashboard and the alert rules ask for is what there is."""

import json
import re
from pathlib import Path

import pytest

ROLE = Path(__file__).resolve().parents[3] / "roles" / "mlflow_monitoring"
ASKED = re.compile(r"\bmlflow_(?:team|certificate|monitoring)_[a-z_]+")
# By their name in the middle of a pattern.
PATTERNS = {"mlflow_team_memory_"}


def known():
    return set(re.findall(r'"(mlflow_[a-z_]+)"', (ROLE / "files" / "monitoring" / "kinds.py").read_text()))


def options():
    return set(re.findall(r"(?m)^(mlflow_\w+):", (ROLE / "defaults" / "main.yml").read_text()))


@pytest.mark.parametrize("file", ["files/dashboard.json", "templates/rules.yml.j2"])
def test_every_metric_that_is_asked_for_is_there(file):
    asked = set(ASKED.findall((ROLE / file).read_text())) - options() - PATTERNS
    assert len(asked) > 15
    assert asked - known() == set()


def test_the_dashboard_is_of_many_teams_and_of_one():
    board = json.loads((ROLE / "files" / "dashboard.json").read_text())
    rows = [(it["title"], it["gridPos"]["y"]) for it in board["panels"] if it["type"] == "row"]
    assert [title for title, _top in rows] == ["All teams", "One team: $team"]
    below = [it for it in board["panels"] if it["type"] != "row" and it["gridPos"]["y"] > rows[1][1]]
    assert below
    asked = [(it["title"], target["expr"]) for it in below for target in it["targets"]]
    assert [title for title, question in asked if 'team="$team"' not in question] == []


def test_no_panel_lies_on_another():
    board = json.loads((ROLE / "files" / "dashboard.json").read_text())
    cells = []
    for place in (it["gridPos"] for it in board["panels"]):
        assert place["x"] + place["w"] <= 24
        cells += [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]
    assert len(cells) == len(set(cells))
    assert len({it["id"] for it in board["panels"]}) == len(board["panels"])
