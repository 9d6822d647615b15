"""A receipt holds as long as neither the declaration nor a database has changed, and no longer."""

import contextlib
import json
import os
import shutil
import sqlite3
import time

import pytest
from ansible_collections.mlops.mlflow.plugins.module_utils import _receipt
from ansible_collections.mlops.mlflow.plugins.module_utils._receipt import Receipt

DECLARED = {"name": "vision", "users": [{"name": "ann", "password": "ann's long password"}]}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Clocks that tick often, and a fingerprint that is cheap."""
    monkeypatch.setattr(_receipt, "SETTLED", 0.05)
    monkeypatch.setattr(_receipt, "ROUNDS", 10)


@pytest.fixture(params=["delete", "wal"])
def database(request, tmp_path):
    path = tmp_path / "mlflow.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {request.param}")
        connection.execute("CREATE TABLE grants (level TEXT)")
        # As long as somebody has it open a write-ahead log is not taken into the file.
        yield path


def write(database, level="EDIT"):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("INSERT INTO grants VALUES (?)", [level])
        connection.commit()


@pytest.fixture
def receipt(database):
    """Return a function that makes the receipt as a run would."""

    def make(declared=None, databases=None):
        return Receipt(str(database.parent / "receipt.json"), databases or [str(database)], declared or DECLARED)

    return make


@pytest.fixture
def noted(database, receipt):
    """A receipt that holds; the path of its file."""
    time.sleep(0.1)
    receipt().write()
    assert receipt().holds()
    return database.parent / "receipt.json"


def test_it_is_for_root_alone_and_shows_nothing(noted):
    assert oct(noted.stat().st_mode & 0o777) == "0o600"
    assert "password" not in noted.read_text()
    assert "ann" not in noted.read_text()
    assert [path.name for path in noted.parent.iterdir() if path.name.endswith(".new")] == []


def test_reading_changes_nothing(noted, database, receipt):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT * FROM grants").fetchall() == []
    assert receipt().holds()


def test_another_declaration(noted, receipt):
    assert not receipt({**DECLARED, "users": [{"name": "ann", "password": "another password"}]}).holds()
    assert not receipt({**DECLARED, "users": []}).holds()


def test_a_write(noted, database, receipt):
    write(database)
    assert not receipt().holds()


def test_a_write_between_the_look_and_the_note(noted, database, receipt):
    early = receipt()
    write(database)
    early.write()
    assert not receipt().holds()


def test_a_write_that_leaves_size_and_times_as_they_were(noted, database, receipt):
    before = database.stat()
    data = bytearray(database.read_bytes())
    data[-1] ^= 1
    with database.open("r+b") as file:
        file.write(data)
    os.utime(database, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (database.stat().st_size, database.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert not receipt().holds()


def test_a_database_that_was_replaced(noted, database, receipt):
    copy = shutil.copy2(database, database.parent / "copy")
    os.replace(copy, database)
    assert not receipt().holds()


def test_a_database_that_is_gone(noted, database, receipt):
    database.unlink()
    assert not receipt().holds()


def test_one_more_database(noted, database, receipt):
    other = database.parent / "auth.db"
    write_empty(other)
    assert not receipt(databases=[str(database), str(other)]).holds()


def write_empty(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")


def test_a_state_that_is_too_young_is_not_noted(database, receipt):
    write(database)
    receipt().write()
    assert not (database.parent / "receipt.json").exists()
    # Not even when the look was long ago by now.
    early = receipt()
    time.sleep(0.1)
    early.write()
    assert (database.parent / "receipt.json").exists() is False


def test_a_clock_that_ran_back(database, receipt):
    ahead = time.time() + 3600
    os.utime(database, (ahead, ahead))
    time.sleep(0.1)
    receipt().write()
    assert not (database.parent / "receipt.json").exists()


def test_nothing_is_noted_of_a_database_that_is_not_there(tmp_path):
    for databases in ([], [str(tmp_path / "none")], [str(tmp_path)]):
        receipt = Receipt(str(tmp_path / "receipt.json"), databases, DECLARED)
        receipt.write()
        assert not receipt.holds()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "not JSON", "[]", "null", '{"format": 1}', b"\xff\xfe"])
def test_what_is_no_receipt(noted, receipt, text):
    noted.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert not receipt().holds()


@pytest.mark.parametrize(
    "change", [{"format": 0}, {"salt": "00"}, {"salt": 1}, {"fingerprint": None}, {"databases": []}]
)
def test_a_receipt_that_says_something_else(noted, receipt, change):
    noted.write_text(json.dumps({**json.loads(noted.read_text()), **change}))
    assert not receipt().holds()


def test_a_receipt_that_somebody_else_may_have_written(noted, receipt):
    noted.chmod(0o620)
    assert not receipt().holds()
    noted.chmod(0o600)
    link = noted.rename(noted.parent / "elsewhere")
    noted.symlink_to(link)
    assert not receipt().holds()


def test_two_receipts_of_the_same_have_nothing_in_common(noted, receipt):
    first = json.loads(noted.read_text())
    receipt().write()
    second = json.loads(noted.read_text())
    assert first["salt"] != second["salt"]
    assert first["fingerprint"] != second["fingerprint"]
