"""Lists of artifacts in files, a line for each: there may be millions, so that nobody holds all of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, AnyStr

from mlflowctl.backup import contents
from mlflowctl.backup.repository import BackupError

# What of a snapshot says which artifacts there are.
LIST = "artifacts.jsonl"
# Bytes of a line: of a path each byte may take six, and one of a snapshot's has whatever its writer put there.
LONGEST_LINE = 64 << 10


def files_of(place: Path) -> Iterator[contents.File]:
    """Give the files of a list, one at a time."""
    with open(place, encoding="utf-8") as file:
        yield from contents.read_files(lines_of(file))


def lines_of(file: IO[AnyStr]) -> Iterator[AnyStr]:
    """Give its lines; raise for one that nobody is to have in memory."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise BackupError(f"a line of {LIST} has more than {LONGEST_LINE} bytes")
        yield line


def put_in_order(place: Path) -> None:
    """Sort a list that has another order than that of a walk; snapshots have those, from before it mattered."""
    if is_in_order(place):
        return
    with open(place, "rb") as file:
        found, end = [], 0
        for line in lines_of(file):
            found += [(contents.order(it["path"]), end) for it in contents.read_files([line.decode()])]
            end += len(line)
        handle, name = tempfile.mkstemp(dir=place.parent)
        try:
            with open(handle, "wb") as target:
                for _order, start in sorted(found):
                    file.seek(start)
                    target.write(file.readline().rstrip(b"\n") + b"\n")
            os.replace(name, place)
        except BaseException:
            os.unlink(name)
            raise


def is_in_order(place: Path) -> bool:
    """Say whether it is one of now, which most are."""
    before = ""
    for file in files_of(place):
        now = contents.order(file["path"])
        if now < before:
            return False
        before = now
    return True


def sum_up(place: Path) -> dict[str, int]:
    """Return how many files a list has, and how many bytes these."""
    found = {"files": 0, "bytes": 0}
    for file in files_of(place):
        found["files"] += 1
        found["bytes"] += file["size"]
    return found
