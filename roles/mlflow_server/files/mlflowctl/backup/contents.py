"""What is in a copy of a database and in a directory of artifacts, so that a restore can be compared with it.

Its own process, run as the team's account, since the team could have put anything where root would read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

# What people ask for, and the tables that it stands in.
COUNTS = {
    "experiments": ["experiments"],
    "runs": ["runs"],
    "metrics": ["metrics"],
    "models": ["registered_models"],
    "users": ["users"],
    "grants": ["role_permissions", "experiment_permissions", "registered_model_permissions"],
}
PIECE = 1 << 20
# So much of a name is told.
LONGEST = 200
# Bytes of an artifact's path: Linux takes 4096 in all, and where it is restored to takes some.
LONGEST_PATH = 3584
# MLflow writes an artifact under such a name first: until it has its own, nobody was told that it is there.
UNFINISHED = ".artifact.uploading."

# How something that was seen is no longer there.
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)

File = dict[str, Any]


def rows_of_sqlite(path: str) -> dict[str, int]:
    """Return how many rows each table has."""
    database = sqlite3.connect(f"{Path(path).as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("it is damaged")
        # As in sqlite.py, beside which this does not always stand: not what has as many rows as its maker says.
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name"
        names = [name for (name,) in database.execute(tables)]
        quoted = {name: '"' + name.replace('"', '""') + '"' for name in names}
        return {name: database.execute(f"SELECT count(*) FROM {quoted[name]}").fetchone()[0] for name in names}  # noqa: S608
    finally:
        database.close()


def rows_of_dump(path: str) -> dict[str, int]:
    """Return how many rows each table has in a dump of PostgreSQL."""
    command = ["pg_restore", "--data-only", "--file=-", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        rows = rows_of_script(beginnings(process.stdout) if process.stdout else ())
    if process.returncode != 0:
        raise OSError(f"pg_restore ended with {process.returncode}")
    return rows


def beginnings(file: IO[bytes]) -> Iterator[bytes]:
    """Give how each line begins: of one that has no end, nobody has more in memory."""
    whole = True
    for piece in iter(lambda: file.readline(PIECE), b""):
        if whole:
            yield piece
        whole = piece.endswith(b"\n")


def rows_of_script(lines: Iterable[bytes]) -> dict[str, int]:
    """Count the lines between COPY and its end."""
    rows: dict[str, int] = {}
    table = None
    for line in lines:
        if table is None:
            if line.startswith(b"COPY "):
                table = line.split()[1].decode().rpartition(".")[2].strip('"')
                # There is more than one where a table is divided.
                rows.setdefault(table, 0)
        elif line == b"\\.\n":
            table = None
        else:
            rows[table] += 1
    return rows


def counts(tables: Iterable[dict[str, int]]) -> dict[str, int]:
    """Sum up the tables of all databases in words that people use."""
    found = list(tables)
    return {what: sum(rows.get(name, 0) for rows in found for name in names) for what, names in COUNTS.items()}


def refuse(error: OSError) -> None:
    """Raise what keeps a directory from being read, unless it is gone: a walk passes over it in silence."""
    if error.errno not in GONE:
        raise error


def levels(
    directory: str, onerror: Callable[[OSError], None] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield what os.walk does, in the order of names and however deep that is; links are among the files.

    What a link leads to may be on a disk that is away, and is not looked at.
    Before Python 3.12 os.walk goes down by calls, which end at a thousand; any member can upload to such a place.
    """
    waiting = [directory]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if onerror is not None:
                onerror(error)
            continue
        folders = {entry.name for entry in found if is_folder(entry)}
        yield folder, sorted(folders), [it.name for it in found if it.name not in folders]
        waiting += [it.path for it in reversed(found) if it.name in folders]


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Say whether it is a directory itself."""
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def artifacts(directory: str, known: Listed) -> Iterator[File]:
    """Describe each file below a directory; one that has not changed is not read again."""
    from mlflowctl.holes import Holes  # noqa: PLC0415 - as a text this stands alone, see manifest.py

    holes = Holes()
    for folder, _subfolders, names in levels(directory, onerror=refuse):
        for name in (name for name in names if not name.startswith(UNFINISHED)):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, directory)
            refuse_unkept(relative)
            yield from described(path, None, relative, known, holes)


def artifacts_within(
    walk: Iterable[tuple[int, os.stat_result, Any]], known: Listed, missed: Callable[[Any], object]
) -> Iterator[File]:
    """Describe the same on a walk below a directory that is held open, whoever exchanges what is in it meanwhile."""
    from mlflowctl.holes import Holes  # noqa: PLC0415 - as a text this stands alone, see manifest.py

    holes = Holes()
    for folder, facts, parts in walk:
        if stat.S_ISREG(facts.st_mode) and not parts[-1].startswith(UNFINISHED):
            path = os.path.join(*parts)
            try:
                refuse_unkept(path)
                yield from described(parts[-1], folder, path, known, holes)
            except OSError:
                missed(parts)


def refuse_unkept(path: str) -> None:
    """Let nobody hold for backed up what restic leaves out, or could not put below where it is restored to."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, f"its path has more than {LONGEST_PATH} bytes", path[:LONGEST])
    if any(part.startswith(UNFINISHED) for part in path.split("/")[:-1]):
        problem = f"a directory on its path begins with {UNFINISHED}, which is in no snapshot; rename it"
        raise OSError(errno.EINVAL, problem, path[:LONGEST])


def described(name: str, folder: int | None, relative: str, known: Listed, holes: Any) -> Iterator[File]:
    """Describe a file, by its name in a directory that is held open or by its path; nothing where it is none."""
    from mlflowctl import trees  # noqa: PLC0415 - as a text this stands alone, see manifest.py

    try:
        file = trees.open_file(folder, name)
    except trees.NoFileError:
        return
    except OSError as error:
        # It is gone, or below a link by now.
        if error.errno in GONE:
            return
        raise
    with file:
        holes.add(file.fileno(), relative)
        yield describe(file, relative, known.get(relative))


def describe(file: Any, path: str, known: File) -> File:
    """Return what tells a file from another."""
    facts = os.fstat(file.fileno())
    found = {
        "path": path,
        "size": facts.st_size,
        "mtime": facts.st_mtime_ns,
        "ctime": facts.st_ctime_ns,
        "inode": facts.st_ino,
    }
    if {**known, "sha256": None} == {**found, "sha256": None}:
        return known
    total = hashlib.sha256()
    for piece in iter(lambda: file.read(PIECE), b""):
        total.update(piece)
    return {**found, "sha256": total.hexdigest()}


def read_files(lines: Iterable[str]) -> Iterator[File]:
    """Give the files of a list, from a line of JSON for each; there may be millions."""
    return map(json.loads, filter(str.strip, lines))


def order(path: str) -> str:
    """Return what compares as a walk goes: what is in a directory comes before what is below the directories there."""
    *folders, name = path.split("/")
    # No name has the first of these letters in it.
    return "".join((*(f"\2{folder}\0" for folder in folders), f"\1{name}"))


class Listed:
    """A list in the order of a walk, looked up in that order: one file of it is kept at a time."""

    def __init__(self, files: Iterable[File]) -> None:
        self.files = iter(files)
        self.file = next(self.files, None)

    def get(self, path: str) -> File:
        """Return the file that has a path; what comes before it is nobody's any more."""
        wanted = order(path)
        while self.file is not None and order(self.file["path"]) < wanted:
            self.file = next(self.files, None)
        return self.file if self.file is not None and self.file["path"] == path else {}


def missing(path: str) -> str:
    """Say that an artifact is."""
    return f"artifact {told_of(path)} is missing"


def told_of(path: str) -> str:
    """Return a path of people's for a message."""
    from mlflowctl.errors import named  # noqa: PLC0415 - as a text this stands alone, see manifest.py

    return named(path)


def differences(
    wanted: Iterable[File], found: Iterable[File], since: int, gone: Callable[[str], object]
) -> Iterator[str]:
    """Say which artifacts are not as they were, where since is when the snapshot was begun, in nanoseconds.

    What was written after that may be newer than it was when it was looked at, and what was removed not there. By a
    clock that was ahead, that is what has another time than it had.
    """
    there = Listed(found)
    for file in wanted:
        now = there.get(file["path"])
        if not now:
            gone(file["path"])
            continue
        as_looked_at = now["mtime"] < since or now["mtime"] == file.get("mtime")
        if as_looked_at and (now["size"], now["sha256"]) != (file["size"], file["sha256"]):
            yield f"artifact {told_of(file['path'])} is another one"


def main(action: str, path: str) -> None:
    """Print what is there, as JSON."""
    try:
        told(action, path)
    except (OSError, RecursionError, sqlite3.Error) as error:
        sys.exit(f"{path}: {error}")
    except UnicodeDecodeError:
        # What SQLite says of it is no text.
        sys.exit(f"{path}: it is damaged")


def told(action: str, path: str) -> None:
    """Print it."""
    if action == "artifacts":
        for file in artifacts(path, Listed(read_files(sys.stdin))):
            print(json.dumps(file))
    elif action == "within":
        from mlflowctl import trees  # noqa: PLC0415 - as a text this stands alone, see manifest.py

        missed = trees.Missed()
        # What a user has mounted there, root may not even look at.
        walk = trees.walk(int(path), changing=True, but=(OSError,), missed=missed.add)
        for file in artifacts_within(walk, Listed(read_files(sys.stdin)), missed.add):
            print(json.dumps(file))
        if missed.everything:
            raise OSError("it cannot be read")
        if missed.count:
            print(f"{missed.count} places there cannot be read, such as {missed.first!a}", file=sys.stderr)
    else:
        print(json.dumps({".db": rows_of_sqlite, ".dump": rows_of_dump}[Path(path).suffix](path)))


# As a text.
if __name__ == "__main__":
    main(*sys.argv[1:])
