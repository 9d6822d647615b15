"""What is said of teams, and what is wrong with them, on a host whose systemd says what it is told to."""

import json
import os
import shutil
import sqlite3
import threading
import time

import pytest
from mlflowctl import cli, doctor, paths, status, transaction, turns
from mlflowctl.in_mlflow import believed

SHOWN = {
    "mlflow@vision.service": {"ActiveState": "inactive", "InactiveEnterTimestampMonotonic": "1000000"},
    "mlflow-listen@vision.socket": {"ActiveState": "active", "UnitFileState": "enabled"},
    "mlflow-gc@vision.timer": {"ActiveState": "active", "UnitFileState": "enabled"},
}


@pytest.fixture
def units(monkeypatch):
    """What systemd says."""
    found = {name: dict(about) for name, about in SHOWN.items()}
    monkeypatch.setattr(status.systemd, "show", lambda *_asked: found)
    monkeypatch.setattr(doctor.causes, "journal_keeps", lambda: True)
    return found


@pytest.fixture
def host(tmp_path, units):
    """A host with one team."""
    paths.HERE = paths.Paths(tmp_path)
    directory, state = paths.HERE.config / "vision", tmp_path / "state"
    for path in (
        directory,
        state,
        paths.HERE.cache,
        paths.HERE.locks,
        paths.HERE.state,
        tmp_path / "opt" / "3.17.2" / "bin",
    ):
        path.mkdir(parents=True)
    (tmp_path / "opt" / "3.17.2" / "bin" / "python").touch()
    (directory / "venv").symlink_to(tmp_path / "opt" / "3.17.2")
    file = state / "mlflow.db"
    sqlite3.connect(file).executescript("CREATE TABLE runs (name TEXT)")
    known = {
        "name": "vision",
        "account": "mlflow-vision",
        "state_dir": str(state),
        "socket": "/nowhere",
        "admin_username": "admin",
        "default_permission": "READ",
        "databases": [{"name": "mlflow", "uri": f"sqlite:///{file}", "file": str(file)}],
        "artifacts": None,
        "storage_dirs": [],
        "tracking_uri": "http://127.0.0.1:5001",
    }
    (directory / "team.json").write_text(json.dumps(known))
    return tmp_path


def ask(capsys, *words):
    code = cli.main(list(words))
    said = capsys.readouterr()
    return code, said.out


def test_a_team_that_sleeps(host, capsys):
    turns.note("vision", "backup", {"began": 5.0})
    code, said = ask(capsys, "status", "--json")
    (found,) = json.loads(said)
    assert code == 0
    assert (found["team"], found["version"], found["state"], found["port"]) == ("vision", "3.17.2", "asleep", 5001)
    assert found["databases"] == [
        {"name": "mlflow", "kind": "sqlite", "bytes": os.stat(host / "state/mlflow.db").st_size}
    ]
    assert (found["last_backup"], found["last_drill"], found["undone"]) == ({"began": 5.0}, None, None)
    assert found["disk_free"] > 0


@pytest.mark.parametrize(
    ("server", "socket", "state"),
    [
        ("active", "active", "awake"),
        ("activating", "active", "starting"),
        ("inactive", "inactive", "stopped"),
        ("failed", "active", "failed"),
    ],
)
def test_in_what_state_it_is(host, units, capsys, server, socket, state):
    units["mlflow@vision.service"]["ActiveState"] = server
    units["mlflow-listen@vision.socket"]["ActiveState"] = socket
    assert json.loads(ask(capsys, "list", "--json")[1])[0]["state"] == state


def test_the_table_has_what_the_json_has(host, capsys):
    transaction.write_journal("vision", {"what": "upgrade to 3.18", "trying": False, "undo": []})
    heads, line = ask(capsys, "status")[1].splitlines()
    assert heads.split("  ")[0] == "TEAM"
    assert [it in line for it in ("vision", "3.17.2", "asleep", "5001", "sqlite", "upgrade to 3.18 was cut off")] == [
        True
    ] * 6


# Cut off, of another version, and nothing that this one knows.
@pytest.mark.parametrize("text", ["{", '{"name": "torn", "of_the_future": 1}', "[]"])
def test_what_is_written_down_and_cannot_be_read_hides_no_other_team(host, capsys, text):
    (paths.HERE.config / "torn").mkdir()
    (paths.HERE.config / "torn" / "team.json").write_text(text)
    found = {it["team"]: it["state"] for it in json.loads(ask(capsys, "status", "--json")[1])}
    assert found == {"torn": "unreadable", "vision": "asleep"}
    # Also where it is asked for by its name.
    found = {it["team"]: it["state"] for it in json.loads(ask(capsys, "status", "--json", "torn")[1])}
    assert found == {"torn": "unreadable"}
    assert "cannot be read" in ask(capsys, "doctor", "torn")[1]
    assert "torn" in ask(capsys, "status")[1]


def test_where_all_is_well_nothing_is_to_be_done(host, capsys):
    assert ask(capsys, "doctor") == (0, "all is well\n")
    assert ask(capsys, "doctor", "--json") == (0, "[]\n")


def environment_gone(host, _units):
    shutil.rmtree(host / "opt" / "3.17.2")


def server_failed(_host, units):
    units["mlflow@vision.service"]["ActiveState"] = "failed"


def socket_closed(_host, units):
    units["mlflow-listen@vision.socket"]["ActiveState"] = "inactive"


def change_cut_off(_host, _units):
    transaction.write_journal("vision", {"what": "upgrade to 3.18", "trying": False, "undo": []})


def move_cut_off(_host, _units):
    transaction.make_home()
    (paths.HERE.changes / "vision.moving").touch()


def database_gone(host, _units):
    (paths.HERE.config / "vision" / "admin_password").touch()
    (host / "state" / "mlflow.db").unlink()


def collects_garbage(last):
    file = paths.HERE.config / "vision" / "team.json"
    known = json.loads(file.read_text())
    file.write_text(json.dumps({**known, "gc_older_than": "30d"}))
    with open(os.path.join(known["state_dir"], believed.NOTE), "w") as note:
        note.write(last)


def clock_ahead(_host, _units):
    collects_garbage(f"{time.time() - 400 * 86400}\n")


def clock_behind(_host, _units):
    collects_garbage(f"{time.time() + 400 * 86400}\n")


def former_programs(_host, _units):
    paths.HERE.library.mkdir(parents=True)
    (paths.HERE.library / "run.py").touch()


@pytest.mark.parametrize(
    ("harm", "problem", "cure"),
    [
        (environment_gone, "MLflow 3.17.2, which it is to run, is not installed", "run mlops.mlflow.site"),
        (server_failed, "mlflow@vision.service has failed", "see journalctl -u mlflow@vision.service"),
        (
            socket_closed,
            "mlflow-listen@vision.socket is enabled, and does not",
            "systemctl start mlflow-listen@vis",
        ),
        (
            change_cut_off,
            "upgrade to 3.18 was cut off, and is not undone yet",
            "systemctl restart mlflow@vision.service",
        ),
        (move_cut_off, "its move to other stores has begun, and is not over", "where that was cut off, run it again"),
        (database_gone, "is not there", "mlflowctl restore vision"),
        (clock_ahead, "the clock is 400 days ahead of what garbage collection believes", ".gc-time"),
        (clock_behind, "the clock is 400 days behind what garbage collection believes", "set it right before"),
        (former_programs, "programs of a former version", "run mlops.mlflow.site"),
    ],
)
def test_what_is_wrong_is_named_with_its_cure(host, units, capsys, harm, problem, cure):
    harm(host, units)
    code, said = ask(capsys, "doctor", "--json")
    (found,) = json.loads(said)
    assert code == 1
    assert problem in found["problem"]
    assert cure in found["cure"]


def test_who_collects_no_garbage_is_behind_nothing(host, units, capsys):
    clock_ahead(host, units)
    units["mlflow-gc@vision.timer"]["ActiveState"] = "inactive"
    assert ask(capsys, "doctor")[0] == 0


# Of yesterday, or nothing that says when.
@pytest.mark.parametrize("last", [None, "", "nan", "inf", "-inf", "soon", "1" * 100])
def test_a_note_that_says_nothing_of_the_clock_is_nothing_wrong(host, capsys, last):
    collects_garbage(f"{time.time() - 86400}\n" if last is None else last)
    assert ask(capsys, "doctor")[0] == 0


def test_what_stands_in_the_place_of_the_note_is_not_followed(host, capsys):
    collects_garbage("1")
    (host / "state" / believed.NOTE).rename(host / "elsewhere")
    (host / "state" / believed.NOTE).symlink_to(host / "elsewhere")
    assert ask(capsys, "doctor")[0] == 0
    (host / "state" / believed.NOTE).unlink()
    os.mkfifo(host / "state" / believed.NOTE)
    assert ask(capsys, "doctor")[0] == 0


def test_one_that_is_drained_says_so(host, units, capsys):
    (paths.HERE.config / "vision" / "drained").write_text('{"units": []}')
    units["mlflow-listen@vision.socket"] = {"ActiveState": "inactive", "UnitFileState": "disabled"}
    for command in ("status", "list"):
        assert json.loads(ask(capsys, command, "--json")[1])[0]["state"] == "drained"
    (found,) = json.loads(ask(capsys, "doctor", "--json")[1])
    assert found["problem"] == "it is drained, and other hosts of the team answer"
    assert found["cure"] == "mlflowctl undrain vision, when the work on this host is done"
    # Whoever drained it did not come to its end.
    units["mlflow-listen@vision.socket"]["ActiveState"] = "active"
    (found,) = json.loads(ask(capsys, "doctor", "--json")[1])
    assert found["problem"] == "to drain it was cut off"
    assert found["cure"].startswith("mlflowctl drain vision, or mlflowctl undrain vision")


def test_a_replica_that_refuses_for_no_reason_says_so(host, units, capsys, monkeypatch):
    monkeypatch.setattr(doctor.port, "is_refusing", lambda number: number == 5001)
    # Of one host alone nothing of the kind is asked.
    assert json.loads(ask(capsys, "doctor", "--json")[1]) == []
    file = paths.HERE.config / "vision" / "team.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "replica": "b", "leader": "a"}))
    (found,) = json.loads(ask(capsys, "doctor", "--json")[1])
    assert found["problem"] == "port 5001 refuses whoever comes, and it is not drained"
    assert found["cure"].endswith("; systemctl start mlflow-listen@vision.socket")
    # Where it is, that is said instead.
    (paths.HERE.config / "vision" / "drained").write_text('{"units": []}')
    assert [it["problem"] for it in json.loads(ask(capsys, "doctor", "--json")[1])] == ["to drain it was cut off"]


def test_a_port_that_is_closed_since_the_server_died_is_not_to_be_opened(host, units, capsys):
    socket_closed(host, units)
    paths.HERE.closed.mkdir(parents=True)
    (paths.HERE.closed / "vision").touch()
    (found,) = json.loads(ask(capsys, "doctor", "--json")[1])
    assert found["problem"] == "its server died, and mlflow-listen@vision.socket refuses until it answers"
    assert found["cure"] == "see journalctl -u mlflow@vision.service; systemctl start mlflow@vision.service"


def test_a_disk_that_does_not_answer_is_one_teams(host, monkeypatch, capsys):
    directory = paths.HERE.config / "nlp"
    shutil.copytree(paths.HERE.config / "vision", directory, symlinks=True)
    known = json.loads((directory / "team.json").read_text())
    (directory / "team.json").write_text(json.dumps({**known, "name": "nlp", "storage_dirs": ["/srv/away"]}))
    real, over = os.statvfs, threading.Event()

    def away(place):
        if place == "/srv/away":
            over.wait(600)
        return real(place)

    monkeypatch.setattr(os, "statvfs", away)
    for module in (status, doctor):
        monkeypatch.setattr(module, "DISK_SECONDS", 2)
    try:
        found = {it["team"]: it for it in json.loads(ask(capsys, "status", "--json")[1])}
        assert found["vision"]["state"] == "asleep"
        why = "/srv/away does not answer within 2 s"
        assert found["nlp"] == {"team": "nlp", "state": "unreadable", "problem": why}
        assert why in ask(capsys, "status")[1]
        (wrong,) = json.loads(ask(capsys, "doctor", "--json")[1])
        assert (wrong["team"], wrong["problem"]) == ("nlp", why)
    finally:
        over.set()


def test_looking_for_a_change_that_was_cut_off_leaves_no_lock(host, capsys):
    change_cut_off(host, None)
    assert ask(capsys, "doctor")[0] == 1
    assert list(paths.HERE.locks.iterdir()) == []


def test_a_change_that_somebody_is_at_is_nothing_wrong(host, capsys):
    change_cut_off(host, None)
    handle = transaction.lock("vision", "clients")
    try:
        assert ask(capsys, "doctor")[0] == 0
    finally:
        os.close(handle)
