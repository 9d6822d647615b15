"""Copies rows from SQLite to PostgreSQL as PostgreSQL keeps them, and compares what came there with what was read.

Both are read as the same kinds: SQLite keeps truth as a number, and text that is JSON as any other. JSON goes as its
text, in which nothing and the word null are two things.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import sqlalchemy
from sqlalchemy import JSON, Text, cast
from sqlalchemy.engine import Connection

AT_ONCE = 1000
# Of text in as many rows as are held: a row of MLflow's may have as much.
MOST_HELD = 16 * 1024**2
# Where it stands in the database where artifacts are.
PLACES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
    "trace_tags": ("value",),
}
# Of the tags of traces, those that do.
PLACES_OF_TRACES = ("mlflow.artifactLocation", "mlflow.trace.archiveLocation")
# They name something that has its own place.
NAMES = ("models:/", "runs:/")
# A place with one of these could be another one than it seems.
ODD = ("..", "%", "?", "#", "\\")
# How those begin that the server passes on; and as in locations.py, a scheme, and what is left out before it is read.
SERVED = "mlflow-artifacts:"
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
IGNORED = re.compile(r"^[\0- ]+|[\t\r\n]")


class DiffersError(Exception):
    """What is there is not what was read."""


class Rows:
    """From one database to another; counts are of rows by table, elsewhere of places by column."""

    def __init__(self, source: Connection, target: Connection, places: list[list[str]], root: str) -> None:
        self.source, self.target, self.places, self.root = source, target, places, root
        self.counts: dict[str, int] = {}
        self.elsewhere: dict[str, dict[str, Any]] = {}
        self.sums: dict[str, int] = {}
        self.fetched: dict[str, int] = {}

    def copy(self, table: sqlalchemy.Table) -> None:
        """Copy all rows of a table."""
        columns = {column.name: kind(column) for column in table.columns}
        origin = sqlalchemy.table(table.name, *(sqlalchemy.column(name, it) for name, it in columns.items()))
        values = {
            column.name: cast(sqlalchemy.bindparam(column.name, type_=Text()), column.type)
            if isinstance(column.type, JSON)
            else sqlalchemy.bindparam(column.name, type_=columns[column.name])
            for column in table.columns
            # These PostgreSQL works out by itself, and they are compared as all others.
            if not column.computed
        }
        statement, number, total = table.insert().values(values), 0, 0
        self.fetched[table.name] = fetched = fitting(self.source, origin)
        for part in parts(self.source, sqlalchemy.select(origin), fetched):
            rows = [self.placed(table.name, row) for row in part]
            try:
                self.target.execute(statement, [{name: row[name] for name in values} for row in rows])
            except (sqlalchemy.exc.SQLAlchemyError, ValueError) as error:
                # Without a cause, which would be told in its place.
                raise DiffersError(f"{table.name}: {getattr(error, 'orig', None) or error}") from None
            number += len(rows)
            total += sum(map(digest, rows))
        self.counts[table.name], self.sums[table.name] = number, total

    def compare(self, table: sqlalchemy.Table) -> None:
        """Raise where what PostgreSQL has is not what was read."""
        number = total = 0
        asked = [
            cast(column, Text()).label(column.name) if isinstance(column.type, JSON) else column
            for column in table.columns
        ]
        for part in parts(self.target, sqlalchemy.select(*asked), self.fetched[table.name]):
            number += len(part)
            total += sum(map(digest, part))
        if number != self.counts[table.name]:
            raise DiffersError(f"{table.name} has {number} rows in PostgreSQL, and {self.counts[table.name]} in SQLite")
        if total != self.sums[table.name]:
            raise DiffersError(f"{table.name}: rows in PostgreSQL are not those in SQLite")

    def refuse_other(self, table: sqlalchemy.Table) -> None:
        """Raise where a table does not say the same in both."""
        origin = sqlalchemy.table(table.name, *(sqlalchemy.column(column.name) for column in table.columns))
        here, there = (
            sorted(map(tuple, connection.execute(sqlalchemy.select(it))))
            for connection, it in ((self.source, origin), (self.target, table))
        )
        if here != there:
            raise DiffersError(f"{table.name} says {here} in SQLite, and {there} in PostgreSQL")

    def placed(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row with the places of its artifacts as they are from then on; count those that are elsewhere."""
        if table == "trace_tags" and row["key"] not in PLACES_OF_TRACES:
            return row
        for name in PLACES.get(table, ()):
            place = row[name]
            # Prompts have a word there that is no place.
            if not place or place.startswith(NAMES) or not (":" in place or "/" in place):
                continue
            row[name] = place = moved(place, self.places)
            if not is_below(place, self.root):
                found = self.elsewhere.setdefault(f"{table}.{name}", {"count": 0, "first": place})
                found["count"] += 1
        return row


def still_below(connection: Connection, root: str) -> tuple[int, str]:
    """Return how many places a database has that lead to a directory or into it, and one of them."""
    number, first = 0, ""
    for table, names in PLACES.items():
        for name in names:
            column = sqlalchemy.column(name)
            asked = sqlalchemy.select(column).select_from(sqlalchemy.table(table))
            asked = asked.where(column.is_not(None), ~column.startswith(SERVED))
            if table == "trace_tags":
                asked = asked.where(sqlalchemy.column("key").in_(PLACES_OF_TRACES))
            for (place,) in connection.execute(asked.execution_options(yield_per=AT_ONCE)):
                if may_lead_into(place, root):
                    number, first = number + 1, first or f"{table}.{name} {place}"
    return number, first


def may_lead_into(place: str, root: str) -> bool:
    """Say whether MLflow may find a place in a directory, however it is spelt: here, one too many does no harm."""
    text = IGNORED.sub("", place)
    scheme = SCHEME.match(text)
    if scheme and scheme[1].lower() != "file":
        return False
    path = re.sub(r"^//[^/]*", "", text[scheme.end() :]) if scheme else text
    spelt = {it for cut in (path, re.split("[?#;]", path)[0]) for it in (cut, unquote(cut))}
    found = {os.path.normpath(f"/{it}" if it.startswith("/") else os.path.join(os.getcwd(), it)) for it in spelt}
    return any(is_below(f"/{it.lstrip('/')}", os.path.normpath(root)) for it in found)


def kind(column: sqlalchemy.Column[Any]) -> Any:
    """Return as what a column is read and written in both databases."""
    return Text() if isinstance(column.type, JSON) else column.type.as_generic()


def moved(place: str, places: list[list[str]]) -> str:
    """Return a place that is at one of these beginnings as it is from then on; any other as it was."""
    if any(odd in place for odd in ODD):
        return place
    for before, after in places:
        if is_below(place, before):
            rest = place[len(before.rstrip("/")) :].lstrip("/")
            return f"{after.rstrip('/')}/{rest}" if rest else after
    return place


def is_below(place: str, root: str) -> bool:
    """Say whether a place is a root, or in it."""
    return place.rstrip("/") == root.rstrip("/") or place.startswith(root.rstrip("/") + "/")


def fitting(connection: Connection, table: sqlalchemy.TableClause) -> int:
    """Return how many rows of a table can be fetched at once, however long each is."""
    long = sum((sqlalchemy.func.coalesce(sqlalchemy.func.length(it), 0) for it in table.columns), sqlalchemy.literal(0))
    longest = connection.execute(sqlalchemy.select(sqlalchemy.func.max(long)).select_from(table)).scalar() or 1
    return max(1, min(AT_ONCE, MOST_HELD // longest))


def parts(connection: Connection, statement: Any, fetched: int) -> Iterator[list[dict[str, Any]]]:
    """Yield rows, some at a time, so that tables and rows of any size have room."""
    part: list[dict[str, Any]] = []
    held = 0
    for row in connection.execute(statement.execution_options(yield_per=fetched)):
        part.append(dict(row._mapping))
        held += sum(len(value) for value in part[-1].values() if isinstance(value, str | bytes | memoryview))
        if len(part) == AT_ONCE or held >= MOST_HELD:
            yield part
            part, held = [], 0
    if part:
        yield part


def digest(row: dict[str, Any]) -> int:
    """Return a number for a row; their sum says nothing about the order, which differs."""
    text = json.dumps(row, sort_keys=True, default=plain)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")


def plain(value: Any) -> str:
    """Return a value that JSON has no kind for."""
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)


def number_on(connection: Connection, table: sqlalchemy.Table) -> None:
    """Have the next row of a table that is numbered get a number that none has."""
    for column in table.columns:
        sequence = connection.execute(
            sqlalchemy.text("SELECT pg_get_serial_sequence(:name, :column)"),
            {"name": table.fullname if table.schema else f'"{table.name}"', "column": column.name},
        ).scalar()
        if sequence:
            highest = connection.execute(sqlalchemy.select(sqlalchemy.func.max(column))).scalar()
            if highest is not None:
                connection.execute(
                    sqlalchemy.text("SELECT setval(CAST(:name AS regclass), greatest(:highest, 1), :highest > 0)"),
                    {"name": sequence, "highest": highest},
                )
