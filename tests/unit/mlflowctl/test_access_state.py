"""Whether access may be otherwise than noted: work says nothing about it, and whatever else is done does."""

import contextlib
import io
import json
import os
import pwd
import shutil
import sqlite3
import sys
import time
import tracemalloc

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _receipt
from mlflowctl import access_contents, access_grants, access_state, commands, databases, errors, paths
from mlflowctl import team as teams
from mlflowctl.databases import reading, sqlite
from mlflowctl.program import PACKAGE
from unit.mlflowctl.access_schema import BY_HAND, DECLARED, GRANTED, OF_PEOPLE, OF_WORK, SCHEMA, UNKNOWN


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Clocks that tick often, and what the team's account would read in a process of its own."""
    monkeypatch.setattr(sqlite, "SETTLED", 0.05)

    def read(_team, command, _seconds, memory):
        *_program, action, file, names = command
        assert (action, memory) == ("access-contents", commands.ASK_MEMORY)
        try:
            return json.dumps(access_contents.of_sqlite(file, json.loads(names)))
        except sqlite3.Error as error:
            raise databases.DatabaseError(str(error)) from None

    monkeypatch.setattr(databases, "run", read)


@pytest.fixture(params=["delete", "wal"])
def database(request, tmp_path):
    """A database that nobody has open; in WAL mode it comes with a log as soon as somebody has."""
    path = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {request.param}")
        connection.executescript(";".join(SCHEMA))
    return path


@pytest.fixture
def team(database, tmp_path, monkeypatch):
    monkeypatch.setattr(paths.HERE, "config", tmp_path / "etc")
    config = tmp_path / "etc" / "vision"
    config.mkdir(parents=True)
    (config / "venv").symlink_to(tmp_path / "opt" / "3.17.2")
    known = {
        "name": "vision",
        "account": pwd.getpwuid(os.geteuid()).pw_name,
        "state_dir": str(tmp_path),
        "socket": "",
        "admin_username": "admin",
        "default_permission": "READ",
        "databases": [{"name": "mlflow", "uri": f"sqlite:///{database}", "file": str(database)}],
        "artifacts": None,
        "storage_dirs": [],
    }
    (config / "team.json").write_text(json.dumps(known))
    return teams.load("vision")


def do(database, *statements):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript(";".join(statements))
        connection.commit()


def noted(team):
    """What is noted once the files have not been written to for a while."""
    time.sleep(0.1)
    state = access_state.Look(team, DECLARED).state
    assert access_state.unchanged(team, state)
    return state


def look(monkeypatch, capsys, **told):
    """Ask as a run does."""
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(told)))
    access_state.main()
    return json.loads(capsys.readouterr().out)


def test_nothing_of_it_can_be_read_from_what_is_noted(team):
    first, second = noted(team), noted(team)
    for word in ("admin", "ann", "scrypt", "resnet", "churn", "encrypted"):
        assert word not in json.dumps(first)
    assert first["files"] == second["files"]
    assert first["salt"] != second["salt"]
    assert first["digest"] != second["digest"]


def test_work_changes_nothing(team, database):
    state = noted(team)
    do(database, *OF_WORK)
    assert not access_state.same_files(team, state)
    assert access_state.unchanged(team, state)


def test_whatever_else_does(team, database):
    state = {**noted(team), "files": None}
    shutil.copy2(database, f"{database}.before")
    for statement in [*BY_HAND, *UNKNOWN]:
        do(database, statement)
        assert not access_state.unchanged(team, state), statement
        shutil.copy2(f"{database}.before", database)
        for path in sqlite.files(str(database))[1:]:
            assert not os.path.exists(path)
    assert access_state.unchanged(team, state)


def test_grants_are_as_noted_whatever_people_make_for_themselves(team, database):
    state = {**noted(team), "files": None}
    do(database, *OF_WORK, *OF_PEOPLE[:3])
    assert access_state.compared(team, state) == (False, True)
    do(database, *OF_PEOPLE[3:])
    assert access_state.compared(team, state) == (False, True)


@pytest.mark.parametrize(("granted", "taken"), GRANTED)
def test_a_grant_by_hand_is_none_that_was_noted_until_it_is_taken_back(team, database, granted, taken):
    state = {**noted(team), "files": None}
    do(database, granted)
    assert access_state.compared(team, state) == (False, False)
    do(database, taken)
    assert access_state.compared(team, state)[1] is True


def test_who_cannot_tell_grants_does_not(team, database):
    state = {**noted(team), "files": None}
    assert access_state.compared(team, {**state, "grants": None}) == (True, None)
    assert access_state.compared(team, None) == (False, None)
    # Of an MLflow that notes grants of users elsewhere.
    do(database, "UPDATE alembic_version_auth SET version_num = 'c3d4e5f6a7b8'")
    assert access_state.compared(team, state) == (False, None)
    assert noted(team)["grants"] is None


def test_a_table_that_nobody_knows_counts(team, database):
    do(database, "CREATE TABLE grants (level TEXT)")
    state = noted(team)
    do(database, "INSERT INTO grants VALUES ('EDIT')")
    assert not access_state.unchanged(team, state)


def test_rows_are_not_taken_for_each_other(team, database):
    do(database, "INSERT INTO experiment_tags VALUES (1, 'a', 'b,c'), (1, 'NULL', NULL)")
    state = noted(team)
    do(database, "UPDATE experiment_tags SET key = 'a,b', value = 'c' WHERE key = 'a'")
    assert not access_state.unchanged(team, state)
    do(database, "UPDATE experiment_tags SET key = 'a', value = 'b,c' WHERE key = 'a,b'")
    assert access_state.unchanged(team, state)
    do(database, "UPDATE experiment_tags SET value = 'NULL' WHERE key = 'NULL'")
    assert not access_state.unchanged(team, state)


def test_while_somebody_works(team, database):
    state = {**noted(team), "files": None}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("INSERT INTO runs VALUES (7, 'x')")
        connection.commit()
        assert access_state.unchanged(team, state)
        connection.execute("UPDATE role_permissions SET permission = 'MANAGE'")
        # Not before it is so.
        assert access_state.unchanged(team, state)
        connection.commit()
        assert not access_state.unchanged(team, state)


@pytest.mark.parametrize("database", ["wal"], indirect=True)
def test_what_a_dying_server_left_beside_it_is_none_of_it(team, database):
    """Its log has a grant that would not be seen without the index."""
    state = {**noted(team), "files": None}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE role_permissions SET permission = 'MANAGE'")
        connection.commit()
        for path in sqlite.files(str(database))[:2]:
            shutil.copy2(path, f"{path}.kept")
    for path in sqlite.files(str(database))[:2]:
        os.replace(f"{path}.kept", path)
    with pytest.raises(sqlite3.OperationalError, match="in the middle of a change"):
        reading.refuse_what_is_not_whole(str(database))
    assert not access_state.unchanged(team, state)


def test_reading_leaves_nothing_beside_it(team, database, tmp_path):
    before = sorted(os.listdir(tmp_path)), database.stat().st_mtime_ns
    noted(team)
    assert (sorted(os.listdir(tmp_path)), database.stat().st_mtime_ns) == before


def test_another_mlflow_is_another_state(team, tmp_path):
    state = {**noted(team), "files": None}
    (team.directory / "venv").unlink()
    (team.directory / "venv").symlink_to(tmp_path / "opt" / "3.17.3")
    assert not access_state.unchanged(team, state)


@pytest.mark.parametrize("statement", [*UNKNOWN, "DROP TABLE users"])
def test_of_a_schema_that_nobody_knows_only_the_files_count(team, database, statement):
    do(database, statement)
    state = noted(team)
    assert state["digest"] is None
    do(database, "INSERT INTO runs VALUES (1, 'it')")
    assert not access_state.unchanged(team, state)


def test_of_another_engine_nothing_is_noted(team):
    team.databases[0].update(uri="mysql+pymysql://it@db/mlflow", file=None)
    assert access_state.Look(team, []).state is None


def test_a_write_that_leaves_size_and_times_as_they_were(team, database):
    state = {**noted(team), "digest": None}
    before = database.stat()
    data = bytearray(database.read_bytes())
    data[-1] ^= 1
    with database.open("r+b") as file:
        file.write(data)
    os.utime(database, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (database.stat().st_size, database.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert not access_state.unchanged(team, state)


def test_files_that_were_just_written_to_are_not_noted(team, database, monkeypatch):
    monkeypatch.setattr(sqlite, "SETTLED", 60)
    state = access_state.Look(team, []).state
    assert state["files"] is None
    assert access_state.unchanged(team, state)
    monkeypatch.setattr(sqlite, "SETTLED", 0.05)
    # A clock that ran back.
    ahead = time.time() + 3600
    os.utime(database, (ahead, ahead))
    assert access_state.Look(team, []).state["files"] is None


def test_a_file_that_was_replaced_by_its_like_has_the_same_in_it(team, database):
    state = noted(team)
    os.replace(shutil.copy2(database, f"{database}.copy"), database)
    assert not access_state.same_files(team, state)
    assert access_state.unchanged(team, state)


def test_a_file_that_is_gone(team, database):
    state = noted(team)
    database.unlink()
    assert not access_state.unchanged(team, state)
    assert access_state.Look(team, []).state is None


@pytest.mark.parametrize(
    "state",
    [None, [], "", {}, {"files": None}, {"names": [], "salt": None, "digest": None}, {"names": 1, "digest": "x"}],
)
def test_what_is_no_state(team, state):
    assert not access_state.unchanged(team, state)


@pytest.mark.parametrize("key", ["salt", "digest", "names"])
def test_a_state_that_says_something_else(team, key):
    state = noted(team)
    assert not access_state.unchanged(team, {**state, "files": None, key: state[key][:-1]})


def test_the_teams_account_reads_it(team, database, monkeypatch):
    monkeypatch.undo()
    told = access_contents.of_team(team, DECLARED)["mlflow"]
    assert told == access_contents.of_sqlite(str(database), DECLARED)
    assert "runs" not in told["tables"]
    database.write_text("no database")
    with pytest.raises(databases.DatabaseError, match="file is not a database"):
        access_contents.of_team(team, DECLARED)


def test_a_run_is_told_whether_it_holds_and_what_to_note(team, database, monkeypatch, capsys):
    state = noted(team)
    told = {"noted": state, "names": DECLARED}
    # What is noted will do.
    assert look(monkeypatch, capsys, vision=told) == {"vision": {"holds": True, "state": None}}
    do(database, *OF_WORK)
    time.sleep(0.1)
    found = look(monkeypatch, capsys, vision=told, nobody=told)
    assert found.pop("nobody") == {"holds": False, "state": None}
    assert found["vision"]["holds"] is True
    later = found["vision"]["state"]
    assert access_state.same_files(team, later)
    # Things whose versions count are part of the question.
    assert look(monkeypatch, capsys, vision={**told, "names": []})["vision"]["holds"] is False
    do(database, "UPDATE role_permissions SET permission = 'MANAGE'")
    found = look(monkeypatch, capsys, vision={"noted": later, "names": DECLARED})["vision"]
    assert found["holds"] is False
    assert access_state.unchanged(team, found["state"])
    assert look(monkeypatch, capsys, vision={"noted": None, "names": []})["vision"]["holds"] is False


@pytest.mark.parametrize("error", errors.ODD)
def test_whatever_odd_data_end_in_leaves_nobody_without_an_answer(team, database, monkeypatch, capsys, error):
    told = {"noted": noted(team), "names": DECLARED}
    do(database, *OF_WORK)

    def fail(*_given, **_options):
        raise error

    monkeypatch.setattr(databases, "run", fail)
    assert access_state.Look(team, DECLARED).contents is None
    assert look(monkeypatch, capsys, vision=told)["vision"]["holds"] is False


# What the role has written down of a team stands elsewhere here.
COMMAND = """\
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from mlflowctl import cli, paths
paths.HERE.config = Path(sys.argv[2])
sys.exit(cli.main(["access-state"]))
"""


def test_a_run_and_this_program_understand_each_other(team, database, tmp_path, monkeypatch):
    monkeypatch.setattr(_receipt, "ROUNDS", 10)
    command = [sys.executable, "-I", "-c", COMMAND, str(PACKAGE.parent), str(paths.HERE.config)]
    prompts = [{"name": name, "aliases": None, "template": "hello"} for name in DECLARED]
    server = {"name": "vision", "receipt": str(tmp_path / "receipt.json"), "prompts": prompts}

    def receipt():
        return _receipt.receipts_of([server], command)["vision"]

    first = receipt()
    assert not first.holds
    first.write()
    assert receipt().holds
    do(database, *OF_WORK)
    after = receipt()
    assert after.holds
    after.write()
    assert receipt().holds
    do(database, "UPDATE role_permissions SET permission = 'MANAGE'")
    assert not receipt().holds


def test_what_counts_as_work_is_no_table_that_has_to_be_there():
    for _revisions, tables in access_contents.KNOWN.values():
        assert not tables & access_contents.WORK


def test_a_long_text_takes_little_more_memory_than_it_has():
    """Anybody may describe a model at length, and four teams are looked at at the same time."""
    row = ("é".encode() * 4_000_000, "text", 1, None, 1.5)
    tracemalloc.start()
    try:
        found = access_grants.digest([row])
        assert tracemalloc.get_traced_memory()[1] < len(row[0])
    finally:
        tracemalloc.stop()
    others = [(*row[:3], 0, 1.5), (row[0], b"text", *row[2:]), (row[0] + b"t", "ext", *row[2:])]
    assert found not in {access_grants.digest([it]) for it in others}
    assert access_grants.digest([row, others[0]]) == access_grants.digest([others[0], row])


def test_what_is_no_table_of_the_file_is_not_read(database):
    before = access_contents.of_sqlite(str(database), DECLARED)
    endless = "WITH RECURSIVE it(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM it) SELECT n AS rowid, n AS said FROM it"
    do(database, f"CREATE VIEW endless AS {endless}", "CREATE VIRTUAL TABLE spied USING fts5(said, content='endless')")
    assert "spied" not in access_contents.of_sqlite(str(database), DECLARED)["tables"]
    assert before["grants"] == access_contents.of_sqlite(str(database), DECLARED)["grants"]
