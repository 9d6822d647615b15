"""Which host of a team makes its secrets, and which others have them of it."""

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.replica_secrets import FilterModule

HOSTS = ["a", "b", "c"]


def keys(encryption, session="s", name="nlp"):
    """What a host says of the keys that it has."""
    return {"other": {"key_sums": []}, name: {"key_sums": [encryption, f"{encryption}{session}"]}}


def plan(looks, here, leader="a", failed=None):
    team = {"name": "nlp", "leader": leader, "replicas": HOSTS}
    return FilterModule().filters()["replica_secrets"]([team], looks, failed or {}, here)


def plans(looks, **settings):
    """What each host makes, gives and wants."""
    found = {host: plan(looks, host, **settings) for host in looks}
    assert all(it["problems"] == {} for it in found.values())
    return {host: (it["makes"], it["gives"], it["wants"]) for host, it in found.items()}


WANTS = ([], [], {"nlp": "a"})
NOTHING = ([], [], {})


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        # A new team.
        ({"a": {}, "b": {}, "c": {}}, {"a": (["nlp"], ["nlp"], {}), "b": WANTS, "c": WANTS}),
        # All have the same: nobody is asked.
        ({"a": keys("x"), "b": keys("x"), "c": keys("x")}, {"a": NOTHING, "b": NOTHING, "c": NOTHING}),
        # One joins.
        ({"a": keys("x"), "b": keys("x"), "c": {}}, {"a": ([], ["nlp"], {}), "b": NOTHING, "c": WANTS}),
        # The leader has a new key of sessions.
        ({"a": keys("x", "new"), "b": keys("x"), "c": {}}, {"a": ([], ["nlp"], {}), "b": WANTS, "c": WANTS}),
        # The leader is new, and the team is not.
        (
            {"a": {}, "b": keys("x"), "c": keys("x")},
            {"a": ([], [], {"nlp": "b"}), "b": ([], ["nlp"], {}), "c": NOTHING},
        ),
        # One is not in this run.
        ({"a": keys("x"), "b": keys("x")}, {"a": NOTHING, "b": NOTHING}),
        # Of another team nothing is meant.
        ({"a": keys("x", name="nlp2"), "b": {}}, {"a": (["nlp"], ["nlp"], {}), "b": WANTS}),
    ],
)
def test_who_gives_whom(looks, expected):
    assert plans(looks) == expected


def test_another_leader_than_the_first():
    assert plans({"a": {}, "b": {}, "c": {}}, leader="c")["c"] == (["nlp"], ["nlp"], {})


@pytest.mark.parametrize("here", ["a", "b"])
def test_keys_that_differ_are_refused_everywhere(here):
    found = plan({"a": keys("x"), "b": keys("y"), "c": {}}, here)
    assert found["problems"]["nlp"].startswith("servers: a and b have keys of their own")
    assert "remove /etc/mlflow/nlp/secrets.env on the other host" in found["problems"]["nlp"]
    assert (found["makes"], found["gives"], found["wants"]) == ([], [], {})


def test_nothing_is_done_without_the_leader():
    found = plan({"b": keys("x")}, "b")
    assert found["problems"]["nlp"].startswith("leader: a, which leads this team, is not in this run")
    found = plan({"a": {}, "b": {}}, "b", failed={"a": {"nlp": "port 5001 is taken"}})
    assert found["problems"]["nlp"].startswith("leader: a, which leads this team, goes on without it")
    assert plan({"a": {}, "b": {}}, "b", failed={"a": {"other": "x"}})["problems"] == {}
