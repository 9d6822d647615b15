"""Only so many servers start at once, whatever becomes of those that had their turn."""

import threading
import time

import pytest
from mlflowctl import starts as module


@pytest.fixture
def starts(monkeypatch, tmp_path):
    # What systemd says of each team: the substate, and the invocation.
    module_states = {}

    def states(*names):
        keys = ("ActiveState", "SubState", "InvocationID", "ControlGroup")
        known = {name: (*module_states[name], "") for name in names if name in module_states}
        return {name: dict(zip(keys, values, strict=True)) for name, values in known.items()}

    monkeypatch.setattr(module, "states", states)
    found = module.Starts(tmp_path / "starts")
    found.known, found.module = module_states, module
    found.directory.mkdir()
    return found


def let_in(starts, name, sub="start-pre", invocation="first"):
    starts.known[name] = ("activating", sub, invocation)
    starts.note(name)


def waits(starts, most, seconds=1):
    """Whether somebody who asks now waits; ends the waiting by letting all of them be active."""
    through = threading.Event()

    def ask():
        with starts.turn(most):
            through.set()

    thread = threading.Thread(target=ask)
    thread.start()
    waited = not through.wait(seconds)
    for name, (_state, _sub, invocation) in starts.known.items():
        starts.known[name] = ("active", "running", invocation)
    thread.join(60)
    assert through.is_set()
    return waited


def test_one_more_waits_until_one_is_ready(starts):
    let_in(starts, "one")
    let_in(starts, "two", "start-post")
    assert starts.are_starting() == 2
    assert waits(starts, 2)


def test_below_the_number_nobody_waits(starts):
    let_in(starts, "one")
    # A busy machine may take its time.
    assert not waits(starts, 2, 60)


@pytest.mark.parametrize(
    "now",
    [
        ("active", "running", "first"),
        ("failed", "failed", "first"),
        ("activating", "auto-restart", "first"),
        ("activating", "auto-restart-queued", "first"),
        # Started anew, and waiting for its turn again.
        ("activating", "start-pre", "second"),
    ],
)
def test_who_is_not_starting_any_more_has_no_turn(starts, now):
    let_in(starts, "one")
    starts.known["one"] = now
    assert starts.are_starting() == 0


def test_a_server_that_waits_for_its_database_keeps_nobody_waiting(starts, monkeypatch):
    let_in(starts, "one", "start-post")
    later = time.monotonic() + starts.module.TURN_SECONDS + 1
    monkeypatch.setattr(starts.module.time, "monotonic", lambda: later)
    assert starts.are_starting() == 0


def test_what_was_let_in_runs_and_what_waits_does_not(starts):
    let_in(starts, "one")
    assert starts.runs("one")
    starts.known["one"] = ("activating", "start-pre", "second")
    assert not starts.runs("one")
    starts.known["one"] = ("inactive", "dead", "second")
    assert not starts.runs("one")
    starts.known["one"] = ("deactivating", "stop-sigterm", "second")
    assert starts.runs("one")
