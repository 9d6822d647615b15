"""Keeps MLflow from beginning anew where a team's people are gone: a user store without users, though it had an admin.

Some versions would make a new admin, others end with words about a password. That the admin's password is kept beside
the settings says that there were people: the role keeps it once the first start is over. Runs in the server's own
process before MLflow does, so as its account, and with the driver of whatever database it is.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")
# For a database that does not answer. MLflow itself would try for two minutes.
SECONDS = 60
# Whoever waits at the port has systemd try again at once.
PAUSE = 5
SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?]*)")
# Of this one nobody can say what it had.
IN_MEMORY = ("", ":memory:")


class UnknownError(Exception):
    """Why nobody can say whether there are users."""


def refuse_emptied(settings: str) -> None:
    """End where there was an admin, and nobody is there any more."""
    kept = Path(settings).with_name("admin_password")
    if not kept.exists():
        return
    ini = configparser.ConfigParser()
    ini.read(settings, encoding="utf-8")
    try:
        lost = lost_people(ini["mlflow"]["database_uri"])
    except UnknownError as error:
        if not begins_anew(ini):
            return
        lost = f"nobody can say whether this team has its people: {error}"
    else:
        if lost is None:
            return
        lost += (
            ", though it had an admin: MLflow would begin anew, without this team's people. Restore a backup "
            f"(mlops.mlflow.restore_team); to begin anew indeed, remove {kept} and run mlops.mlflow.site"
        )
    print(f"The server is not started: {lost}.", file=sys.stderr, flush=True)
    time.sleep(PAUSE)
    sys.exit(1)


def begins_anew(ini: configparser.ConfigParser) -> bool:
    """Say whether MLflow would make an admin of whatever it finds empty."""
    return "admin_password" in ini["mlflow"] or "MLFLOW_AUTH_ADMIN_PASSWORD" in os.environ


def lost_people(uri: str) -> str | None:
    """Return what is missing of the user store; None where there is a user."""
    sqlite = SQLITE.match(uri)
    if sqlite and sqlite["path"] in IN_MEMORY:
        return None
    return in_file(Path(sqlite["path"]).absolute()) if sqlite else in_database(uri)


def in_file(file: Path) -> str | None:
    """Look into a SQLite file, without making one."""
    if not file.exists():
        return f"the user store {file} is not there"
    try:
        # Not read-only, so that what a server that was killed left beside it is taken into account.
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=SECONDS)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'users'").fetchone():
                return f"the user store {file} has no table of users"
            return None if connection.execute("SELECT 1 FROM users").fetchone() else f"the user store {file} is empty"
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise UnknownError(f"{file}: {error}") from None


def in_database(uri: str) -> str | None:
    """Look into another one, for a bounded time."""
    return within(uri, ask)


def within(uri: str, ask: Callable[[str], Answer]) -> Answer:
    """Ask a database something, for a bounded time; UnknownError where it does not say."""
    found: list[Answer] = []
    problems: list[Exception] = []

    def look() -> None:
        try:
            found.append(ask(uri))
        except Exception as error:  # noqa: BLE001 - a driver's may be of any kind
            problems.append(error)

    asking = threading.Thread(target=look, daemon=True)
    asking.start()
    asking.join(SECONDS)
    if problems:
        # Without its text, which may have the password in it.
        raise UnknownError(f"its database cannot be read ({type(problems[0]).__name__})")
    if not found:
        raise UnknownError(f"its database does not answer within {SECONDS} s")
    return found[0]


def ask(uri: str) -> str | None:
    """Look for a user with what MLflow would use."""
    import sqlalchemy  # noqa: PLC0415 - not needed for a file, and MLflow needs it anyway

    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table("users"):
                return "the user store has no table of users"
            user = sqlalchemy.select(sqlalchemy.literal(1)).select_from(sqlalchemy.table("users")).limit(1)
            return None if connection.execute(user).first() else "the user store is empty"
    finally:
        engine.dispose()
