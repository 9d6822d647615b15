"""In what state a team's units are to be, and which files they are older or newer than."""

import pytest
from ansible_collections.mlops.mlflow.plugins.filter.team_units import FilterModule

CHANGED = 1_000_000.5
SOCKET, SERVICE, TIMER = "mlflow-listen@vision.socket", "mlflow@vision.service", "mlflow-gc@vision.timer"


def team(name="vision", state="present", sleeps=True, gc_older_than="never", leads=True, replicas=()):
    given = {"sleeps": sleeps, "gc_older_than": gc_older_than, "leads": leads, "replicas": list(replicas)}
    return {"name": name, "state": state, **given}


def team_units(teams, files=(), new=(), drained=()):
    found = FilterModule().filters()["team_units"](
        teams, list(files), "/etc/mlflow", "/etc/systemd/system", new, drained
    )
    return {unit["name"]: unit for unit in found}


def file(path, mtime=CHANGED):
    return {"path": path, "mtime": mtime}


@pytest.mark.parametrize(
    ("given", "socket", "service"),
    [
        ({}, ("started", True), ("on_demand", False)),
        ({"sleeps": False}, ("started", True), ("started", True)),
        ({"state": "stopped"}, ("stopped", False), ("stopped", False)),
        ({"state": "stopped", "sleeps": False}, ("stopped", False), ("stopped", False)),
    ],
)
def test_states(given, socket, service):
    units = team_units([team(**given)])
    assert (units[SOCKET]["state"], units[SOCKET]["enabled"]) == socket
    assert (units[SERVICE]["state"], units[SERVICE]["enabled"]) == service


@pytest.mark.parametrize(
    ("given", "timer"),
    [
        ({}, ("stopped", False)),
        ({"gc_older_than": "30d"}, ("started", True)),
        ({"gc_older_than": "30d", "state": "stopped"}, ("stopped", False)),
        # The one of its replicas that leads does it.
        ({"gc_older_than": "30d", "leads": False}, ("stopped", False)),
    ],
)
def test_timers_of_those_who_want_to_be_rid_of_what_they_deleted(given, timer):
    units = team_units([team(**given)])
    assert (units[TIMER]["state"], units[TIMER]["enabled"]) == timer


def test_a_replica_that_failed_is_tried_on_since_nobody_can_wake_it():
    assert team_units([team(replicas=["a", "b"])])[SERVICE]["tries_on"] is True
    assert team_units([team()])[SERVICE]["tries_on"] is False


def test_one_that_is_drained_stays_so():
    units = team_units([team(sleeps=False, gc_older_than="30d"), team("nlp")], drained=["vision"])
    assert {(units[name]["state"], units[name]["enabled"]) for name in (SOCKET, SERVICE, TIMER)} == {("stopped", False)}
    assert units["mlflow-listen@nlp.socket"]["state"] == "started"


@pytest.mark.parametrize(
    ("path", "reader"),
    [
        ("/etc/mlflow/vision/basic_auth.ini", SERVICE),
        ("/etc/mlflow/vision/environment", SERVICE),
        ("/etc/mlflow/vision/venv", SERVICE),
        ("/etc/mlflow/vision/secrets.env", SERVICE),
        ("/etc/mlflow/vision/admin_password", None),
        ("/etc/mlflow/vision/bootstrap.env", None),
        ("/etc/mlflow/vision/access_receipt.json", None),
        ("/etc/mlflow/vision/kept_secrets.json", None),
        ("/etc/mlflow/vision/creators.json", None),
        ("/etc/mlflow/vision-two/environment", None),
        ("/etc/mlflow/nlp/environment", None),
        ("/etc/systemd/system/mlflow@.service", SERVICE),
        ("/etc/systemd/system/mlflow@vision.service.d/network.conf", SERVICE),
        ("/etc/systemd/system/mlflow@nlp.service.d/network.conf", None),
        ("/etc/systemd/system/mlflow-listen@.service", SERVICE),
        ("/etc/systemd/system/mlflow-listen@vision.service.d/idle.conf", SERVICE),
        ("/etc/systemd/system/mlflow-listen@.socket", SOCKET),
        ("/etc/systemd/system/mlflow-listen@vision.socket.d/listen.conf", SOCKET),
        ("/etc/systemd/system/mlflow-listen@nlp.socket.d/listen.conf", None),
        ("/usr/local/lib/mlflow/wait_until_healthy.py", None),
        ("/etc/systemd/system/mlflow-gc@.timer", TIMER),
        ("/etc/systemd/system/mlflow-gc@vision.service.d/stores.conf", None),
    ],
)
def test_who_reads_a_file(path, reader):
    units = team_units([team()], [file(path)])
    assert {name for name, unit in units.items() if unit["changed_at"] == CHANGED} == ({reader} if reader else set())
    assert {unit["changed_at"] for unit in units.values()} <= {0, CHANGED}


def test_the_newest_of_several_files_counts():
    files = [file("/etc/mlflow/vision/a", mtime) for mtime in (None, CHANGED + 5, CHANGED - 5)]
    assert team_units([team()], files)[SERVICE]["changed_at"] == CHANGED + 5


def test_a_new_teams_server_stays_up_for_who_asks_it_first():
    units = team_units([team(), team("nlp")], new=["vision"])
    assert units[SERVICE]["start_with"] == ["mlflow-listen@vision.service"]
    assert units["mlflow@nlp.service"]["start_with"] == []


def test_the_teams_in_their_order():
    assert list(team_units([team("nlp"), team()])) == [
        "mlflow.slice",
        "mlflow-listen@nlp.socket",
        "mlflow@nlp.service",
        "mlflow-gc@nlp.timer",
        SOCKET,
        SERVICE,
        TIMER,
    ]
