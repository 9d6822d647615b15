"""What is done to a team's units, by what systemd says and what changed."""

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.unit_actions import FilterModule

STARTED = 1_000_000
SOCKET, SERVICE = "mlflow-listen@vision.socket", "mlflow@vision.service"


def unit_actions(teams, units, files=()):
    return FilterModule().filters()["unit_actions"](teams, units, list(files), "/etc/mlflow", "/etc/systemd/system")


def block(unit, active="active", enabled="enabled", started=f"@{STARTED}"):
    return f"Id={unit}\nActiveState={active}\nUnitFileState={enabled}\nInactiveExitTimestamp={started}\n"


def shown(**properties):
    """Both units of the team in one state, as systemctl prints them."""
    return block(SOCKET, **properties) + "\n" + block(SERVICE, **properties)


def team(name="vision", state="present"):
    return {"name": name, "state": state}


def file(path, mtime=STARTED + 1.5, changed=True):
    return {"path": path, "mtime": mtime, "changed": changed}


def both(action):
    return [{"unit": SOCKET, "action": action}, {"unit": SERVICE, "action": action}]


@pytest.mark.parametrize(
    ("properties", "present", "stopped"),
    [
        ({}, [], both("stopped")),
        ({"enabled": "disabled"}, both("started"), both("stopped")),
        ({"active": "reloading"}, [], both("stopped")),
        ({"active": "inactive"}, both("started"), both("stopped")),
        ({"active": "inactive", "enabled": "disabled", "started": ""}, both("started"), []),
        ({"active": "inactive", "enabled": "", "started": ""}, both("started"), []),
        ({"active": "failed"}, both("restarted"), both("stopped")),
        ({"active": "failed", "enabled": "disabled"}, both("restarted"), []),
        ({"active": "activating"}, both("restarted"), both("stopped")),
        ({"active": "activating", "enabled": "disabled"}, both("restarted"), both("stopped")),
        ({"active": "deactivating", "enabled": "disabled"}, both("restarted"), both("stopped")),
    ],
)
def test_states(properties, present, stopped):
    assert unit_actions([team()], shown(**properties)) == present
    assert unit_actions([team(state="stopped")], shown(**properties)) == stopped


def test_units_that_systemd_does_not_know_yet():
    assert unit_actions([team()], "") == both("started")
    assert unit_actions([team(state="stopped")], "") == []


@pytest.mark.parametrize(
    ("path", "restarted"),
    [
        ("/etc/mlflow/vision/basic_auth.ini", [SERVICE]),
        ("/etc/mlflow/vision/environment", [SERVICE]),
        ("/etc/mlflow/vision/venv", [SERVICE]),
        ("/etc/mlflow/vision/secrets.env", [SERVICE]),
        ("/etc/mlflow/vision/admin_password", []),
        ("/etc/mlflow/vision/bootstrap.env", []),
        ("/etc/mlflow/vision-two/environment", []),
        ("/etc/mlflow/nlp/environment", []),
        ("/etc/systemd/system/mlflow@.service", [SERVICE]),
        ("/etc/systemd/system/mlflow@vision.service.d/network.conf", [SERVICE]),
        ("/etc/systemd/system/mlflow@nlp.service.d/network.conf", []),
        ("/etc/systemd/system/mlflow-listen@.socket", [SOCKET]),
        ("/etc/systemd/system/mlflow-listen@vision.socket.d/listen.conf", [SOCKET]),
        ("/etc/systemd/system/mlflow-listen@nlp.socket.d/listen.conf", []),
        ("/usr/local/lib/mlflow/wait_until_healthy.py", []),
    ],
)
def test_newer_files_restart_those_who_read_them(path, restarted):
    expected = [{"unit": unit, "action": "restarted"} for unit in restarted]
    assert unit_actions([team()], shown(), [file(path)]) == expected
    # A run that was cut off: nothing changes in this one, but the file is still newer.
    assert unit_actions([team()], shown(), [file(path, changed=False)]) == expected


@pytest.mark.parametrize(
    ("mtime", "restarted"),
    [(STARTED - 10, False), (STARTED, False), (STARTED + 0.9, False), (STARTED + 1, True), (None, False)],
)
def test_systemd_tells_whole_seconds(mtime, restarted):
    found = unit_actions([team()], shown(), [file("/etc/mlflow/vision/environment", mtime)])
    assert bool(found) is restarted


def test_the_newest_of_several_files_counts():
    files = [file("/etc/mlflow/vision/a", mtime) for mtime in (None, STARTED + 5, STARTED - 5)]
    assert [action["unit"] for action in unit_actions([team()], shown(), files)] == [SERVICE]


def test_a_disabled_unit_with_newer_settings_is_restarted():
    files = [file("/etc/mlflow/vision/environment")]
    found = unit_actions([team()], shown(enabled="disabled"), files)
    assert [action["action"] for action in found] == ["started", "restarted"]


def test_a_stopped_team_is_never_restarted():
    files = [file("/etc/mlflow/vision/environment")]
    assert unit_actions([team(state="stopped")], shown(active="inactive", enabled="disabled"), files) == []


def test_each_team_by_itself_and_in_order():
    units = shown() + "\n" + shown().replace("vision", "nlp")
    teams = [team("nlp", "stopped"), team(), team("audio")]
    assert [(action["unit"], action["action"]) for action in unit_actions(teams, units)] == [
        ("mlflow-listen@nlp.socket", "stopped"),
        ("mlflow@nlp.service", "stopped"),
        ("mlflow-listen@audio.socket", "started"),
        ("mlflow@audio.service", "started"),
    ]
