"""Runs in an MLflow's own environment: says how its schemas and a team's databases differ, and migrates them.

Reads {"do": "look" or "migrate", "databases": {"auth": URI, "tracking": URI}, "registry": URI of the one with the
models, or null} and prints its answer as JSON in its last line: how they differ, or {"cause": what went wrong, in a
line}, with a traceback on the other channel. Migrating is what MLflow's own commands do. They take the URI as an
argument: this process sets its own arguments, so that none is to be seen from outside.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import json
import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import sqlalchemy
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from mlflowctl.in_mlflow import prompts
from mlflowctl.in_mlflow.old_keys import unreadable
from mlflowctl.in_mlflow.said import innermost

# By what a database is for: where the revisions stand in the package, in which table the present one is noted,
# a table that tells a database from before there were notes from an empty one, and the command. In the order in which
# they are migrated: the one of people reads columns of models, where it finds those, that models up to 3.9 have not.
SCHEMAS = {
    "tracking": ("store/db_migrations", "alembic_version", "experiments", "mlflow", ["db", "upgrade"]),
    "auth": (
        "server/auth/db/migrations",
        "alembic_version_auth",
        "users",
        "mlflow.server.auth",
        ["db", "upgrade", "--url"],
    ),
}
# Kinds of rows that older servers knew and MLflow's migration leaves out, by table: type of thing, and its column.
DENIALS = {
    "experiment_permissions": ("experiment", "experiment_id"),
    "registered_model_permissions": ("registered_model", "name"),
}


def revisions(purpose: str) -> ScriptDirectory:
    """The revisions that this MLflow knows."""
    spec = importlib.util.find_spec("mlflow")
    (package, *_others) = (spec and spec.submodule_search_locations) or [""]
    return ScriptDirectory(os.path.join(package, SCHEMAS[purpose][0]))


def look(purpose: str, uri: str, registry: str | None = None) -> dict[str, Any]:
    """How a database and this MLflow differ: "same", "older", "newer", or "empty"; and what is denied to people."""
    _place, notes, table, _module, _command = SCHEMAS[purpose]
    engine = sqlalchemy.create_engine(uri)
    if engine.dialect.name == "sqlite":
        refuse_unwritable(engine.url.database)
    try:
        with engine.connect() as connection:
            there = set(sqlalchemy.inspect(connection).get_table_names())
            current = MigrationContext.configure(connection, opts={"version_table": notes}).get_current_revision()
            denied = denials(connection, there, registry) if purpose == "auth" else []
            locked = unreadable(connection, there) if purpose == "tracking" else {}
    finally:
        engine.dispose()
    known = revisions(purpose)
    state = compared(known, current, empty=table not in there)
    said = {"state": state, "revision": current, "head": known.get_current_head()}
    return {**said, "denials": denied, "locked": locked}


def compared(known: ScriptDirectory, current: str | None, empty: bool) -> str:
    """How a database that is at one of an MLflow's revisions differs from it, in a word."""
    if empty:
        return "empty"
    if current == known.get_current_head():
        return "same"
    return "older" if current is None or knows(known, current) else "newer"


def refuse_unwritable(file: str | None) -> None:
    """SQLite says of what it may not write only that it cannot open it, or nothing until somebody writes."""
    with open(file or "", "r+b"):
        pass
    directory = os.path.dirname(os.path.abspath(file or ""))
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "the directory cannot be written", directory)


def knows(scripts: ScriptDirectory, revision: str) -> bool:
    """Whether a revision is one of this MLflow's."""
    try:
        return bool(scripts.get_revision(revision))
    except CommandError:
        return False


def denials(connection: Any, there: set[str], registry: str | None) -> list[dict[str, str]]:
    """What is denied to whom, where roles do not say it yet."""
    if "role_permissions" in there and passed(connection, "e5f6a7b8c9d0"):
        return []
    found = []
    for table, (kind, column) in DENIALS.items():
        if table in there:
            select = f"SELECT u.username, p.{column} FROM {table} p JOIN users u ON u.id = p.user_id"  # noqa: S608
            rows = connection.execute(sqlalchemy.text(f"{select} WHERE p.permission = 'NO_PERMISSIONS'"))
            found += [{"username": user, "resource_type": kind, "resource_id": str(thing)} for user, thing in rows]
    models = [denial for denial in found if denial["resource_type"] == "registered_model"]
    known = prompts.found(registry) if models and registry else set()
    for denial in models:
        # One of the kind that prompts had would deny nothing.
        if (prompts.DEFAULT, denial["resource_id"]) in known:
            denial["resource_type"] = "prompt"
    return found


def passed(connection: Any, revision: str) -> bool:
    """Whether a migration of what people may do has been done."""
    context = MigrationContext.configure(connection, opts={"version_table": SCHEMAS["auth"][1]})
    current, scripts = context.get_current_revision(), revisions("auth")
    if current is None or not knows(scripts, current):
        return current is not None
    return revision in {script.revision for script in scripts.iterate_revisions(current, "base")}


def leaves_prompts_behind(databases: dict[str, str], registry: str | None) -> bool:
    """Whether MLflow's migrations will pass the one that needs to see the models, and cannot."""
    people = databases.get("auth")
    if not people or registry in (None, people) or not knows(revisions("auth"), prompts.PROMOTED_IN):
        return False
    engine = sqlalchemy.create_engine(people)
    try:
        with engine.connect() as connection:
            return not passed(connection, prompts.PROMOTED_IN)
    finally:
        engine.dispose()


def migrate(purpose: str, uri: str) -> None:
    """Do what `mlflow db upgrade` or `python -m mlflow.server.auth db upgrade` does."""
    _place, _notes, _table, module, command = SCHEMAS[purpose]
    sys.argv = [module, *command, uri]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise


def place(uri: str) -> str:
    """Where a database is, without who goes there and what else may be secret."""
    try:
        url = sqlalchemy.engine.make_url(uri)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return uri.partition(":")[0] if "://" in uri else "a database"
    # Where an @ in a password stands as it is, what follows it is taken for a part of the host.
    host = (url.host or "").rpartition("@")[2]
    return f"{url.drivername}://{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def explained(error: Any, uri: str) -> str:
    """Why a database cannot be used, in the words of who noticed first, and what to do where those do not say it."""
    kind = uri.partition(":")[0]
    if uri.startswith(("/", "./", "file:")) or "://" not in uri:
        return "a directory is not a database, and has no place for users; name one such as sqlite:////srv/vision/mlflow.db"
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith(("mlflow", "alembic")):
        return f"{error}; the driver for {kind} is not installed, name its package in mlflow_server_extra_packages"
    if isinstance(error, sqlalchemy.exc.NoSuchModuleError):
        return f"SQLAlchemy knows no driver '{kind}'; name one that it has, such as postgresql+psycopg"
    while inner := getattr(error, "orig", None) or error.__cause__:
        error = inner
    # An error's number says less than its text, which these have beside it.
    text = error.args[1] if len(error.args) == 2 and isinstance(error.args[1], str) else str(error)
    said = innermost(text) or type(error).__name__
    return f"{said} ({error.filename})" if isinstance(error, OSError) and error.filename else said


@contextlib.contextmanager
def telling(uri: str) -> Iterator[None]:
    """End with what goes wrong at a database, in a line."""
    try:
        yield
    # Whatever MLflow's own commands, or a driver, end with.
    except (Exception, SystemExit) as error:  # noqa: BLE001 - every one is told
        traceback.print_exc()
        said = {} if isinstance(error, SystemExit) else {"cause": f"{place(uri)}: {explained(error, uri)}"}
        print(f"\n{json.dumps({**said, **getattr(error, 'told', {})})}")
        sys.exit(1)


def main() -> None:
    asked = json.load(sys.stdin)
    registry, found, behind = asked["registry"], {}, False
    databases = {purpose: asked["databases"][purpose] for purpose in SCHEMAS if purpose in asked["databases"]}
    if asked["do"] == "migrate":
        with telling(databases.get("auth", "")):
            behind = leaves_prompts_behind(databases, registry)
        for purpose, uri in databases.items():
            with telling(uri):
                migrate(purpose, uri)
    for purpose, uri in databases.items():
        with telling(uri):
            found[purpose] = look(purpose, uri, registry)
    if behind:
        with telling(databases["auth"]):
            found["auth"]["prompts"] = prompts.carry_over(databases["auth"], registry)
    print(f"\n{json.dumps(found)}")
