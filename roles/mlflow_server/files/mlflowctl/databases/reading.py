"""Reads databases while their server may be at work: nothing is written, and who holds a lock is not waited for."""

from __future__ import annotations

import os
import sqlite3
import time
from typing import Any

from mlflowctl import commands, databases
from mlflowctl.databases import uris
from mlflowctl.databases.sqlite import connect_reading, files
from mlflowctl.team import Team

# For all answers of a database; for who holds a lock of SQLite's, and for an answer. Whoever is waited for otherwise is
# a client.
ASK_SECONDS, LOCK_SECONDS, ANSWER_SECONDS = 30, 2, 20
STEPS_BETWEEN_LOOKS = 100_000
SESSION = "SET default_transaction_read_only = on; SET statement_timeout = '20s';"


def connect(file: str) -> sqlite3.Connection:
    """Open a database to read it, with an end to each question."""
    connection = connect_reading(file, LOCK_SECONDS)
    end = time.monotonic() + ANSWER_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > end, STEPS_BETWEEN_LOOKS)
    return connection


def refuse_what_is_not_whole(file: str) -> None:
    """Raise where what its server had committed last could not be read with it, which a dying one has left so."""
    _file, log, index, _journal = files(file)
    if os.path.exists(log) and os.path.getsize(log) and not os.path.exists(index):
        raise sqlite3.OperationalError(f"{file} was left in the middle of a change")


def psql(team: Team, database: dict[str, Any], script: str) -> list[str]:
    """Return the lines that PostgreSQL answers to a script."""
    uri, environment = uris.reached(database["uri"])
    options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
    feed = "\n".join([databases.LOCK_TIMEOUT, SESSION, script, ""])
    command = ["psql", *options, f"--dbname={uri}"]
    memory = commands.ASK_MEMORY
    return databases.run(team, command, ASK_SECONDS, memory=memory, env=environment, input=feed).split("\n")
