"""What is done to a SQLite database as a file, always as the account that owns it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import stat
from collections.abc import Iterable
from pathlib import Path

from mlflowctl.files import sync

# What stands beside a file of SQLite when something is still to be done, and how it begins then.
UNFINISHED = [
    ("-journal", bytes.fromhex("d9d505f920a163d7")),
    ("-wal", bytes.fromhex("377f0682")),
    ("-wal", bytes.fromhex("377f0683")),
]
# Tables that are in the file. A view, or a virtual table, which may be one of a view, has whatever its maker says: any
# number of rows, of any size.
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name"
# Where a file says that it has a write-ahead log.
LOGGED_AT, LOGGED = 18, 2
# Seconds to wait for who holds a lock. Without any, seven of eight copies of a busy database failed.
PATIENCE = 30
# What SQLite says of one that is held; Python before 3.11 has no words for it.
BUSY, LOCKED = 5, 6
# What reading a file of SQLite ends with. Where that is damaged, what SQLite says of it may be no text.
FAILURES = (OSError, sqlite3.Error, UnicodeDecodeError)
# Seconds. The coarsest clock of a file system that holds databases ticks every two.
SETTLED = 2


def files(file: str) -> list[str]:
    """Return a SQLite file, and those that may stand beside it."""
    return [file, f"{file}-wal", f"{file}-shm", f"{file}-journal"]


def written(databases: Iterable[str | None]) -> list[list[int]] | None:
    """Return what is another after whatever was written to files of SQLite; None where one is none, or not there."""
    found: list[list[int]] = []
    for path in databases:
        file = facts(path) if path else []
        if not file:
            return None
        # Without ctime, which changes when root reads it. Empty it says the same as none: whether a server runs.
        log = facts(f"{path}-wal")[:4]
        found += [file, log if log and log[2] else []]
    return found


def facts(path: str) -> list[int]:
    """Return what tells that a file was written to or replaced; one with its former times has another ctime."""
    try:
        found = os.stat(path)
    except OSError:
        return []
    if not stat.S_ISREG(found.st_mode):
        return []
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def settled(state: list[list[int]], now: int) -> bool:
    """Say whether the next write will show: not while it could come in the same tick, nor where a clock ran back.

    Something in a write-ahead log can also be read a moment after it is written.
    """
    return all(max(file[3:]) < now - SETTLED * 10**9 for file in state if file)


def why(error: Exception) -> str:
    """Return which of these failures it is, in words."""
    return "the database is damaged" if isinstance(error, UnicodeDecodeError) else str(error)


def connect(file: str) -> sqlite3.Connection:
    """Open one that is there. SQLite would wait for a pipe that somebody has put beside it."""
    refuse_what_is_no_file(file)
    return sqlite3.connect(f"{Path(file).as_uri()}?mode=rw", uri=True, timeout=PATIENCE)


def connect_reading(file: str, patience: float = PATIENCE) -> sqlite3.Connection:
    """Open one so that no file is made beside it, as reading one with a write-ahead log would."""
    refuse_what_is_no_file(file)
    _file, log, index, _journal = files(file)
    with open(file, "rb") as handle:
        logged = handle.read(LOGGED_AT + 1)[LOGGED_AT:] == bytes([LOGGED])
    # Without both, nobody has it open: what stands in the file is all there is, or as new as it gets.
    at_rest = logged and not (os.path.exists(index) and os.path.exists(log))
    uri = f"{Path(file).as_uri()}?mode=ro{'&immutable=1' if at_rest else ''}"
    return sqlite3.connect(uri, uri=True, timeout=patience)


def experiment_names(file: str, *numbers: str) -> None:
    """Print the names of experiments as JSON, by their numbers; those that are deleted and not collected, too."""
    connection = connect_reading(file)
    try:
        asked = connection.execute(
            "SELECT CAST(experiment_id AS TEXT), name FROM experiments "
            "WHERE experiment_id IN (SELECT value FROM json_each(?))",
            (json.dumps([int(it) for it in numbers]),),
        )
        print(json.dumps({number: name for number, name in asked if isinstance(name, str)}))
    finally:
        connection.close()


def refuse_what_is_no_file(file: str) -> None:
    """Raise where SQLite would open something else."""
    for path in files(file):
        if os.path.exists(path) and not os.path.isfile(path):
            raise sqlite3.OperationalError(f"{path} is not a regular file; remove it")


def copy_sqlite(source: str, target: str) -> None:
    """Copy it in one piece; what was there before is replaced when the copy is whole."""
    part = f"{target}.part"
    remove(part)
    origin = connect(source)
    destination = sqlite3.connect(part)
    try:
        origin.backup(destination, progress=refuse_locked)
        destination.close()
        sync(part)
        os.replace(part, target)
    finally:
        destination.close()
        origin.close()
        Path(part).unlink(missing_ok=True)
    sync(str(Path(target).parent))


def refuse_locked(status: int, _left: int, _all: int) -> None:
    """End a copy that somebody's lock holds up: SQLite has waited for that one already, and Python would for ever."""
    if status in (BUSY, LOCKED):
        raise sqlite3.OperationalError(f"somebody has held a lock on it for {PATIENCE} s")


def restore_sqlite(source: str, target: str) -> None:
    """Put a copy in place of a database that nobody has open."""
    copy_sqlite(source, f"{target}.restored")
    if os.path.exists(target):
        # Cut off after the next step, the former one still has to be whole.
        with contextlib.suppress(sqlite3.Error, UnicodeDecodeError):
            settle_sqlite(target)
    # What a former server left beside it would be taken for the new one's.
    for path in files(target)[1:]:
        Path(path).unlink(missing_ok=True)
    os.replace(f"{target}.restored", target)
    sync(str(Path(target).parent))


def settle_sqlite(file: str) -> None:
    """Roll back, or write into the file, what a server has left beside it; what is no such thing stays as it is."""
    refuse_what_is_no_file(file)
    if not any(begins_with(file + ending, start) for ending, start in UNFINISHED):
        return
    connection = connect(file)
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        connection.close()


def begins_with(path: str, start: bytes) -> bool:
    """Say whether a file is there and begins so."""
    try:
        with open(path, "rb") as file:
            return file.read(len(start)) == start
    except FileNotFoundError:
        return False


def count_sqlite(file: str) -> None:
    """Print how many rows each table has, as JSON."""
    connection = connect(file)
    try:
        names = [name for (name,) in connection.execute(TABLES)]
        counts = {name: connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()[0] for name in names}  # noqa: S608
    finally:
        connection.close()
    print(json.dumps(counts))


def quoted(name: str) -> str:
    """Return a table's name as SQL reads it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def check_sqlite(file: str) -> None:
    """Raise for a file that is damaged."""
    connection = connect(file)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    finally:
        connection.close()
    if found != "ok":
        raise sqlite3.DatabaseError(f"the database is damaged: {found}")


def swap(copy: str, file: str, former: str) -> None:
    """Put a copy in a file's place, and keep the file beside it; the file is there at every moment."""
    os.link(file, former)
    for path in files(file)[1:]:
        Path(path).unlink(missing_ok=True)
    os.replace(copy, file)
    sync(str(Path(file).parent))


def put_back(former: str, file: str) -> None:
    """Undo that, where it was done."""
    if os.path.exists(former):
        for path in files(file)[1:]:
            Path(path).unlink(missing_ok=True)
        os.replace(former, file)
        sync(str(Path(file).parent))


def remove(*paths: str) -> None:
    """Remove databases that may be there."""
    for path in paths:
        for name in (*files(path), f"{path}.part"):
            Path(name).unlink(missing_ok=True)
