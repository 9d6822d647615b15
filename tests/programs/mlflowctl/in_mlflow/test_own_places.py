"""Garbage is judged in bounded room, whatever members have written; with the SQLAlchemy of a team's MLflow."""

import json
import sqlite3
import subprocess

import project
import pytest

FILES = project.ROOT / "roles" / "mlflow_server" / "files"
# Judges the database of its first argument, and says what came of it and how much memory that took.
JUDGE = """
import json, sys, tracemalloc
sys.path.insert(0, sys.argv[1])
from mlflowctl.in_mlflow import own_places
from mlflowctl.in_mlflow.deleted import Deleted
own_places.MOST_AT_ONCE = int(sys.argv[3])
with Deleted(f"sqlite:///{sys.argv[2]}", 1000) as deleted:
    own_places.judge(deleted, own_places.SERVED)
    tracemalloc.start()
    judged = own_places.judge(deleted, own_places.SERVED)
    peak = tracemalloc.get_traced_memory()[1]
going = {kind: sorted(thing.ident for thing in things) for kind, things in judged.going.items()}
print(json.dumps({"going": going, "left": list(judged.left.lines()), "later": judged.later, "peak": peak}))
"""
SCHEMA = """
CREATE TABLE experiments (
    experiment_id INTEGER PRIMARY KEY, artifact_location TEXT, lifecycle_stage TEXT, last_update_time INTEGER);
CREATE TABLE runs (
    run_uuid TEXT PRIMARY KEY, experiment_id INTEGER, artifact_uri TEXT, lifecycle_stage TEXT, deleted_time INTEGER);
CREATE TABLE logged_models (
    model_id TEXT PRIMARY KEY, experiment_id INTEGER, artifact_location TEXT, lifecycle_stage TEXT,
    last_updated_timestamp_ms INTEGER);
"""


class Team:
    """As much of a team's database as is asked; all that is deleted was long ago."""

    def __init__(self, home):
        self.file = home / "mlflow.db"
        self.database = sqlite3.connect(self.file)
        self.database.executescript(SCHEMA)

    def experiments(self, places, stage="deleted"):
        self.database.executemany(
            "INSERT INTO experiments VALUES (?, ?, ?, 1)", ((n, place, stage) for n, place in places.items())
        )

    def runs(self, experiment, count):
        rows = ((f"{n:032x}", experiment, f"mlflow-artifacts:/{experiment}/{n:032x}/artifacts") for n in range(count))
        self.database.executemany("INSERT INTO runs VALUES (?, ?, ?, 'deleted', 1)", rows)

    def judged(self, most_at_once=100_000):
        self.database.commit()
        python = project.MLFLOW / "bin" / "python"
        command = [python, "-B", "-c", JUDGE, FILES, self.file, str(most_at_once)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path)


def test_places_elsewhere_take_no_room(team):
    # As long as MLflow takes them, with as many parts as that can have; some at a place that is to go, some alive.
    own = {1: "mlflow-artifacts:/1", 2: "mlflow-artifacts:/2"}
    within = {n: f"mlflow-artifacts:/1/{n}".ljust(2048, "/") for n in range(1000, 2000)}
    beside = {n: f"mlflow-artifacts:/x{n}".ljust(2048, "/") for n in range(2000, 4000)}
    team.experiments(own | beside)
    team.experiments(within, stage="active")
    judged = team.judged()
    assert judged["going"]["experiment"] == ["2"]
    assert "left experiment 1: other experiments have their artifacts there" in judged["left"]
    assert "left 1900 more of the kind experiment" in judged["left"]
    assert "left 2000 in all whose artifacts are not at their own place: 2000 of the kind experiment" in judged["left"]
    assert judged["peak"] < 8 << 20


@pytest.mark.parametrize(
    ("other", "held"),
    [
        ("mlflow-artifacts:/1", True),
        ("mlflow-artifacts:/1/", True),
        ("mlflow-artifacts:/1/2/3", True),
        ("mlflow-artifacts:/10", False),
        ("mlflow-artifacts:", False),
        ("mlflow-artifacts:/", False),
        ("", False),
        ("s3://else/1", False),
    ],
)
def test_a_place_that_another_experiment_is_at_or_in_stays(team, other, held):
    team.experiments({1: "mlflow-artifacts:/1"})
    team.experiments({2: other}, stage="active")
    assert team.judged()["going"]["experiment"] == ([] if held else ["1"])


def test_so_many_go_at_once_and_the_others_with_the_next_run(team):
    team.experiments({1: "mlflow-artifacts:/1", 2: "mlflow-artifacts:/2"})
    team.runs(1, 8)
    judged = team.judged(most_at_once=5)
    assert len(judged["going"]["run"]) == 5
    # Not before the last of its runs.
    assert judged["going"]["experiment"] == ["2"]
    assert judged["later"] == 3 + 1
    assert judged["left"] == []


def test_those_that_stay_keep_none_of_the_others_from_being_judged(team):
    team.experiments({n: f"mlflow-artifacts:/{n}" for n in range(1, 8)})
    # In which somebody still works.
    team.database.executemany("INSERT INTO runs VALUES (?, ?, '', 'active', NULL)", ((f"{n}", n) for n in range(1, 6)))
    judged = team.judged(most_at_once=2)
    assert judged["going"]["experiment"] == ["6", "7"]
    assert judged["later"] == 0
    assert len(judged["left"]) == 5


def test_what_could_not_be_removed_is_not_first_in_each_run(team):
    team.experiments({1: "mlflow-artifacts:/1"}, stage="active")
    team.runs(1, 4)
    seen = set()
    for _run in range(200):
        seen.update(team.judged(most_at_once=2)["going"]["run"])
        if len(seen) == 4:
            break
    assert len(seen) == 4


def test_experiments_that_stay_take_no_room(team):
    team.experiments({n: f"mlflow-artifacts:/{n}" for n in range(1, 30_001)})
    rows = ((f"{n:032x}", n) for n in range(1, 30_001))
    team.database.executemany("INSERT INTO runs VALUES (?, ?, 's3://else', 'deleted', 1)", rows)
    judged = team.judged(most_at_once=1000)
    assert judged["going"]["experiment"] == []
    assert judged["peak"] < 2 << 20
