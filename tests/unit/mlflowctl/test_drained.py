"""A replica is drained without an error to anybody, or not at all; on a host whose systemd notes what it is told."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflowctl import cli, commands, drained, finish, paths, transaction
from mlflowctl.errors import Problem

UNITS = ["mlflow-listen@nlp.socket", "mlflow@nlp.service", "mlflow-gc@nlp.timer"]


class Systemd:
    """What it was told, what of it failed, and which units start with the host."""

    def __init__(self):
        self.told, self.starts, self.enabled = [], True, UNITS[:2]

    def printed(self, command, **_options):
        self.told.append(" ".join(command[1:]))

    def run(self, command, _seconds):
        if command[0] == "systemd-run":
            self.told.append(f"{command[-4]} {' '.join(command[-2:])}")
        else:
            self.printed(command)
        return commands.Done(command, 0, f"{transaction.TRIED}\n" if self.starts else "", "")

    def show(self, units, _properties):
        return {it: {"UnitFileState": "enabled" if it in self.enabled else "disabled"} for it in units}


class Port:
    """One whose connections end one by one; the last number stays."""

    def __init__(self):
        self.left, self.told, self.forbids = [0], [], False

    def refuse(self, number):
        self.told.append(("refuse", number))

    def admit(self, number):
        self.told.append(("admit", number))
        if self.forbids:
            raise PermissionError

    def connections(self, _number):
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    """A host with a replica."""
    paths.HERE = paths.Paths(tmp_path)
    directory = paths.HERE.config / "nlp"
    for path in (directory, paths.HERE.locks, paths.HERE.closed, paths.HERE.state):
        path.mkdir(parents=True)
    known = dict.fromkeys(("account", "state_dir", "socket", "admin_username", "default_permission"), "")
    known |= {"name": "nlp", "databases": [], "artifacts": None, "storage_dirs": [], "replica": "b", "leader": "a"}
    (directory / "team.json").write_text(json.dumps({**known, "tracking_uri": "http://127.0.0.1:5002"}))
    it = Systemd()
    monkeypatch.setattr(commands, "printed", it.printed)
    monkeypatch.setattr(commands, "run", it.run)
    monkeypatch.setattr(drained.systemd, "show", it.show)
    it.port = Port()
    monkeypatch.setattr(drained, "port", it.port)
    monkeypatch.setattr(drained, "QUIET", 0.01)
    monkeypatch.setattr(drained, "PAUSE", 0)
    monkeypatch.setattr(drained.causes, "journal_keeps", lambda: True)
    return it


def ask(capsys, *words):
    code = cli.main(list(words))
    said = capsys.readouterr()
    return code, said.out + said.err


def test_who_came_is_answered_before_anything_is_stopped(systemd, capsys):
    systemd.port.left = [3, 1, 0, 2, 0]
    (paths.HERE.closed / "nlp").touch()
    code, said = ask(capsys, "drain", "nlp")
    assert (code, said) == (0, "nlp is drained on this host, and its others answer; mlflowctl undrain nlp ends it\n")
    assert (systemd.port.told, systemd.port.left) == ([("refuse", 5002)], [0])
    assert systemd.told == [
        f"disable --quiet {UNITS[0]} {UNITS[1]}",
        f"stop {UNITS[0]} mlflow-listen@nlp.service {UNITS[1]} {UNITS[0]} {UNITS[1]}",
    ]
    assert drained.noted("nlp") == {"units": UNITS[:2]}
    assert not (paths.HERE.closed / "nlp").exists()


def test_who_is_not_done_keeps_it_from_being_drained(systemd, capsys):
    systemd.port.left = [2]
    code, said = ask(capsys, "drain", "--seconds", "0.05", "nlp")
    assert (code, "nlp is not drained, and all is as it was: 2 connections are still open" in said) == (1, True), said
    assert systemd.port.told == [("refuse", 5002), ("admit", 5002)]
    assert (systemd.told, drained.since("nlp")) == ([], None)
    # But for who says that they may be cut off.
    assert ask(capsys, "drain", "--seconds", "0", "nlp")[0] == 0
    assert drained.since("nlp") is not None


def test_where_they_cannot_be_admitted_again_systemd_listens_anew(systemd, capsys):
    systemd.port.left, systemd.port.forbids = [2], True
    assert ask(capsys, "drain", "--seconds", "0.05", "nlp")[0] == 1
    assert systemd.told == [f"stop {UNITS[0]} mlflow-listen@nlp.service", f"start {UNITS[0]}"]


def test_replicas_are_stopped_once_they_have_answered(systemd, capsys, monkeypatch):
    systemd.port.left = [3, 1, 0, 2, 0]
    assert ask(capsys, "hold", "nlp") == (0, "")
    stopped = f"stop {UNITS[0]} mlflow-listen@nlp.service {UNITS[1]}"
    assert (systemd.port.told, systemd.port.left, systemd.told) == ([("refuse", 5002)], [0], [stopped])
    # Who is not done in time, or cannot be refused, is cut off: all others of the team wait for this.
    monkeypatch.setattr(drained, "HOLD_SECONDS", 0.05)
    systemd.port.left = [2]
    assert ask(capsys, "hold", "nlp") == (0, "")
    systemd.port.left, systemd.port.refuse = [0], lambda number: os.open(f"/nowhere/{number}", os.O_RDONLY)
    assert ask(capsys, "hold", "nlp") == (0, "")
    assert systemd.told == [stopped] * 3
    assert drained.since("nlp") is None


def test_several_are_stopped_at_once_when_all_of_them_are_answered(systemd, capsys, monkeypatch):
    other = paths.HERE.config / "vision"
    other.mkdir()
    told = (paths.HERE.config / "nlp" / "team.json").read_text()
    (other / "team.json").write_text(told.replace('"nlp"', '"vision"').replace("5002", "5003"))
    looks = {5002: [0, 1, 0], 5003: [1, 0, 0]}
    monkeypatch.setattr(systemd.port, "connections", lambda number: looks[number].pop(0) if looks[number] else 0)
    assert ask(capsys, "hold", "nlp", "vision") == (0, "")
    assert systemd.port.told == [("refuse", 5002), ("refuse", 5003)]
    assert looks == {5002: [], 5003: []}
    (stopped,) = systemd.told
    assert stopped.split()[1:] == [
        f"mlflow{kind}"
        for it in ("nlp", "vision")
        for kind in (f"-listen@{it}.socket", f"-listen@{it}.service", f"@{it}.service")
    ]


def test_who_cannot_be_stopped_is_let_in_again(systemd, capsys, monkeypatch):
    def fail(*_words):
        raise Problem("systemd does not answer")

    monkeypatch.setattr(drained, "systemctl", fail)
    assert ask(capsys, "hold", "nlp")[0] == 1
    assert systemd.port.told == [("refuse", 5002), ("admit", 5002)]


HOLD = """
import functools, sys, types
from mlflowctl import drained, port
drained.port = types.SimpleNamespace(
    refuse=functools.partial(port.refuse, process=int(sys.argv[1])),
    admit=functools.partial(port.admit, process=int(sys.argv[1])),
    connections=port.connections,
)
team = types.SimpleNamespace(name="nlp", tracking_uri=sys.argv[2])
drained.teams.load, drained.HOLD_SECONDS = lambda _name: team, 600
drained.hold("nlp")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_they_are_let_in_again_where_who_stops_it_is_killed(how):
    def is_refused(address):
        try:
            socket.create_connection(address, timeout=300).close()
        except ConnectionRefusedError:
            return True
        return False

    def becomes(wanted, address):
        end = time.monotonic() + 60
        while is_refused(address) is not wanted and time.monotonic() < end:
            time.sleep(0.02)
        return is_refused(address) is wanted

    with socket.create_server(("127.0.0.1", 0), backlog=5000) as listener:
        address = listener.getsockname()
        # Whoever is not answered yet.
        with socket.create_connection(address), listener.accept()[0]:
            words = [sys.executable, "-c", HOLD, str(os.getpid()), f"http://127.0.0.1:{address[1]}"]
            where = {"PYTHONPATH": str(Path(drained.__file__).parents[1])}
            with subprocess.Popen(words, env=where, stderr=subprocess.DEVNULL) as hold:
                assert becomes(True, address)
                hold.send_signal(how)
                hold.wait(60)
            assert becomes(False, address)


def test_one_that_was_cut_off_is_finished_with_what_was_noted(systemd, capsys):
    systemd.enabled = UNITS
    assert ask(capsys, "drain", "nlp")[0] == 0
    systemd.enabled = []
    assert ask(capsys, "drain", "nlp")[0] == 0
    assert drained.noted("nlp") == {"units": UNITS}


def one_host(_systemd):
    file = paths.HERE.config / "nlp" / "team.json"
    file.write_text(file.read_text().replace('"replica": "b"', '"replica": ""'))


def changing(_systemd):
    transaction.write_journal("nlp", {"what": "upgrade to 3.18", "trying": False, "undo": []})


def stopped(systemd):
    systemd.enabled = []


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (one_host, "nlp: this host alone serves it, and nobody would answer meanwhile. For work of a moment restart"),
        (changing, "nlp is being changed; drain it when that is over"),
        (stopped, "nlp is stopped on this host"),
    ],
)
def test_what_cannot_be_drained(systemd, capsys, harm, why):
    harm(systemd)
    code, said = ask(capsys, "drain", "nlp")
    assert (code, said.startswith(why)) == (1, True), said
    assert (systemd.told, drained.since("nlp")) == ([], None)


def test_one_that_somebody_is_changing_is_left(systemd, capsys):
    handle = transaction.lock("nlp", "clients")
    try:
        assert "nlp is being changed" in ask(capsys, "drain", "nlp")[1]
    finally:
        os.close(handle)


def test_units_of_before_let_a_server_finish(systemd, capsys, monkeypatch):
    """systemd may still know these when the program is new: nobody has asked for anything to be drained."""
    finished = []
    monkeypatch.setattr(drained, "is_called_by_unit", lambda name: name == "nlp")
    monkeypatch.setattr(finish, "main", finished.append)
    assert ask(capsys, "drain", "nlp") == (0, "")
    assert (finished, systemd.told, drained.since("nlp")) == (["nlp"], [], None)


def test_it_is_put_back_when_its_server_works(systemd, capsys):
    assert ask(capsys, "undrain", "nlp") == (1, "nlp is not drained on this host\n")
    ask(capsys, "drain", "nlp")
    systemd.told.clear()
    systemd.starts = False
    why = "nlp stays drained, since its server does not start; see journalctl -u mlflow@nlp.service\n"
    assert ask(capsys, "undrain", "nlp") == (1, why)
    opens = "sh start mlflow-listen@nlp.service"
    assert systemd.told == [opens, f"stop {UNITS[1]}"]
    assert drained.since("nlp") is not None
    systemd.told.clear()
    systemd.starts = True
    assert ask(capsys, "undrain", "nlp") == (0, "nlp is served by this host again\n")
    both = f"{UNITS[0]} {UNITS[1]}"
    assert systemd.told == [opens, f"enable --quiet {both}", f"start {both}"]
    assert (drained.since("nlp"), systemd.port.told[-1]) == (None, ("admit", 5002))
