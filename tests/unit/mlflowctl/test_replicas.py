"""A replica changes nothing while another one is at work, and does not serve databases of another MLflow."""

import pytest
from mlflowctl import databases, replicas, upgrade
from mlflowctl.in_mlflow import other_schema
from mlflowctl.team import Team

DATABASE = {"name": "mlflow", "uri": "postgresql+psycopg://it@db/x", "file": None}


def team(replica="a", leader="a", name="nlp"):
    leads = leader in ("", replica)
    return Team(name, "", "", "", "", "", [DATABASE], None, [], replica=replica, leader=leader, leads=leads)


@pytest.fixture
def at_postgresql(monkeypatch):
    """Answer as PostgreSQL does, with one answer after the other, the last one for ever."""
    monkeypatch.setattr(replicas, "PAUSE", 0)

    def given(*answers):
        left = list(answers)
        monkeypatch.setattr(databases, "ask", lambda *_: left.pop(0) if len(left) > 1 else left[0])
        return left

    return given


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", []),
        ("mlflow@nlp@a\npsql\n", []),
        ("mlflow@nlp@a\nmlflow@nlp@b\nmlflow@nlp@c\n", ["b", "c"]),
        # Of another team, or what only looks like one of the team's.
        ("mlflow@nlp2@b\nmlflow@nl\n\n", []),
    ],
)
def test_who_else_has_the_databases_open(at_postgresql, said, expected):
    at_postgresql(said)
    assert replicas.others(team()) == expected


def test_a_name_that_postgresql_cuts_off_is_still_ones_own(at_postgresql):
    long = "host-" + "x" * 80 + ".example.org"
    at_postgresql(f"mlflow@nlp@{long}"[:63] + "\nmlflow@nlp@b\n")
    assert replicas.others(team(long, long)) == ["b"]


def test_who_ends_is_waited_for(at_postgresql):
    left = at_postgresql("mlflow@nlp@b\n", "mlflow@nlp@b\n", "")
    replicas.wait_until_alone(team())
    assert left == [""]


def test_who_stays_is_named(at_postgresql, monkeypatch):
    monkeypatch.setattr(replicas, "PATIENCE", 0)
    at_postgresql("mlflow@nlp@b\nmlflow@nlp@c\n")
    with pytest.raises(
        replicas.OthersError, match=r"^b and c: still has the databases of team nlp open, which so cannot"
    ):
        replicas.wait_until_alone(team())


def test_a_team_of_one_host_asks_nobody(monkeypatch):
    monkeypatch.setattr(databases, "ask", lambda *_: pytest.fail("asked"))
    replicas.take(team("", ""), "a restore")
    replicas.give_back(team("", ""), of_anybody=True)
    replicas.refuse_follower(team("", ""), "a restore")
    replicas.refuse_follower(team("a", "a"), "a restore")


def test_what_is_for_the_leader_is_refused_elsewhere():
    with pytest.raises(replicas.OthersError, match="a restore of team nlp is for its leader, a; do it there"):
        replicas.refuse_follower(team("b"), "a restore")


@pytest.mark.parametrize(
    ("replica", "older", "refused"), [("b", ["auth"], True), ("b", [], False), ("a", ["auth"], False)]
)
def test_only_the_leader_migrates(replica, older, refused):
    going = upgrade.Upgrade.__new__(upgrade.Upgrade)
    going.team = team(replica)
    if not refused:
        going.refuse_before_leader(older)
        return
    with pytest.raises(
        upgrade.UpgradeError, match="the auth database is of an older MLflow, and a, which leads this team"
    ):
        going.refuse_before_leader(older)


@pytest.mark.parametrize(
    ("found", "role", "said"),
    [
        ({"tracking": "same", "auth": "same"}, "a", None),
        ({"tracking": "empty", "auth": "empty"}, "leads", None),
        (
            {"tracking": "same", "auth": "newer"},
            "a",
            "the auth database is of a newer MLflow than 3.15.2, which this host",
        ),
        ({"tracking": "newer", "auth": "same"}, "leads", "the tracking database is of a newer MLflow than 3.15.2"),
        (
            {"tracking": "older", "auth": "same"},
            "a",
            "the tracking database is of an older MLflow than 3.15.2; the leader",
        ),
        (
            {"tracking": "empty", "auth": "empty"},
            "a",
            "the tracking database is empty, and a, which leads the team, has",
        ),
    ],
)
def test_what_a_replica_does_not_serve(found, role, said):
    why = other_schema.why_not(found, role, "3.15.2")
    assert why is None if said is None else why.startswith(said)
    assert said is None or why.endswith("; run mlops.mlflow.site with both hosts")


@pytest.mark.parametrize(
    ("marks", "own", "said"),
    [
        ([None, None], None, None),
        (["mlops.mlflow: a: upgrade to 3.18.0", None], "a", None),
        ([None, "what an operator has written"], None, None),
        ([None, "mlops.mlflow: a: upgrade to 3.18.0"], None, "a changes the databases (upgrade to 3.18.0), or was cut"),
        # One that leads by now, of what the former leader has begun.
        (["mlops.mlflow: a: the retirement"], "b", "a changes the databases (the retirement), or was cut off"),
        # As the team's own code may have written it.
        (["mlops.mlflow: a\x1b[2J: \n\u202ex"], None, "a??2J changes the databases (??x), or was"),
    ],
)
def test_what_another_one_changes_is_not_served(marks, own, said):
    why = other_schema.who_changes(marks, own)
    assert why is None if said is None else why.startswith(said)
