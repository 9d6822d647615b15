"""Keeps a replica of a team from serving databases that another replica changes, or has brought to another MLflow.

MLflow itself would answer 500 to everything, or bring the users' database to its own version. A host that was away
during an upgrade so stays shut, and says why, until the next run brings it along. Runs in the server's own process
before MLflow does, and only where a team has replicas.

Whoever changes the databases says so there before looking who has them open. So this has them open before it looks for
that, and keeps them open: MLflow's own connections come and go.
"""

from __future__ import annotations

import configparser
import contextlib
import functools
import os
import re
import sys
import time
from importlib import metadata
from typing import Any

from mlflowctl.in_mlflow import user_store

# What the role says of this replica, and of the one that leads.
LEADS = "leads"
RUN = "run mlops.mlflow.site with both hosts"
# How what is said of a change begins, with the replica and what it does; see `databases/marks.py`.
MARK = re.compile(r"mlops\.mlflow: (?P<replica>.+?): (?P<what>.*)", re.DOTALL)
ODD = re.compile(r"[^\w .:@+-]")

# By URI, for as long as this process is there.
kept: dict[str, Any] = {}


def refuse(settings: str) -> None:
    """End where the databases are not what this MLflow wants."""
    ini = configparser.ConfigParser()
    ini.read(settings, encoding="utf-8")
    role = os.environ["MLOPS_MLFLOW_REPLICA"]
    uris = {"tracking": os.environ["MLFLOW_BACKEND_STORE_URI"], "auth": ini["mlflow"]["database_uri"]}
    try:
        marks = [user_store.within(uri, functools.partial(marked, purpose)) for purpose, uri in uris.items()]
        found = {purpose: user_store.within(uri, functools.partial(state, purpose)) for purpose, uri in uris.items()}
    except user_store.UnknownError as error:
        problem: str | None = f"nobody can say whether the databases are of this MLflow: {error}"
    else:
        own = os.environ["MLOPS_MLFLOW_HOST"] if role == LEADS else None
        problem = who_changes(marks, own) or why_not(found, role, metadata.version("mlflow"))
    if problem:
        print(f"The server is not started: {problem}.", file=sys.stderr, flush=True)
        time.sleep(user_store.PAUSE)
        sys.exit(1)


def marked(purpose: str, uri: str) -> str | None:
    """Keep a database open; return what is said there of a change, before anybody can begin one unseen."""
    import sqlalchemy  # noqa: PLC0415 - of MLflow's own environment

    from mlflowctl.in_mlflow import migrate  # noqa: PLC0415

    if uri not in kept:
        # Without a transaction, which would hold up others.
        kept[uri] = sqlalchemy.create_engine(uri, isolation_level="AUTOCOMMIT").connect()
    asked = sqlalchemy.text("SELECT obj_description(to_regclass(:notes), 'pg_class')")
    said: str | None = kept[uri].execute(asked, {"notes": migrate.SCHEMAS[purpose][1]}).scalar()
    return said


def who_changes(said: list[str | None], own: str | None) -> str | None:
    """Say which other replica changes the databases; the one that leads tries its own change out."""
    for found in (MARK.fullmatch(mark) for mark in said if mark):
        if found and found["replica"] != own:
            what, who = (ODD.sub("?", found[part]) for part in ("what", "replica"))
            return (
                f"{who} changes the databases ({what}), or was cut off while it did; this one starts once that is over "
                f"there, or undone by the team's server; where that host is gone, name another leader and {RUN}"
            )
    return None


def outlive_exec() -> None:
    """Let the databases stay open for the program that this process becomes."""
    for connection in kept.values():
        with contextlib.suppress(AttributeError):
            os.set_inheritable(connection.connection.driver_connection.fileno(), True)


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
