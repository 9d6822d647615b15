"""What is to be done for the teams of a host, by what is declared and what was seen there."""

import pytest
from ansible_collections.mlops.mlflow.plugins.plugin_utils.plan import drained_leaders, leaderless, plan, to_leave

NEW = {
    "account": False,
    "password": "none",
    "version": "",
    "drained": False,
    "retired": False,
    "leader": "",
    "key_sums": [],
}
SERVED = {**NEW, "account": True, "password": "declared", "version": "3.17.2"}
NOTHING = {
    "missing_accounts": [],
    "drained": [],
    "kept": [],
    "versions": {},
    "upgrade": [],
    "steps_up": [],
    "downgrades": {},
    "returning": [],
    "bootstrap": [],
    "rotate": [],
}


def team(name="vision", version="3.17.2", state="present"):
    return {"name": name, "version": version, "state": state}


def planned(seen, *teams):
    """What there is in the plan."""
    found = plan(teams, seen)
    assert set(found) == set(NOTHING)
    return {key: value for key, value in found.items() if value}


def test_nothing_is_done_for_what_is_as_declared():
    seen = {"vision": SERVED}
    assert planned(seen, team()) == {"kept": ["vision"], "versions": {"vision": "3.17.2"}}
    # Neither where it is not to run.
    assert planned(seen, team(state="stopped")) == planned(seen, team())


@pytest.mark.parametrize("seen", [{}, {"vision": NEW}])
def test_a_new_team(seen):
    assert planned(seen, team()) == {"missing_accounts": ["vision"], "bootstrap": ["vision"]}
    assert planned(seen, team(state="stopped")) == {"missing_accounts": ["vision"]}


def test_a_team_that_was_never_started_to_the_end():
    """Its link is there, and perhaps the databases of another version."""
    found = planned({"vision": {**SERVED, "password": "none"}}, team())
    assert found == {"versions": {"vision": "3.17.2"}, "bootstrap": ["vision"]}


def test_another_password():
    seen = {"vision": {**SERVED, "password": "other"}}
    assert planned(seen, team())["rotate"] == ["vision"]
    assert "rotate" not in planned(seen, team(state="stopped"))


def test_a_team_that_is_drained_stays_so():
    found = planned({"vision": {**SERVED, "password": "other", "drained": True}}, team())
    assert found == {"drained": ["vision"], "kept": ["vision"], "versions": {"vision": "3.17.2"}}


def test_a_team_that_was_retired_is_no_new_one():
    found = planned({"vision": {**NEW, "retired": True}}, team())
    assert found == {"missing_accounts": ["vision"], "returning": ["vision"]}


def test_who_is_not_declared_is_only_known():
    seen = {"stranger": {**SERVED, "password": "other"}, "gone": {**NEW, "retired": True}}
    assert planned(seen) == {"kept": ["stranger"], "versions": {"stranger": "3.17.2"}}


@pytest.mark.parametrize(
    ("served", "declared", "refused"),
    [
        ("3.15.2", "3.17.2", False),
        ("3.9.0", "3.10.0", False),
        ("3.17.0rc1", "3.17.0", False),
        ("3.17.0rc1", "3.17.0rc2", False),
        ("3.17.0rc9", "3.17.0rc10", False),
        ("3.17.2", "3.15.2", True),
        ("3.10.0", "3.9.0", True),
        ("3.17.0", "3.17.0rc1", True),
    ],
)
def test_another_version(served, declared, refused):
    found = planned({"vision": {**SERVED, "version": served}}, team(version=declared))
    assert (found["upgrade"], found["steps_up"]) == (["vision"], [f"{served} -> {declared}"])
    assert list(found.get("downgrades", {})) == ["vision"] * refused
    if refused:
        assert found["downgrades"]["vision"].startswith(
            f"version: {declared} would be a downgrade from {served}, and MLflow has none; put the version back"
        )


def test_what_somebody_has_linked_by_hand_is_no_concern_where_it_is_declared_so():
    assert planned({"other": {**SERVED, "version": "my-own"}}, team("other", "my-own"))["versions"] == {
        "other": "my-own"
    }


LED = {**SERVED, "leader": "b"}


@pytest.mark.parametrize(
    ("seen", "left"),
    [
        ({"a": {"vision": LED}, "b": {"vision": SERVED}}, ["vision"]),
        # Not with the only secrets that there are.
        ({"a": {"vision": LED}, "b": {"vision": NEW}}, []),
        ({"a": {"vision": LED}, "b": {}}, []),
        ({"a": {"vision": LED}}, []),
        # It was never one of several.
        ({"a": {"vision": SERVED}, "b": {"vision": SERVED}}, []),
        ({"a": {}, "b": {"vision": SERVED}}, []),
        ({"b": {"vision": SERVED}}, []),
        # Who has it is not one that is to have it.
        ({"a": {"vision": LED}, "c": {"vision": SERVED}}, []),
    ],
)
def test_which_teams_are_left_to_others(seen, left):
    elsewhere = [{**team(), "servers": ["b"]}]
    assert to_leave(elsewhere, "a", seen) == left
    assert to_leave([{**elsewhere[0], "state": "absent"}], "a", seen) == []


@pytest.mark.parametrize(
    ("failed", "waits"),
    [
        ({"a": {}, "b": {}}, False),
        ({"a": {"vision": "no room"}, "b": {"speech": "no room"}}, False),
        ({"a": {}, "b": {"vision": "no room"}}, True),
        # Its leader is not in the run any more.
        ({"a": {}}, True),
    ],
)
def test_who_waits_for_a_leader(failed, waits):
    followed = [{**team(), "leader": "b"}]
    said = "leader: b, which leads this team, did not get so far; see what is said of that host"
    assert leaderless(followed, failed) == ({"vision": said} if waits else {})


DRAINED = {**SERVED, "drained": True}


@pytest.mark.parametrize(
    ("leader", "seen", "said"),
    [
        ("", {"a": {"vision": SERVED}}, None),
        ("", {"a": {}}, None),
        ("b", {"a": {"vision": DRAINED}, "b": {"vision": SERVED}}, None),
        ("b", {"a": {"vision": DRAINED}}, None),
        (
            "",
            {"a": {"vision": DRAINED}},
            "is drained on a, which alone serves it, so that nothing is done with it; "
            "run mlflowctl undrain vision there",
        ),
        (
            "b",
            {"a": {"vision": SERVED}, "b": {"vision": DRAINED}},
            "is drained on b, which leads it, so that nothing is "
            "done with it; run mlflowctl undrain vision there, or name another leader",
        ),
    ],
)
def test_a_drained_leader_ends_what_happens_once(leader, seen, said):
    assert drained_leaders([{**team(), "leader": leader}], "a", seen) == ({"vision": said} if said else {})
