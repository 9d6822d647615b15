"""A copy is one moment of a database, however busy it is; what was swapped can be put back."""

import contextlib
import os
import sqlite3
import subprocess
import threading
import time

import pytest
from mlflowctl import databases
from mlflowctl.databases import sqlite, uris
from mlflowctl.program import PROGRAM

TOOL = [*PROGRAM, "database"]


def run(*words):
    return subprocess.run([*TOOL, *map(str, words)], capture_output=True, text=True, check=False, timeout=60)


def rows(file):
    with contextlib.closing(sqlite3.connect(file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [row[0] for row in database.execute("SELECT number FROM logged ORDER BY number")]


def make(file, numbers, mode="delete"):
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute(f"PRAGMA journal_mode={mode}")
        database.execute("CREATE TABLE logged (number INTEGER PRIMARY KEY, text TEXT)")
        database.executemany("INSERT INTO logged VALUES (?, ?)", [(number, "x" * 500) for number in numbers])
        database.commit()
    return file


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_lock_that_is_never_let_go_of_ends_a_copy(tmp_path, mode, monkeypatch):
    """A server that hangs, or a team's own code, can hold one for as long as it runs; the copy holds the team's."""
    monkeypatch.setattr(sqlite, "PATIENCE", 0.5)
    file = make(tmp_path / "held.db", range(3), mode)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as holder:
        # With a log, others read on beside most locks.
        holder.execute("PRAGMA locking_mode=exclusive")
        holder.execute("BEGIN EXCLUSIVE")
        found = []
        thread = threading.Thread(target=lambda: found.append(copied(file, tmp_path / "copy.db")), daemon=True)
        thread.start()
        thread.join(60)
        assert found
        assert "somebody has held a lock on it for 0.5 s" in found[0]
        holder.execute("COMMIT")
    assert not list(tmp_path.glob("copy.db*"))
    sqlite.copy_sqlite(str(file), str(tmp_path / "copy.db"))
    assert rows(tmp_path / "copy.db") == [0, 1, 2]


def copied(file, target):
    """Return what a copy ends with."""
    try:
        sqlite.copy_sqlite(str(file), str(target))
    except sqlite3.OperationalError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_copy_of_a_busy_database_has_all_that_was_acknowledged_before(tmp_path, mode):
    file = make(tmp_path / "busy.db", range(5000), mode)
    acknowledged, ended = [4999], threading.Event()

    def write():
        with contextlib.closing(sqlite3.connect(file, timeout=300)) as database:
            while not ended.is_set():
                database.execute("INSERT INTO logged VALUES (?, ?)", (acknowledged[0] + 1, "x" * 500))
                database.commit()
                acknowledged[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        time.sleep(0.2)
        before = acknowledged[0]
        done = run("copy_sqlite", file, tmp_path / "copy.db")
    finally:
        ended.set()
        writer.join()
    assert (done.returncode, done.stderr) == (0, "")
    found = rows(tmp_path / "copy.db")
    assert found == list(range(len(found)))
    assert before < len(found) <= acknowledged[0] + 1


def test_a_copy_that_cannot_be_made_says_why_and_leaves_the_former(tmp_path):
    make(tmp_path / "copy.db", [7])
    done = run("copy_sqlite", tmp_path / "missing.db", tmp_path / "copy.db")
    assert done.returncode == 1
    assert "missing.db: unable to open database file" in done.stderr
    assert rows(tmp_path / "copy.db") == [7]
    assert not (tmp_path / "missing.db").exists()


def test_a_damaged_database_is_seen(tmp_path):
    file = make(tmp_path / "damaged.db", range(2000))
    with file.open("r+b") as raw:
        raw.seek(8192)
        raw.write(b"\xff" * 20000)
    done = run("check_sqlite", file)
    assert done.returncode == 1
    assert "malformed" in done.stderr or "damaged" in done.stderr
    assert run("check_sqlite", make(tmp_path / "whole.db", [1])).returncode == 0


@pytest.fixture
def garbled(tmp_path):
    """A database of which even what is wrong with it is no text."""
    file = make(tmp_path / "damaged.db", [1])
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA writable_schema=on")
        database.execute("UPDATE sqlite_master SET sql = 'CREATE TABLE x(', name = CAST(x'6cff00fe' AS TEXT)")
        database.commit()
    with contextlib.closing(sqlite3.connect(file)) as database, pytest.raises(UnicodeDecodeError):
        database.execute("SELECT 1 FROM sqlite_master").fetchall()
    return file


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("database check_sqlite", []),
        ("database count_sqlite", []),
        ("locations", ['{"artifacts": "/srv", "accepted": []}']),
        ("access-contents", ["[]"]),
        ("contents tables", []),
    ],
)
def test_whoever_reads_one_that_is_garbled_says_that_it_is_damaged(garbled, command, more):
    done = subprocess.run(
        [*PROGRAM, *command.split(), str(garbled), *more], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr in (f"{garbled}: the database is damaged\n", f"{garbled}: it is damaged\n")


def test_one_that_is_garbled_is_replaced_by_a_restore(garbled, tmp_path):
    # As a server leaves it that is killed while it writes.
    (tmp_path / "damaged.db-journal").write_bytes(sqlite.UNFINISHED[0][1] + bytes(504))
    assert run("restore_sqlite", make(tmp_path / "source.db", [3]), garbled).returncode == 0
    assert rows(garbled) == [3]


def test_a_swap_can_be_put_back_more_than_once(tmp_path):
    live, copy, former = make(tmp_path / "live.db", [1]), make(tmp_path / "copy.db", [1, 2]), tmp_path / "former.db"
    assert run("swap", copy, live, former).returncode == 0
    assert (rows(live), rows(former), copy.exists()) == ([1, 2], [1], False)
    for _time in range(2):
        assert run("put_back", former, live).returncode == 0
        assert (rows(live), former.exists()) == ([1], False)


def test_what_is_restored_owes_nothing_to_what_was_there(tmp_path):
    live, source = make(tmp_path / "live.db", range(9), "wal"), make(tmp_path / "source.db", [3])
    open_still = sqlite3.connect(live)
    open_still.execute("INSERT INTO logged VALUES (99, 'in the log only')")
    open_still.commit()
    assert (tmp_path / "live.db-wal").exists()
    assert run("restore_sqlite", source, live).returncode == 0
    open_still.close()
    assert rows(live) == [3]


@pytest.mark.parametrize("ending", ["", "-journal", "-wal", "-shm"])
@pytest.mark.parametrize("action", ["copy_sqlite", "settle_sqlite", "count_sqlite", "check_sqlite", "restore_sqlite"])
def test_nobody_waits_for_a_pipe_beside_a_database(tmp_path, action, ending):
    """Which the server's account could have put there."""
    live, source = tmp_path / "live.db", make(tmp_path / "source.db", [3])
    if ending:
        make(live, [1])
    os.mkfifo(f"{live}{ending}")
    os.mkfifo(tmp_path / "copy.db.part-journal")
    words = {"copy_sqlite": [live, tmp_path / "copy.db"], "restore_sqlite": [source, live]}.get(action, [live])
    done = run(action, *words)
    if action == "restore_sqlite":
        assert (done.returncode, done.stderr) == (0, "")
        assert rows(live) == [3]
    else:
        assert done.returncode == 1
        assert f"{live}{ending} is not a regular file; remove it" in done.stderr
        assert not (tmp_path / "copy.db.part").exists()
    if action == "copy_sqlite":
        assert run("copy_sqlite", source, tmp_path / "copy.db").returncode == 0


def test_postgresql_gets_its_password_where_nobody_else_sees_it():
    uri, environment = uris.without_password(
        "postgresql+psycopg://b%40b:p%40ss%2F@db.example.org:5433/runs?sslmode=require"
    )
    assert uri == "postgresql://b%40b@db.example.org:5433/runs?sslmode=require"
    assert environment["PGPASSWORD"] == "p@ss/"
    assert "PGPASSWORD" not in uris.without_password("postgresql+psycopg://bob@localhost/runs")[1]


@pytest.mark.parametrize(
    ("given", "plain", "password"),
    [
        ("postgresql+psycopg:///runs?host=/run/postgresql", "postgresql:///runs?host=%2Frun%2Fpostgresql", None),
        ("postgresql://bob:a#b?c/d@[::1]:5433/runs", "postgresql://bob@[::1]:5433/runs", "a#b?c/d"),
        (
            "postgresql://bob@db/runs?password=canary&sslmode=require",
            "postgresql://bob@db/runs?sslmode=require",
            "canary",
        ),
        # Each of several hosts, with its port.
        ("postgresql://bob@a,b/runs?sslmode=require", "postgresql://bob@a,b/runs?sslmode=require", None),
        ("postgresql://bob@a,b:5433/runs", "postgresql://bob@/runs?port=5433&host=a%2Cb", None),
        ("postgresql://bob@/runs?host=a,b&port=1,2", "postgresql://bob@/runs?host=a%2Cb&port=1%2C2", None),
        ("postgresql://bob@/runs?host=a&host=b", "postgresql://bob@/runs?host=a%2Cb", None),
        ("postgresql://bob@/runs?host=a:1&host=b:2", "postgresql://bob@/runs?host=a%2Cb&port=1%2C2", None),
        ("postgresql://bob@/runs?host=a&host=b:2", "postgresql://bob@/runs?host=a%2Cb&port=%2C2", None),
        ("postgresql://bob@/runs?host=a:5433", "postgresql://bob@/runs?host=a&port=5433", None),
    ],
)
def test_uris_are_read_as_the_server_reads_them(given, plain, password):
    uri, environment = uris.without_password(given)
    assert (uri.replace("%2F", "/"), environment.get("PGPASSWORD")) == (plain.replace("%2F", "/"), password)


def test_what_cannot_be_copied_is_refused():
    with pytest.raises(databases.DatabaseError, match="kind mysql cannot be copied"):
        databases.refuse_unknown({"name": "tracking", "uri": "mysql+pymysql://x", "file": None})
    with pytest.raises(databases.DatabaseError):
        databases.refuse_unknown({"name": "tracking", "uri": "sqlite:///:memory:", "file": None})
