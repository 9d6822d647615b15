"""Which places of artifacts in a copy of a database are on some host's disk and not below the server's own directory.

What people wrote there is data: nothing is opened because of it. It is named and counted, since such artifacts are in
no snapshot and no archive. Run as the team's account, with the copy, and JSON of {"artifacts": the server's directory
or null, "accepted": [how those begin that are known of, or "*"]}. With a directory of artifacts instead of a copy, it
is what links in there lead to.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from mlflowctl import commands, links
from mlflowctl.backup import contents
from mlflowctl.databases import sqlite
from mlflowctl.errors import Problem

# By table: the column, and which rows of a table of tags. What a model is made of is what a run or a model has logged.
COLUMNS: dict[str, tuple[str, tuple[str, frozenset[str]] | None]] = {
    "experiments": ("artifact_location", None),
    "runs": ("artifact_uri", None),
    "logged_models": ("artifact_location", None),
    "model_versions": ("storage_location", None),
    "trace_tags": ("value", ("key", frozenset({"mlflow.artifactLocation", "mlflow.trace.archiveLocation"}))),
}
# Where MLflow looks for what has nothing in that column, as rows from before there was one.
INSTEAD = {"model_versions": "source"}
ANY = "*"
# What MLflow writes for a version of a prompt, which has no artifacts: in this table alone.
VERSIONS, OF_PROMPTS = "model_versions", "prompt-template"
# So many are named, and so much of each.
MOST, LONGEST = 10, 200
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
# Where these are, the path that MLflow makes of it is not the text.
ODD = re.compile(r"[?#%;\\]|[^ -~]")
# What Python leaves out of a URI before it reads it.
IGNORED = re.compile(r"^[\0- ]+|[\t\r\n]")
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
LETTERS = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}


class Position(NamedTuple):
    """In which columns of a table the place is, or is instead, and which one has to have one of these values."""

    table: str
    place: int
    instead: int
    which: int
    wanted: frozenset[str]


class Elsewhere:
    """What was found of them."""

    def __init__(self, artifacts: str | None, accepted: Iterable[str]) -> None:
        self.artifacts = artifacts
        self.accepted = list(accepted)
        self.known = self.others = 0
        self.names: dict[str, None] = {}

    def add(self, uri: str | None) -> None:
        """Judge one."""
        if not uri or not is_local(uri) or (self.artifacts and is_below(uri, self.artifacts)):
            return
        if ANY in self.accepted or (not leads_up(uri) and uri.startswith(tuple(self.accepted))):
            self.known += 1
            return
        self.others += 1
        if len(self.names) < MOST:
            self.names[shown(uri)] = None

    def told(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"accepted": self.known, "others": self.others, "names": list(self.names)}


def is_local(uri: str) -> bool:
    """Say whether MLflow takes it for a path: by its scheme, or since it has none that is longer than a drive's."""
    found = SCHEME.match(IGNORED.sub("", uri))
    return found is None or found[1].lower() == "file"


def leads_up(uri: str) -> bool:
    """Say whether it could lead out of where it begins."""
    return ".." in unquote(IGNORED.sub("", uri))


def is_below(uri: str, directory: str) -> bool:
    """Say whether it is sure to be below a directory, however it is read."""
    path = re.sub(r"^file:(//(localhost)?(?=/))?", "", uri)
    if ODD.search(path) or ".." in path.split("/") or not path.startswith("/"):
        return False
    return Path(os.path.normpath(path)).is_relative_to(directory)


def shown(text: str) -> str:
    """Return a text so that it can be printed: nothing in it moves a cursor or begins a line."""
    return json.dumps(text[:LONGEST])[1:-1]


def is_shown(text: object) -> bool:
    """Say whether a text is one that can be printed, as shown makes it."""
    return isinstance(text, str) and text.isascii() and (text.isprintable() or not text)


def in_sqlite(path: str) -> Iterator[str | None]:
    """Yield all places in a copy."""
    database = sqlite3.connect(f"{Path(path).as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        found = {name for (name,) in database.execute(sqlite.TABLES)}
        for table, (column, which) in COLUMNS.items():
            if table not in found:
                continue
            there = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
            if {column, *(which or ())[:1]} <= there:
                marks = ", ".join("?" for _value in which[1]) if which else ""
                where, given = (f" WHERE {which[0]} IN ({marks})", tuple(which[1])) if which else ("", ())
                instead = INSTEAD[table] if INSTEAD.get(table) in there else "NULL"
                asked = f"SELECT coalesce(nullif({column}, ''), {instead}) FROM {table}{where}"  # noqa: S608
                for (uri,) in database.execute(asked, given):
                    yield place(table, uri) if isinstance(uri, str) else None
    finally:
        database.close()


def in_dump(path: str) -> Iterator[str | None]:
    """Yield all places in a dump of PostgreSQL."""
    tables = [f"--table={table}" for table in COLUMNS]
    command = ["pg_restore", "--data-only", "--file=-", *tables, path]
    yield from in_script(commands.lines(command, OSError))


def in_script(lines: Iterable[bytes]) -> Iterator[str | None]:
    """Yield those between COPY and its end."""
    at: Position | None = None
    for raw in lines:
        line = raw.decode(errors="replace").rstrip("\n")
        if line.startswith("COPY ") and at is None:
            at = position(line)
        elif line == "\\.":
            at = None
        elif at is not None:
            values = line.split("\t")
            if not at.wanted or values[at.which] in at.wanted:
                yield place(at.table, plain(values[at.place]) or plain(values[at.instead]))


def position(line: str) -> Position | None:
    """Return where the place is in the lines that follow; nothing where they have none."""
    found = re.fullmatch(r"COPY (?:\S+\.)?(\w+) \((.*)\) FROM stdin;", line)
    if not found or found[1] not in COLUMNS:
        return None
    column, which = COLUMNS[found[1]]
    names = [name.strip('"') for name in found[2].split(", ")]
    if column not in names or (which and which[0] not in names):
        return None
    at = names.index(column)
    instead = names.index(INSTEAD[found[1]]) if INSTEAD.get(found[1]) in names else at
    return Position(found[1], at, instead, names.index(which[0]) if which else 0, which[1] if which else frozenset())


def place(table: str, uri: str | None) -> str | None:
    """Return a place that a row names; none where that is MLflow's word for none."""
    return None if (table, uri) == (VERSIONS, OF_PROMPTS) else uri


def plain(value: str) -> str | None:
    """Return a value as it was before COPY escaped it."""
    return None if value == "\\N" else ESCAPED.sub(lambda found: LETTERS.get(found[1], found[1]), value)


def in_directory(directory: str) -> Iterator[str | None]:
    """Yield where links among the artifacts lead out of their directory: MLflow follows them, and a backup does not."""
    ways = links.Ways(directory)
    for folder, _folders, names in contents.levels(ways.own):
        for path in (os.path.join(folder, name) for name in names):
            target = ways.leads_out(path) if os.path.islink(path) else None
            if target is not None:
                yield f"file://{target}"


def find(path: str, artifacts: str | None, accepted: Iterable[str] = ()) -> dict[str, Any]:
    """Return what a copy, or a directory, has of them."""
    found = Elsewhere(artifacts, accepted)
    read = in_directory if os.path.isdir(path) else {".db": in_sqlite, ".dump": in_dump}[Path(path).suffix]
    for uri in read(path):
        found.add(uri)
    return found.told()


def described(found: dict[str, Any]) -> str:
    """Say it in words; nothing where there is nothing to say."""
    if not found["others"]:
        return ""
    names = ", ".join(found["names"][:3]) + (", …" if found["others"] > len(found["names"][:3]) else "")
    return f"artifacts of {found['others']} rows or links are not in the server's own directory ({names})"


def main(path: str, known: str) -> None:
    """Print what a copy has of them, as JSON."""
    try:
        print(json.dumps(find(path, **json.loads(known))))
    except sqlite.FAILURES as error:
        raise Problem(f"{path}: {sqlite.why(error)}") from None
