"""What is done, and what is told, where a server refuses a step."""

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils._errors import RequestRefused
from ansible_collections.mlops.mlflow.plugins.module_utils._reconcile import MOST_STUCK, Done, LookAgain, carry_out
from ansible_collections.mlops.mlflow.plugins.module_utils._steps import (
    DENY,
    GIVE,
    JOIN,
    MAKE,
    OPEN,
    RENAME,
    TAKE,
    Step,
)

EVERY = {"rename": RENAME, "take": TAKE, "make": MAKE, "deny": DENY, "give": GIVE, "join": JOIN, "open": OPEN}
THING = ("experiment", "one")


@pytest.fixture
def done():
    return Done([], [], {}, [], {})


def refusing(status):
    def do():
        raise RequestRefused(f"POST x: {status}", status, None)

    return do


def steps(refused, status=500, about=None):
    """Two of each phase, of which the first of one is refused."""
    found = []
    for word, phase in EVERY.items():
        step = Step(phase, f"{word} 1", refusing(status) if word == refused else dict, about)
        found += [step, Step(phase, f"{word} 2", dict)]
    return found


@pytest.mark.parametrize(
    ("refused", "waiting"),
    [
        ("rename", ["make", "deny", "give", "join", "open"]),
        ("take", ["make", "deny", "give", "join", "open"]),
        ("make", ["deny", "give", "join", "open"]),
        ("deny", ["give", "join", "open"]),
        ("give", []),
        ("join", ["open"]),
        ("open", []),
    ],
)
def test_nothing_is_given_where_not_all_was_taken_away(done, refused, waiting):
    carry_out(steps(refused), done, {}, again=True)
    expected = [f"{word} {number}" for word in EVERY for number in (1, 2) if word not in waiting]
    assert [*done.changes, f"{refused} 1"] == [it for it in expected if it != f"{refused} 1"] + [f"{refused} 1"]
    told = [f"{2 * len(waiting)} more changes wait for a run in which that can be done"] if waiting else []
    assert done.refused == [f"{refused} 1: POST x: 500", *told]
    assert done.failure["status"] == 500


def test_who_cannot_log_in_until_then_is_named(done):
    found = [
        Step(DENY, "+ ann DENY experiment one", refusing(500)),
        Step(GIVE, "+ bob READ experiment one", dict),
        Step(OPEN, "", dict, name="~ user ann declared password"),
        Step(OPEN, "", dict),
    ]
    carry_out(found, done, {}, again=True)
    told = "2 more changes wait for a run in which that can be done, ~ user ann declared password"
    assert done.refused == ["+ ann DENY experiment one: POST x: 500", told]


def test_however_much_is_refused(done):
    refused = [Step(TAKE, f"take {number}", refusing(500)) for number in range(5000)]
    carry_out([*refused, Step(TAKE, "take", dict), Step(MAKE, "make", dict)], done, {}, again=False)
    assert done.changes == ["take"]
    assert len(done.refused) == 5001


@pytest.mark.parametrize("refused", EVERY)
def test_a_thing_is_done_without(done, refused):
    stuck = {}
    with pytest.raises(LookAgain):
        carry_out(steps(refused, about=THING), done, stuck, again=False)
    assert (stuck, done.refused) == ({THING: f"{refused} 1: POST x: 500"}, [])


def test_but_not_any_number_of_them(done):
    stuck = dict.fromkeys(range(MOST_STUCK), "why")
    carry_out(steps("take", about=THING), done, stuck, again=False)
    assert len(stuck) == MOST_STUCK
    assert done.changes == ["rename 1", "rename 2", "take 2"]


@pytest.mark.parametrize("status", [400, 404, 409])
def test_first_it_is_looked_whether_somebody_was_quicker(done, status):
    stuck = {}
    with pytest.raises(LookAgain):
        carry_out(steps("take", status, THING), done, stuck, again=True)
    assert (stuck, done.refused, done.failure) == ({}, [], {})


@pytest.mark.parametrize("status", [401, 429, 502, 503, 504])
def test_a_server_that_does_nothing_ends_it(done, status):
    with pytest.raises(RequestRefused):
        carry_out(steps("take", status, THING), done, {}, again=True)
    assert done.changes == ["rename 1", "rename 2"]
