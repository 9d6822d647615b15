"""What the team's account itself looks at: its databases, read-only, and its artifacts. Prints JSON.

Its own process, since the team could have put anything where root would read.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import sys
from typing import Any

from mlflowctl import trees
from mlflowctl.databases import reading
from mlflowctl.databases.sqlite import FAILURES, TABLES, files, why

from monitoring.questions import SETS, Rows


def answers(file: str, which: str) -> dict[str, Rows]:
    """Return what a database says to those questions that are about tables of its own."""
    connection = reading.connect(file)
    connection.row_factory = sqlite3.Row
    try:
        names = {name for (name,) in connection.execute(TABLES)}
        return {
            question.name: [dict(row) for row in connection.execute(question.sql)]
            for question in SETS[which]
            if names.issuperset(question.tables)
        }
    finally:
        connection.close()


def size(file: str) -> int:
    """Return how many bytes it takes, with what stands beside it."""
    return sum(os.path.getsize(path) for path in files(file) if os.path.exists(path))


def walk(directory: str) -> dict[str, Any]:
    """Return how many files and bytes are below a directory, and how many of them below each of its own.

    No link is followed, and what goes meanwhile, or is closed to the team itself, is none of it. A path may be longer
    than any that could be opened at once, but not of any depth.
    """
    found: dict[str, Any] = {"files": 0, "bytes": 0, "within": {}}
    try:
        root = os.open(directory, trees.DIRECTORY)
    except FileNotFoundError:
        return found
    try:
        for _folder, facts, parts in trees.walk(root, changing=True, but=(PermissionError,)):
            if not stat.S_ISREG(facts.st_mode):
                continue
            found["files"] += 1
            found["bytes"] += facts.st_size
            if parts[:-1]:
                found["within"][parts[0]] = found["within"].get(parts[0], 0) + facts.st_size
    finally:
        os.close(root)
    return found


def main(action: str, path: str, which: str = "") -> None:
    """Print what is asked for, or end with why it cannot be."""
    try:
        tell(action, path, which)
    except FAILURES as error:
        sys.exit(f"{path}: {why(error)}")


def tell(action: str, path: str, which: str) -> None:
    """Print it."""
    if action == "walk":
        print(json.dumps(walk(path)))
    else:
        print(json.dumps({"size": size(path), "answers": answers(path, which)}))
