"""Keeps a replica of a team from serving databases that are not of its MLflow: another replica has changed them.

MLflow itself would answer 500 to everything, or bring the users' database to its own version. A host that was away
during an upgrade so stays shut, and says why, until the next run brings it along. Runs in the server's own process
before MLflow does, and only where a team has replicas.
"""

from __future__ import annotations

import configparser
import functools
import os
import sys
import time
from importlib import metadata

from mlflowctl.in_mlflow import user_store

# What the role says of this replica, and of the one that leads.
LEADS = "leads"
RUN = "run mlops.mlflow.site with both hosts"


def refuse(settings: str) -> None:
    """End where the databases are not what this MLflow wants."""
    ini = configparser.ConfigParser()
    ini.read(settings, encoding="utf-8")
    role = os.environ["MLOPS_MLFLOW_REPLICA"]
    uris = {"tracking": os.environ["MLFLOW_BACKEND_STORE_URI"], "auth": ini["mlflow"]["database_uri"]}
    try:
        found = {purpose: user_store.within(uri, functools.partial(state, purpose)) for purpose, uri in uris.items()}
    except user_store.UnknownError as error:
        problem: str | None = f"nobody can say whether the databases are of this MLflow: {error}"
    else:
        problem = why_not(found, role, metadata.version("mlflow"))
    if problem:
        print(f"The server is not started: {problem}.", file=sys.stderr, flush=True)
        time.sleep(user_store.PAUSE)
        sys.exit(1)


def state(purpose: str, uri: str) -> str:
    """How a database and this MLflow differ, in a word."""
    import sqlalchemy  # noqa: PLC0415 - of MLflow's own environment
    from alembic.migration import MigrationContext  # noqa: PLC0415

    from mlflowctl.in_mlflow import migrate  # noqa: PLC0415

    _place, notes, table, _module, _command = migrate.SCHEMAS[purpose]
    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.connect() as connection:
            empty = not sqlalchemy.inspect(connection).has_table(table)
            current = MigrationContext.configure(connection, opts={"version_table": notes}).get_current_revision()
    finally:
        engine.dispose()
    return migrate.compared(migrate.revisions(purpose), current, empty)


def why_not(found: dict[str, str], role: str, version: str) -> str | None:
    """Why a replica must not start; None where it may. The one that leads begins where there is nothing yet."""
    for purpose, word in found.items():
        if word == "newer":
            return (
                f"the {purpose} database is of a newer MLflow than {version}, which this host still has; another host "
                f"of the team was upgraded while this one was away; {RUN}"
            )
        if word == "older":
            return f"the {purpose} database is of an older MLflow than {version}; the leader migrates it; {RUN}"
        if word == "empty" and role != LEADS:
            return f"the {purpose} database is empty, and {role}, which leads the team, has not begun it; {RUN}"
    return None
