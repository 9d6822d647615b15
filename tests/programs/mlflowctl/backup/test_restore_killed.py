"""A restore beside what a server leaves that is killed while it writes: a journal, or a log, of another database."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest
from mlflowctl.databases import sqlite
from programs.mlflowctl.backup_lab import Lab

# Its cache is too small for what it changes, so that pages are in the file before anything is committed.
WRITER = """
import sqlite3, sys, time
it = sqlite3.connect(sys.argv[1], isolation_level=None)
for word in (f"journal_mode={sys.argv[2]}", "cache_size=2", "wal_autocheckpoint=0"):
    it.execute(f"PRAGMA {word}")
it.execute("BEGIN IMMEDIATE")
it.execute("UPDATE runs SET name = 'half ' || rowid || hex(randomblob(90))")
it.execute("DELETE FROM runs WHERE rowid % 3 = 0")
if sys.argv[2] == "wal":
    it.execute("COMMIT")
print("there", flush=True)
time.sleep(600)
"""
ROWS = 3000


def fill(lab, prefix, rows=ROWS):
    """Give the database so many runs of that name."""
    with contextlib.closing(sqlite3.connect(lab.database)) as database:
        database.execute("DELETE FROM runs")
        database.executemany("INSERT INTO runs VALUES (?)", [(f"{prefix} {row} {'0' * 80}",) for row in range(rows)])
        database.commit()


@pytest.fixture(scope="module")
def saved(tmp_path_factory, empty):
    lab = Lab(tmp_path_factory.mktemp("host"))
    shutil.copytree(empty, lab.home / "repository")
    fill(lab, "kept")
    lab.back_up()
    shutil.copy(lab.database, lab.home / "pristine.db")
    return lab


@pytest.fixture(params=["the same layout", "another layout"])
def lab(saved, request):
    saved.settle()
    for path in filter(os.path.exists, sqlite.files(str(saved.database))):
        os.unlink(path)
    if request.param == "the same layout":
        shutil.copy(saved.home / "pristine.db", saved.database)
    if request.param == "another layout":
        saved.sql("CREATE TABLE runs (name TEXT); CREATE TABLE later (what TEXT); CREATE INDEX by ON runs (name)")
    fill(saved, "former", ROWS if request.param == "the same layout" else ROWS // 2)
    return saved


@contextlib.contextmanager
def writing(lab, mode):
    """Have somebody in the middle of a write, and yield the process."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(lab.database), mode], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "there\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def runs(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [name.split()[0] for (name,) in database.execute("SELECT name FROM runs")]


def former(lab):
    (path,) = lab.state.glob(".vision.restore/former/**/mlflow.db")
    return path


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_what_a_killed_server_leaves_is_not_rolled_into_what_is_restored(lab, monkeypatch, mode):
    def end(_change):
        # Begun after all was fetched, and killed by the stop.
        with writing(lab, mode) as process:
            kill(process)

    monkeypatch.setattr(lab.transaction.Change, "stop_server", end)
    lab.restore_into()
    assert [it for it in sqlite.files(str(lab.database))[1:] if os.path.exists(it)] == []
    assert runs(lab.database) == ["kept"] * ROWS
    # What was to be replaced is whole too: without what was never committed, with all that was.
    assert set(runs(former(lab))) == {"half" if mode == "wal" else "former"}


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_what_is_there_only_while_it_writes_is_no_reason_to_fail(lab, monkeypatch, mode):
    with writing(lab, mode) as process:

        def end(_change):
            kill(process)
            with contextlib.closing(sqlite3.connect(lab.database)) as database:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                database.execute("SELECT count(*) FROM runs").fetchone()

        assert os.path.exists(f"{lab.database}-{'journal' if mode == 'delete' else 'wal'}")
        monkeypatch.setattr(lab.transaction.Change, "stop_server", end)
        lab.restore_into()
    assert runs(lab.database) == ["kept"] * ROWS


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_what_a_server_leaves_that_is_killed_when_it_is_tried_out_does_not_stay_beside_the_former(
    lab, monkeypatch, mode
):
    before = runs(lab.database)

    def die(_change, *_words):
        with writing(lab, mode) as process:
            kill(process)
        raise lab.transaction.ChangeError("it was killed")

    monkeypatch.setattr(lab.transaction.Change, "try_out", die)
    with pytest.raises(lab.transaction.ChangeError, match="it was killed"):
        lab.restore_into()
    assert [it for it in sqlite.files(str(lab.database))[1:] if os.path.exists(it)] == []
    assert runs(lab.database) == before


def test_a_former_database_that_is_beyond_reading_is_replaced_all_the_same(lab):
    lab.database.write_bytes(b"no database" * 1000)
    lab.restore_into()
    assert runs(lab.database) == ["kept"] * ROWS
    assert former(lab).read_bytes() == b"no database" * 1000


def test_rows_that_are_missing_where_it_is_put_in_place_give_way_to_the_former_state(lab, monkeypatch):
    before = runs(lab.database)
    switch = lab.places.switch

    def lose(team, plan):
        switch(team, plan)
        lab.sql("DELETE FROM runs WHERE rowid < 5")

    monkeypatch.setattr(lab.places, "switch", lose)
    with pytest.raises(lab.restic.BackupError, match=r"table runs has 2996 rows, and had 3000"):
        lab.restore_into()
    assert runs(lab.database) == before
