"""Lists of artifacts in files, a line for each: there may be millions, so that nobody holds all of one."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, AnyStr

from mlflowctl import commands
from mlflowctl.backup import contents
from mlflowctl.backup.restic import LEAST_BYTES, BackupError

# What of a snapshot says which artifacts there are.
LIST = "artifacts.jsonl"
# Bytes of a line: of a path each byte may take six, and one of a snapshot's has whatever its writer put there.
LONGEST_LINE = 64 << 10
# Of what a list takes, for sorting it: eight times as much was seen to be there at once, of long paths.
ROOM = 9


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
    """Sort a list that has another order than that of a walk; snapshots have those, from before it mattered.

    Whoever writes to a repository chooses how long one is: sort(1) holds so much of it, and puts the rest into files.
    """
    if is_in_order(place):
        return
    needed, free = ROOM * place.stat().st_size + LEAST_BYTES, shutil.disk_usage(place.parent).free
    if free < needed:
        raise BackupError(f"{place.parent} has {free >> 20} MiB free, and {needed >> 20} MiB are needed to sort {LIST}")
    with tempfile.TemporaryFile("w+", encoding="ascii", dir=place.parent) as keyed:
        for file in files_of(place):
            print(key(file["path"]), json.dumps(file), file=keyed)
        keyed.flush()
        here = f"/proc/{os.getpid()}/fd/{keyed.fileno()}"
        command = ["env", "LC_ALL=C", "sort", "--buffer-size=64M", f"--temporary-directory={place.parent}", here]
        handle, name = tempfile.mkstemp(dir=place.parent)
        try:
            with open(handle, "wb") as target:
                target.writelines(line.partition(b" ")[2] for line in commands.lines(command, BackupError))
            os.replace(name, place)
        except BaseException:
            os.unlink(name)
            raise


def key(path: str) -> str:
    """Return what has the order of a path wherever bytes are compared, in a word; a path may have any letter in it."""
    return contents.order(path).encode("utf-8", "surrogatepass").hex()


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
