"""Who did what, as an operator asks it, on a host whose journal has lines of others that look the same."""

import json
import os
import pwd
import sqlite3
import sys

import pytest
from mlflowctl import audit, cli, databases, paths

UID = os.geteuid()
# Keeps what is asked of it as journald does: each field has to be what is wanted of it.
JOURNALCTL = """\
import json, os, sys
matches = [it.split("=", 1) for it in sys.argv[1:] if it[0] != "-"]
options = dict(it[2:].partition("=")[::2] for it in sys.argv[1:] if it[0] == "-")
for option in ("since", "until"):
    if not options.get(option, "0").isdecimal():
        sys.exit("Failed to parse timestamp: " + options[option])
if os.path.exists(sys.path[0] + "/slow"):
    import time
    time.sleep(60)
if os.path.exists(sys.path[0] + "/torn"):
    sys.exit("Failed to open files: \\x1b[2JInput/output error")
for line in open(sys.path[0] + "/entries"):
    entry = json.loads(line)
    since, until = (int(options.get(name, number)) for name, number in (("since", 0), ("until", 99)))
    if since <= entry.pop("at") <= until and all(entry.get(key) == value for key, value in matches):
        print(json.dumps({"MESSAGE": entry["MESSAGE"], "__CURSOR": "s=1"}))
"""


class Host:
    """One with a team, and what its journal has."""

    def __init__(self, home):
        self.home = home
        self.entries = home / "bin" / "entries"
        self.database = home / "state" / "mlflow.db"

    def wrote(self, at=1, message=None, fields=(), **told):
        line = {
            "time": f"2026-03-02T10:00:{at:02}Z",
            "team": "vision",
            "user": "alice",
            "address": "192.0.2.7",
            "method": "POST",
            "resource": {},
            "status": 200,
            "ms": 5,
            **told,
        }
        if "claimed_address" in told:
            del line["address"]
        trusted = {
            "_SYSTEMD_UNIT": "mlflow@vision.service",
            "_UID": str(UID),
            "_TRANSPORT": "journal",
            "SYSLOG_IDENTIFIER": "mlflow-audit",
        }
        entry = {"at": at, **trusted, "MESSAGE": json.dumps(line) if message is None else message, **dict(fields)}
        with self.entries.open("a") as file:
            file.write(json.dumps(entry) + "\n")


@pytest.fixture
def host(tmp_path, monkeypatch):
    paths.HERE = paths.Paths(tmp_path)
    host = Host(tmp_path)
    for path in (host.entries.parent, host.database.parent, paths.HERE.config / "vision"):
        path.mkdir(parents=True)
    connection = sqlite3.connect(host.database)
    connection.executescript(
        "PRAGMA journal_mode = WAL; CREATE TABLE experiments (experiment_id INTEGER, name TEXT);"
        "INSERT INTO experiments VALUES (0, 'Default'), (3, 'today'), (8, x'00ff')"
    )
    connection.close()
    known = {
        "name": "vision",
        "account": pwd.getpwuid(UID).pw_name,
        "state_dir": str(host.database.parent),
        "socket": "/nowhere",
        "admin_username": "admin",
        "default_permission": "READ",
        "databases": [{"name": "mlflow", "uri": f"sqlite:///{host.database}", "file": str(host.database)}],
        "artifacts": None,
        "storage_dirs": [],
    }
    (paths.HERE.config / "vision" / "team.json").write_text(json.dumps(known))
    program = host.entries.parent / "journalctl"
    program.write_text(f"#!{sys.executable}\n{JOURNALCTL}")
    program.chmod(0o755)
    host.entries.touch()
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(audit.causes, "journal_keeps", lambda: True)
    return host


@pytest.fixture
def ask(capsys):
    def ask(*words, code=0):
        assert cli.main(["audit", "vision", *words]) == code
        return capsys.readouterr()

    return ask


def objects(ask, *words):
    return json.loads(ask("--json", *words).out)


def test_who_deleted_that_experiment(host, ask):
    host.wrote(1, route="experiments/create", resource={"experiment_id": "7", "name": "doomed"})
    host.wrote(2, route="experiments/delete", user="bob", resource={"experiment_id": "7"})
    (found,) = objects(ask, "--route", "experiments/delete")
    assert (found["user"], found["experiments"], found["status"]) == ("bob", {"7": "doomed"}, 200)
    heads, line = ask("--route=experiments/del*").out.splitlines()
    assert heads.split() == ["TIME", "USER", "FROM", "WHAT", "OF", "WHAT", "ANSWER"]
    assert line.split() == [
        *("2026-03-02T10:00:02Z", "bob", "192.0.2.7", "POST", "experiments/delete"),
        *("experiment_id=7", "(doomed)", "200"),
    ]


def test_it_is_called_what_it_was_called_then(host, ask):
    host.wrote(1, route="experiments/create", resource={"experiment_id": "3", "name": "first"})
    host.wrote(2, route="runs/create", resource={"experiment_id": "3"})
    host.wrote(3, route="experiments/update", resource={"experiment_id": "3", "new_name": "refused"}, status=403)
    host.wrote(4, route="runs/create", resource={"experiment_id": "3"})
    host.wrote(5, route="experiments/update", resource={"experiment_id": "3", "new_name": "second"})
    host.wrote(6, route="experiments/delete", resource={"experiment_id": "3"})
    assert [it["experiments"]["3"] for it in objects(ask)] == ["first", "first", "first", "first", "second", "second"]
    # Also where that was before the time that is asked for.
    assert [it["experiments"] for it in objects(ask, "--since=6")] == [{"3": "second"}]
    assert len(objects(ask, "--since", "2", "--until", "3")) == 2


def test_what_no_line_names_the_database_does_and_nothing_is_made_beside_it(host, ask):
    for number in ("3", "0", "44", "8", "x'); DROP", "9" * 30):
        host.wrote(route="experiments/delete", resource={"experiment_id": number})
    host.wrote(route="experiments/search-traces", resource={"experiment_ids": ["0", "3"]})
    named = [it["experiments"] for it in objects(ask)]
    assert named == [{"3": "today"}, {"0": "Default"}, {}, {}, {}, {}, {"0": "Default", "3": "today"}]
    assert [it.name for it in host.database.parent.iterdir()] == ["mlflow.db"]


def test_a_database_that_is_gone_leaves_numbers(host, ask):
    host.database.unlink()
    host.wrote(route="experiments/delete", resource={"experiment_id": "3"})
    said = ask()
    assert "experiment_id=3  200" in said.out
    assert said.err.startswith("vision: its database does not say what experiments are called: ")


@pytest.mark.parametrize("answer", ["[" * 100_000, "7", "[1]", "no JSON"])
def test_a_database_that_says_what_is_no_name_leaves_numbers(host, ask, monkeypatch, answer):
    monkeypatch.setattr(databases, "run", lambda *_given, **_options: answer)
    host.wrote(route="experiments/delete", resource={"experiment_id": "3"})
    said = ask()
    assert "experiment_id=3  200" in said.out
    assert said.err.startswith("vision: its database does not say what experiments are called: ")


@pytest.mark.parametrize(
    "fields",
    [
        {"_SYSTEMD_UNIT": "user@1000.service"},
        {"_SYSTEMD_UNIT": "mlflow@nlp.service"},
        {"_UID": "4711"},
        {"_TRANSPORT": "stdout"},
        {"SYSLOG_IDENTIFIER": "python"},
    ],
)
def test_nobody_elses_lines_are_taken(host, ask, fields):
    host.wrote(route="experiments/delete", fields=fields)
    assert objects(ask) == []
    assert ask().out == "the journal has nothing of it\n"


@pytest.mark.parametrize(
    "message",
    [
        *(None, "", "{", "[]", "[" * 100_000, '{"resource": 1}', [1, 2]),
        # Of a process of the team's server, which is not the one that writes them.
        *('{"resource": {}}', '{"resource": {}, "route": ["runs/delete"]}', '{"resource": {}, "route": {}}'),
        f'{{"resource": {{"a": {"[" * 900}{"]" * 900}}}, "route": "x"}}',
        '{"resource": {}, "route": "x", "user": {"a": "b"}}',
    ],
)
def test_what_is_no_line_ends_nothing(host, ask, message):
    host.wrote(message=message, fields={} if message else {"MESSAGE": message})
    host.wrote(route="runs/delete")
    assert [it["route"] for it in objects(ask)] == ["runs/delete"]


def test_those_that_are_asked_for(host, ask):
    host.wrote(1, route="runs/delete")
    host.wrote(2, route="runs/delete", user="bob")
    host.wrote(3, route="users/create", user="bob", status=403)
    host.wrote(4, route="runs/search", user=None, claimed_user="alice", status=401, count=12)
    times = {
        words: [int(it["time"][-3:-1]) for it in objects(ask, *words)]
        for words in ((), ("--user=alice",), ("--user", "bob", "--route", "runs/*"), ("--refused",))
    }
    assert list(times.values()) == [[1, 2, 3, 4], [1, 4], [2], [3, 4]]
    assert "nobody (says alice)" in ask("--refused").out
    assert ask("--refused").out.endswith("401, 12 times more\n")


def test_nothing_of_a_name_reaches_a_terminal_as_it_is(host, ask):
    evil = 'x\x1b[2J\n\u202e\u2028\ud800  200 " tab\t\u00a0é'
    host.wrote(route="experiments/create", resource={"experiment_id": "7", "name": evil})
    host.wrote(route=evil, user=evil, address=evil, method=evil, resource={evil: [evil]}, status=evil, time=evil)
    host.wrote(user=None, claimed_user=evil, claimed_address="192.0.2.7", route="experiments/delete")
    said = ask().out
    assert len(said.splitlines()) == said.count("\n") == 4
    assert not {it for it in said if it != "\n" and (ord(it) < 32 or ord(it) in range(127, 161) or ord(it) > 255)}
    assert '"x\\x1b[2J\\n\\u202e\\u2028\\ud800  200 \\" tab\\t\\xa0é"' in said
    assert "192.0.2.7?" in said
    assert objects(ask)[0]["resource"]["name"] == evil


@pytest.mark.parametrize("filler", ["\u3164", "\uffa0", "\u115f", "\u2800", "\u00a0", "   "], ids=ascii)
def test_nothing_that_is_not_to_be_seen_looks_like_a_column_of_its_own(host, ask, filler):
    # A stranger chooses the route, whoever makes something its name.
    forged = f"a{filler * 3}carol{filler * 3}200"
    host.wrote(route=f"runs/ID{filler * 3}alice", resource={"id": forged}, user=None, claimed_user=forged, status=401)
    _heads, line = ask().out.splitlines()
    assert line.isascii()
    assert forged not in line
    assert line.split()[-1] == "401"


def test_lines_that_the_journal_did_not_take_are_counted(host, ask):
    host.wrote(route="runs/delete", missed=3)
    assert ask().err == "3 more lines were not taken by the journal\n"


def test_a_time_that_is_none_was_asked_for_wrongly(host, ask):
    assert ask("--since=soon", code=2).err == "Failed to parse timestamp: soon\n"
    assert ask("--until=soon", code=2).err == "Failed to parse timestamp: soon\n"


def test_a_journal_that_is_not_read_in_time_is_an_error_with_what_to_do(host, ask, monkeypatch):
    (host.entries.parent / "slow").touch()
    monkeypatch.setattr(audit, "READ_SECONDS", 1)
    said = "journalctl was still not done after 1 s; ask for less, with --since and --until\n"
    assert ask(code=1).err == said


def test_a_journal_that_cannot_be_read_is_an_error(host, ask, monkeypatch):
    (host.entries.parent / "torn").touch()
    assert ask(code=1).err == "Failed to open files: \\x1b[2JInput/output error\n"
    monkeypatch.setattr(audit.causes, "journal_keeps", lambda: False)
    assert "Storage=auto" in ask(code=1).err
