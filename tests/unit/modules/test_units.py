"""What is done to units, by what systemd says of them. That it works is shown on hosts."""

import subprocess
import time

import pytest
from ansible_collections.mlops.mlflow.plugins.modules.units import JOURNAL_BYTES, Systemd, began, plan

BOOTED, STARTED = 500_000, 1_000_000


def unit(name="a.service", state="started", enabled=True, changed_at=0.0):
    return {"name": name, "state": state, "enabled": enabled, "changed_at": changed_at, "start_with": []}


def shown(active="active", enabled="enabled", started=f"@{STARTED}", result="success"):
    return {"ActiveState": active, "UnitFileState": enabled, "InactiveExitTimestamp": started, "Result": result}


def actions(wanted, found=None, booted=BOOTED, **clock):
    """What is done to one unit, in order."""
    planned = plan([wanted], {wanted["name"]: found} if found else {}, booted, **clock)
    return [action for action, names in planned.items() if names]


@pytest.mark.parametrize(
    ("found", "started", "stopped"),
    [
        ({}, [], ["disable", "stop"]),
        ({"active": "reloading"}, [], ["disable", "stop"]),
        ({"active": "inactive"}, ["start"], ["disable"]),
        ({"active": "failed"}, ["restart"], ["disable"]),
        ({"active": "activating"}, ["restart"], ["disable", "stop"]),
        ({"active": "deactivating", "enabled": "disabled"}, ["enable", "restart"], ["stop"]),
        ({"enabled": "disabled"}, ["enable"], ["stop"]),
        ({"active": "inactive", "enabled": "disabled", "started": ""}, ["enable", "start"], []),
        ({"active": "inactive", "enabled": "", "started": "@0"}, ["enable", "start"], []),
    ],
)
def test_units_that_are_to_run_or_not(found, started, stopped):
    assert actions(unit(), shown(**found)) == started
    assert actions(unit(state="stopped", enabled=False), shown(**found)) == stopped


def test_units_that_systemd_does_not_know_yet():
    assert actions(unit()) == ["enable", "start"]
    assert actions(unit(state="stopped", enabled=False)) == []
    # One that nobody wrote anything for since the host started is not proven.
    assert actions(unit(state="on_demand", enabled=False)) == []
    assert actions(unit(state="on_demand", enabled=False, changed_at=BOOTED + 1)) == ["restart"]


@pytest.mark.parametrize(("changed", "restarted"), [(-10, False), (0, False), (0.9, False), (1, True), (99.5, True)])
@pytest.mark.parametrize(
    ("state", "active"),
    [("started", "active"), ("on_demand", "active"), ("on_demand", "inactive"), ("on_demand", "activating")],
)
def test_what_is_older_than_its_configuration_is_restarted(state, active, changed, restarted):
    """Where systemd tells nothing but whole seconds, a change in that of the start counts as older."""
    wanted = unit(state=state, changed_at=STARTED + changed)
    assert actions(wanted, shown(active=active)) == (["restart"] if restarted else [])


def test_what_may_sleep_is_let_sleep():
    for active in ("active", "inactive", "activating", "deactivating"):
        assert actions(unit(state="on_demand"), shown(active=active)) == []


def test_what_may_sleep_is_tried_again_after_a_failure():
    assert actions(unit(state="on_demand"), shown(active="inactive", result="exit-code")) == ["restart"]


def test_after_a_boot_a_sleeper_counts_as_started_with_the_host():
    sleeper = shown(active="inactive", started="")
    assert actions(unit(state="on_demand", changed_at=BOOTED - 1), sleeper) == []
    assert actions(unit(state="on_demand", changed_at=BOOTED + 1), sleeper) == ["restart"]


def test_what_is_stopped_is_never_restarted():
    wanted = unit(state="stopped", enabled=False, changed_at=STARTED + 5)
    assert actions(wanted, shown(active="inactive", enabled="disabled")) == []


def test_all_units_of_an_action_go_together():
    units = [unit("a.socket"), unit("b.service"), unit("c.service", "stopped", enabled=False)]
    assert plan(units, {"c.service": shown()}, BOOTED) == {
        "disable": ["c.service"],
        "enable": ["a.socket", "b.service"],
        "stop": ["c.service"],
        "start": ["a.socket", "b.service"],
        "restart": [],
    }


@pytest.mark.parametrize(("state", "active"), [("started", "active"), ("on_demand", "inactive")])
@pytest.mark.parametrize("ahead", [30, 3_600, 400 * 86_400])
def test_a_start_that_is_yet_to_come_is_no_start(state, active, ahead):
    """The clock was ahead then: whatever was written since looks older."""
    now = time.time()
    started = shown(active=active, started=f"@{int(now) + ahead}")
    wanted = unit(state=state, changed_at=now - 1)
    assert actions(wanted, started) == ["restart"]
    assert actions(wanted, started, now=now) == ["restart"]
    # Nothing was ever written for it.
    assert actions(unit(state=state), started, now=now) == []


@pytest.mark.parametrize("since_then", [1, 3_600, 10 * 86_400])
def test_a_clock_that_was_set_back_hides_nothing(since_then):
    """Also long after, when the start that was written down is past: it began so many seconds ago, by another clock."""
    ahead, uptime = 86_400, 500.0 + since_then
    now = STARTED + 500 + since_then
    wrong = {**shown(started=f"@{STARTED + 500 + ahead}"), "InactiveExitTimestampMonotonic": "500000000"}
    right = {**shown(started=f"@{STARTED + 500}"), "InactiveExitTimestampMonotonic": "500000000"}
    clock = {"now": now, "uptime": uptime}
    for known in (wrong, right):
        assert actions(unit(changed_at=STARTED + 502), known, **clock) == ["restart"]
        assert actions(unit(changed_at=STARTED + 498), known, **clock) == []


@pytest.mark.parametrize(("changed", "restarted"), [(0.2, False), (0.45, False), (0.6, True), (0.99, True)])
@pytest.mark.parametrize(("state", "active"), [("started", "active"), ("on_demand", "inactive")])
def test_what_was_written_in_the_second_of_the_start_but_after_it_is_not_hidden(state, active, changed, restarted):
    """As when a client wakes a team just before its new configuration is written."""
    known = {**shown(active=active), "InactiveExitTimestampMonotonic": "500500000"}
    clock = {"now": STARTED + 90.0, "uptime": 590.0}
    wanted = unit(state=state, changed_at=STARTED + changed)
    assert actions(wanted, known, **clock) == (["restart"] if restarted else [])


def test_a_host_that_was_asleep_counts_by_its_clock():
    """Then the other clock stood still, and a start looks later by it than it was."""
    known = {**shown(), "InactiveExitTimestampMonotonic": "500000000"}
    clock = {"now": STARTED + 90_000.0, "uptime": 600.0}
    assert actions(unit(changed_at=STARTED + 1), known, **clock) == ["restart"]
    assert actions(unit(changed_at=STARTED), known, **clock) == []


def test_a_clock_that_was_ahead_at_boot_hides_nothing_from_sleepers():
    now = time.time()
    sleeper = shown(active="inactive", started="")
    wanted = unit(state="on_demand", changed_at=now - 1)
    assert actions(wanted, sleeper, booted=now + 3_600) == ["restart"]
    assert actions(wanted, sleeper, booted=now - 3_600) == ["restart"]
    assert actions(wanted, sleeper, booted=now) == []


def test_the_time_of_the_boot_is_that_of_the_clock_as_it_is():
    """By a real clock: the host has run for so long, whatever it took the time to be when it started."""
    now, uptime = time.time(), time.monotonic()
    said = {
        "UserspaceTimestamp": f"@{int(now) + 9_999}",
        "UserspaceTimestampMonotonic": str(int((uptime - 60) * 10**6)),
    }
    assert began(said, "UserspaceTimestamp", now, uptime) == pytest.approx(now - 60, abs=1)
    said["UserspaceTimestamp"] = f"@{int(now) - 60}"
    assert began(said, "UserspaceTimestamp", now, uptime) == pytest.approx(now - 60, abs=0.1)
    assert began({}, "UserspaceTimestamp", now, uptime) == 0


def test_of_what_a_unit_has_said_no_more_than_the_end_is_read(tmp_path, monkeypatch):
    program = tmp_path / "journalctl"
    program.write_text("#!/bin/sh\nhead --bytes=9000000 /dev/zero | tr '\\0' x\necho\necho it failed: no room\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    class Module:
        def run_command(self, command):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            return done.returncode, done.stdout, done.stderr

    words = Systemd(Module(), [], {}).last_words(["a.service"])
    assert len(words) <= JOURNAL_BYTES
    assert words.endswith("xxx\nit failed: no room")


@pytest.mark.parametrize(("tries_on", "stopped"), [(False, ["stop a.service"]), (True, [])])
def test_what_nobody_waits_for_is_not_tried_for_ever(tries_on, stopped):
    done = []

    class Module:
        def run_command(self, command):
            done.append(" ".join(command[1:]))
            return command[0] == "systemctl", "it says why", ""

    wanted = {**unit("a.service", "on_demand"), "start_with": [], "tries_on": tries_on}
    systemd = Systemd(Module(), [wanted], {})
    systemd.start("restart", "a.service")
    assert list(systemd.failures) == ["a.service"]
    assert [it for it in done if it.startswith("stop")] == stopped
