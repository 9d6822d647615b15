"""Runs in a team's MLflow: fills empty databases in PostgreSQL with all that files of SQLite hold.

Reads {"do": "look", "copy", "empty" or "stay", "from": {purpose: URI}, "to": {purpose: URI}, "rows": how many were
copied, by table, "places": [[beginning of a place, what it is from then on], ...], "root": where the places that the
server gives by itself begin} and prints its answer as JSON in its last line, or {"cause": what went wrong, in a line}.
The tables are made by MLflow's own migrations, and all rows are copied, read back and compared in one transaction for
each purpose. pgloader goes on after rows that it cannot load, and drops foreign keys for the time of it.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import sqlalchemy
from sqlalchemy import func
from sqlalchemy.engine import Connection, Engine

from mlflowctl.in_mlflow import migrate
from mlflowctl.in_mlflow.rows import Rows, number_on, still_below

# In the order in which they are made: see migrate.py.
PURPOSES = ("tracking", "auth")
# For who changes tables there, and never ends.
LOCK_TIMEOUT = "SET lock_timeout = '60s'"
# Of a transaction in which nothing is done, while all else is.
PATIENT = "SET LOCAL idle_in_transaction_session_timeout = 0"
ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('mlops.mlflow moves a team here'))"


class MoveError(Exception):
    """Why it cannot be done."""


class NotBegunError(MoveError):
    """Why nothing was made: what is there is somebody else's."""

    told: ClassVar[dict[str, Any]] = {"begun": False}


@contextlib.contextmanager
def alone(engines: Iterable[Engine]) -> Iterator[None]:
    """Have no other team moved to these databases meanwhile, which would take what is there for its own."""
    with contextlib.ExitStack() as stack:
        for engine in set(engines):
            connection = stack.enter_context(engine.begin())
            connection.execute(sqlalchemy.text(PATIENT))
            if not connection.execute(sqlalchemy.text(ALONE)).scalar():
                raise NotBegunError("another team is moved to the same database at this moment")
        yield


@contextlib.contextmanager
def connected(uris: dict[str, str]) -> Iterator[dict[str, Engine]]:
    """Yield an engine for each purpose; one for both where they are in one database."""
    engines = {uri: sqlalchemy.create_engine(uri) for uri in uris.values()}
    try:
        yield {purpose: engines[uri] for purpose, uri in uris.items()}
    finally:
        for engine in engines.values():
            engine.dispose()


def tables(connection: Connection | Engine) -> set[str]:
    """Return the names of what is in a database."""
    found = sqlalchemy.inspect(connection)
    return {*found.get_table_names(), *found.get_view_names()}


def refuse_full(purpose: str, engine: Engine) -> None:
    """Raise where somebody has something in a database already."""
    there = sorted(tables(engine))
    if there:
        named = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
        raise NotBegunError(f"the {purpose} database in PostgreSQL is not empty: {named}")


def refuse_unlike(purpose: str, uri: str) -> None:
    """Raise for a schema that is not this MLflow's."""
    found = migrate.look(purpose, uri)
    if found["state"] != "same":
        raise MoveError(f"the {purpose} database is {found['state']}, and not of this MLflow; upgrade the team before")


def refuse_torn(purpose: str, engine: Engine) -> None:
    """Raise for rows that point to others that are not there: PostgreSQL takes none of them."""
    with engine.connect() as connection:
        torn = connection.execute(sqlalchemy.text("PRAGMA foreign_key_check")).fetchall()
    if torn:
        names = ", ".join(sorted({row[0] for row in torn}))
        raise MoveError(f"{len(torn)} rows in the {purpose} database belong to others that are gone: {names}")


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """Refuse what cannot go well; nothing is changed. Return how many rows there are, by table."""
    rows: dict[str, int] = {}
    with connected(asked["from"]) as old, connected(asked["to"]) as new:
        for purpose in PURPOSES:
            refuse_unlike(purpose, asked["from"][purpose])
            refuse_torn(purpose, old[purpose])
            refuse_full(purpose, new[purpose])
            with new[purpose].begin() as connection:
                # What a migration does first, and who may only read cannot.
                connection.execute(sqlalchemy.text("CREATE TABLE mlops_mlflow_try (it int)"))
                connection.execute(sqlalchemy.text("DROP TABLE mlops_mlflow_try"))
            known = sqlalchemy.MetaData()
            known.reflect(old[purpose])
            with old[purpose].connect() as connection:
                refuse_nul(connection, known)
                rows.update(counted(connection, known))
    return {"rows": rows}


def refuse_nul(connection: Connection, known: sqlalchemy.MetaData) -> None:
    """Raise for text that PostgreSQL does not take, and say where it is."""
    for name, table in known.tables.items():
        texts = [it for it in table.columns if isinstance(it.type, sqlalchemy.String | sqlalchemy.JSON)]
        found = sqlalchemy.or_(sqlalchemy.false(), *(func.instr(it, func.char(0)) > 0 for it in texts))
        row = connection.execute(sqlalchemy.select(*table.primary_key, sqlalchemy.literal(1)).where(found)).first()
        if row:
            where = ", ".join(f"{it.name} {value!r}" for it, value in zip(table.primary_key, row, strict=False))
            raise MoveError(f"{name}: there is text with a NUL in it, which PostgreSQL does not take: {where}")


def counted(connection: Connection, known: sqlalchemy.MetaData) -> dict[str, int]:
    """Return how many rows each table has."""
    count = sqlalchemy.select(func.count())
    return {name: int(connection.execute(count.select_from(it)).scalar() or 0) for name, it in known.tables.items()}


def make(purpose: str, engine: Engine) -> None:
    """Have MLflow make its tables in an empty database."""
    if purpose == "tracking":
        from mlflow.store.db.utils import _initialize_tables  # noqa: PLC0415 - slow

        _initialize_tables(engine)
    else:
        from mlflow.server.auth.db.utils import migrate_if_needed  # noqa: PLC0415 - slow

        migrate_if_needed(engine, "head")


def copy(asked: dict[str, Any]) -> dict[str, Any]:
    """Make the tables, copy, compare; return how many rows each table has, and which places lead elsewhere."""
    counts: dict[str, int] = {}
    elsewhere: dict[str, Any] = {}
    with connected(asked["from"]) as old, connected(asked["to"]) as new, alone(new.values()):
        made: dict[str, set[str]] = {}
        for purpose in PURPOSES:
            refuse_full(purpose, new[purpose])
        for purpose in PURPOSES:
            before = tables(new[purpose])
            make(purpose, new[purpose])
            made[purpose] = tables(new[purpose]) - before
        refuse_unknown(old, set().union(*made.values()))
        for purpose in PURPOSES:
            with old[purpose].connect() as source, new[purpose].begin() as target:
                target.execute(sqlalchemy.text(LOCK_TIMEOUT))
                found = copy_tables(source, target, made[purpose], asked)
                counts.update(found.counts)
                elsewhere.update(found.elsewhere)
    return {"rows": counts, "elsewhere": elsewhere}


def refuse_unknown(old: dict[str, Engine], known: set[str]) -> None:
    """Raise for tables with rows that MLflow would not make, since they would stay behind."""
    for engine in set(old.values()):
        with engine.connect() as connection:
            for name in sorted(tables(connection) - known):
                quoted = engine.dialect.identifier_preparer.quote(name)
                if connection.execute(sqlalchemy.text(f"SELECT EXISTS (SELECT 1 FROM {quoted})")).scalar():  # noqa: S608
                    raise MoveError(f"the table {name} is none of this MLflow's, and has rows; move them yourself")


def copy_tables(source: Connection, target: Connection, names: set[str], asked: dict[str, Any]) -> Rows:
    """Copy these tables in the order in which they need each other, and compare them."""
    known = sqlalchemy.MetaData()
    known.reflect(target, only=sorted(names))
    order = [table for table in known.sorted_tables if table.name in names]
    refuse_other_columns(source, order)
    rows = Rows(source, target, asked["places"], asked["root"])
    notes = [table for table in order if table.name.startswith("alembic_version")]
    for table in notes:
        rows.refuse_other(table)
    order = [table for table in order if table not in notes]
    # Migrations put in rows of their own, which the files have too.
    for table in reversed(order):
        target.execute(table.delete())
    for table in order:
        rows.copy(table)
    for table in order:
        rows.compare(table)
        number_on(target, table)
    return rows


def refuse_other_columns(source: Connection, order: list[sqlalchemy.Table]) -> None:
    """Raise where a table has other columns than the same one of this MLflow."""
    found = sqlalchemy.inspect(source)
    for table in order:
        here = {column["name"] for column in found.get_columns(table.name)}
        other = here.symmetric_difference(column.name for column in table.columns)
        if other:
            raise MoveError(f"{table.name} has other columns than in this MLflow: {', '.join(sorted(other))}")


def empty(asked: dict[str, Any]) -> dict[str, Any]:
    """Remove what was copied to databases that were empty, unless a server has worked with it since."""
    dropped = 0
    with connected(asked["to"]) as new, alone(new.values()):
        for engine in set(new.values()):
            known = sqlalchemy.MetaData()
            with engine.begin() as connection:
                connection.execute(sqlalchemy.text(LOCK_TIMEOUT))
                # Whatever else somebody has put there meanwhile is not this one's to remove.
                known.reflect(connection, only=sorted(tables(connection) & {*asked["rows"]}))
                # Nobody else adds a row between being counted and being removed.
                for name in map(engine.dialect.identifier_preparer.quote, known.tables):
                    connection.execute(sqlalchemy.text(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"))
                refuse_used(counted(connection, known), asked["rows"])
                dropped += len(known.tables)
                known.drop_all(connection)
    return {"dropped": dropped}


def refuse_used(found: dict[str, int], copied: dict[str, int]) -> None:
    """Raise where there are other rows than were copied; a server begins with an experiment and an admin.

    Where copying was cut off, a table has nothing yet, or what the migrations put there.
    """
    others = sorted(name for name, number in found.items() if number not in (0, copied[name]))
    if others and (found.get("experiments") or found.get("users")):
        raise MoveError(f"there are rows in PostgreSQL that were not copied there: {', '.join(others)}")


def stay(asked: dict[str, Any]) -> dict[str, Any]:
    """Raise where databases that stay have places in the directory that the artifacts leave."""
    with connected(asked["from"]) as there, there["tracking"].connect() as connection:
        # The directory itself comes first.
        number, first = still_below(connection, asked["places"][0][0])
    if number:
        raise MoveError(
            f"{number} places in the databases, which stay, are in the directory that artifacts leave: {first}; "
            f"have them begin with {asked['root']} before"
        )
    return {}


DO = {"look": look, "copy": copy, "empty": empty, "stay": stay}


def main() -> None:
    """Do what is asked."""
    asked = json.load(sys.stdin)
    with migrate.telling(asked["to"]["tracking"]):
        print(f"\n{json.dumps(DO[asked['do']](asked))}")
