"""Runs in an MLflow's own environment: says how its schemas and a team's databases differ, and migrates them.

Reads {"do": "look" or "migrate", "databases": {"auth": URI, "tracking": URI}} and prints its answer as JSON in its last
line. Migrating is what MLflow's own commands do. They take the URI as an argument: this process sets its
own arguments, so that none is to be seen from outside.
"""

import importlib.util
import json
import os
import runpy
import sys

import sqlalchemy
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

# By what a database is for: where the revisions stand in the package, in which table the present one is noted,
# a table that tells a database from before there were notes from an empty one, and the command.
SCHEMAS = {
    "auth": (
        "server/auth/db/migrations",
        "alembic_version_auth",
        "users",
        "mlflow.server.auth",
        ["db", "upgrade", "--url"],
    ),
    "tracking": ("store/db_migrations", "alembic_version", "experiments", "mlflow", ["db", "upgrade"]),
}
# Kinds of rows that older servers knew and MLflow's migration leaves out, by table: type of thing, and its column.
DENIALS = {
    "experiment_permissions": ("experiment", "experiment_id"),
    "registered_model_permissions": ("registered_model", "name"),
}


def revisions(purpose):
    """The revisions that this MLflow knows."""
    package = importlib.util.find_spec("mlflow").submodule_search_locations[0]
    return ScriptDirectory(os.path.join(package, SCHEMAS[purpose][0]))


def look(purpose, uri):
    """How a database and this MLflow differ: "same", "older", "newer", or "empty"."""
    _place, notes, table, _module, _command = SCHEMAS[purpose]
    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.connect() as connection:
            there = set(sqlalchemy.inspect(connection).get_table_names())
            current = MigrationContext.configure(connection, opts={"version_table": notes}).get_current_revision()
            denied = denials(connection, there) if purpose == "auth" else []
    finally:
        engine.dispose()
    known = revisions(purpose)
    if table not in there:
        state = "empty"
    elif current == known.get_current_head():
        state = "same"
    else:
        state = "older" if current is None or knows(known, current) else "newer"
    return {"state": state, "revision": current, "head": known.get_current_head(), "denials": denied}


def knows(scripts, revision):
    """Whether a revision is one of this MLflow's."""
    try:
        return bool(scripts.get_revision(revision))
    except CommandError:
        return False


def denials(connection, there):
    """What is denied to whom, where roles do not say it yet."""
    if "role_permissions" in there and roles_have_grants(connection):
        return []
    found = []
    for table, (kind, column) in DENIALS.items():
        if table in there:
            select = f"SELECT u.username, p.{column} FROM {table} p JOIN users u ON u.id = p.user_id"  # noqa: S608
            rows = connection.execute(sqlalchemy.text(f"{select} WHERE p.permission = 'NO_PERMISSIONS'"))
            found += [{"username": user, "resource_type": kind, "resource_id": str(thing)} for user, thing in rows]
    return found


def roles_have_grants(connection):
    """Whether the migration that leaves them out has been done."""
    context = MigrationContext.configure(connection, opts={"version_table": "alembic_version_auth"})
    current, left_out_in = context.get_current_revision(), "e5f6a7b8c9d0"
    scripts = revisions("auth")
    if current is None or not knows(scripts, current):
        return current is not None
    return left_out_in in {script.revision for script in scripts.iterate_revisions(current, "base")}


def migrate(purpose, uri):
    """Do what `mlflow db upgrade` or `python -m mlflow.server.auth db upgrade` does."""
    _place, _notes, _table, module, command = SCHEMAS[purpose]
    sys.argv = [module, *command, uri]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise


def main():
    asked = json.load(sys.stdin)
    if asked["do"] == "migrate":
        for purpose, uri in asked["databases"].items():
            migrate(purpose, uri)
    found = {purpose: look(purpose, uri) for purpose, uri in asked["databases"].items()}
    print(f"\n{json.dumps(found)}")


if __name__ == "__main__":
    main()
