"""Copies a database as it is at one moment, while its server may be writing, and puts such a copy back.

SQLite is copied by its own backup, as the account that owns it; PostgreSQL by pg_dump. No password is ever an argument.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import trees
from sqlite_files import (
    check_sqlite,
    copy_sqlite,
    count_sqlite,
    files,
    put_back,
    remove,
    restore_sqlite,
    settle_sqlite,
    swap,
)
from team import Team, load

# For who changes a table's definition in PostgreSQL and never ends, and for a server that is gone without a word.
LOCK_SECONDS, SILENT_SECONDS = 60, 60
# What nothing takes that is still under way; a dump of hundreds of gigabytes takes a few hours.
COPY_SECONDS, ASK_SECONDS = 6 * 3600, 600
# What timeout(1) ends with then.
TIMED_OUT = 124
KEEPALIVES = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": str(SILENT_SECONDS * 1000),
}
# As SQLAlchemy reads one: in a password, #, ? and / may stand as they are.
URI = re.compile(
    r"[\w+]+://(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?(?P<place>[^?]*)(?:\?(?P<query>.*))?", re.DOTALL
)
LOCK_TIMEOUT = f"SET lock_timeout = '{LOCK_SECONDS}s';"
# What was not copied would stay behind, and what was copied is there already. What an extension brought stays, and
# a sequence goes with its table.
EMPTY_SCHEMA = """\
SET client_min_messages = warning;
DO $$ DECLARE statement text; BEGIN
  FOR statement IN
    SELECT 'DROP ' || what || ' IF EXISTS ' || name || ' CASCADE' FROM (
      SELECT 1 AS turn, oid, 'pg_class'::regclass AS catalog, relnamespace AS schema, oid::regclass::text AS name,
        CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END
        AS what FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
      UNION ALL SELECT 2, oid, 'pg_proc'::regclass, pronamespace, oid::regprocedure::text, 'ROUTINE' FROM pg_proc
      UNION ALL SELECT 3, oid, 'pg_type'::regclass, typnamespace, oid::regtype::text, 'TYPE' FROM pg_type
        WHERE typtype IN ('d', 'e')
    ) AS found
    WHERE schema = current_schema()::regnamespace AND NOT EXISTS (
      SELECT FROM pg_depend WHERE classid = catalog AND objid = found.oid AND deptype IN ('e', 'i'))
    ORDER BY turn
  LOOP
    EXECUTE statement;
  END LOOP;
END $$;
"""


# One row for each table of the schema that MLflow's are in: its name, and how many rows it has.
COUNT_ROWS = """\
SELECT format('SELECT %L, count(*) FROM %I.%I', relname, nspname, relname)
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = current_schema() ORDER BY relname \\gexec
"""


class DatabaseError(Exception):
    """Why a copy could not be made or put back."""


def kind(database: dict[str, str]) -> str:
    """Return sqlite, postgresql, or the name of a database that this cannot copy."""
    return re.split(r"[+:]", database["uri"], maxsplit=1)[0]


def refuse_unknown(database: dict[str, str]) -> None:
    """Raise for what can be served, but not copied."""
    if kind(database) not in ("sqlite", "postgresql") or (kind(database) == "sqlite" and not database["file"]):
        raise DatabaseError(f"a database of the kind {kind(database)} cannot be copied; its own tools can")


def refuse_missing_tools(database: dict[str, str]) -> None:
    """Raise where what copies it is not installed."""
    if kind(database) == "postgresql" and not shutil.which("pg_dump"):
        raise DatabaseError("pg_dump is not on this host; install postgresql-client")


def suffix(database: dict[str, str]) -> str:
    """Return how the name of a copy ends."""
    return ".db" if kind(database) == "sqlite" else ".dump"


def copy(team: Team, database: dict[str, str], target: Path) -> None:
    """Make target a copy of the database. The team's account has to be able to write there."""
    refuse_unknown(database)
    refuse_missing_tools(database)
    if kind(database) == "sqlite":
        run_tool(team, "copy_sqlite", database["file"], str(target))
        return
    uri, environment = reached(database["uri"])
    part = f"{target}.part"
    options = ["--format=custom", "--no-owner", "--no-privileges", f"--lock-wait-timeout={LOCK_SECONDS}s"]
    run(team, ["pg_dump", *options, f"--file={part}", f"--dbname={uri}"], COPY_SECONDS, env=environment)
    # The directory may be the account's, and its server at work.
    folder = os.open(target.parent, trees.DIRECTORY)
    try:
        with trees.open_file(folder, os.path.basename(part)) as file:
            os.fsync(file.fileno())
    finally:
        os.close(folder)
    os.replace(part, target)


def restore(team: Team, database: dict[str, str], source: Path) -> None:
    """Make the database what it was when source was copied, all at once. No server may run meanwhile."""
    refuse_unknown(database)
    if kind(database) == "sqlite":
        run_tool(team, "restore_sqlite", str(source), database["file"])
        return
    script = source.with_suffix(".sql")
    uri, environment = reached(database["uri"])
    script.unlink(missing_ok=True)
    try:
        options = ["--no-owner", "--no-privileges", f"--file={script}"]
        run(team, ["pg_restore", *options, str(source)], COPY_SECONDS)
        # Whole before anything is dropped: one transaction ends with a commit, also of half a script.
        options = ["--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
        command = ["psql", *options, f"--command={LOCK_TIMEOUT}{EMPTY_SCHEMA}", f"--file={script}", f"--dbname={uri}"]
        run(team, command, COPY_SECONDS, env=environment)
    finally:
        script.unlink(missing_ok=True)


def size(team: Team, database: dict[str, str]) -> int:
    """Return how many bytes it takes; those of a copy are about as many, or fewer."""
    if kind(database) == "sqlite":
        return sum(path.stat().st_size for path in map(Path, files(database["file"])) if path.exists())
    return int(ask(team, database, "SELECT pg_database_size(current_database())"))


def rows(team: Team, database: dict[str, Any]) -> dict[str, int]:
    """Return how many rows each table has where the server finds it, after all that SQLite does to it before."""
    refuse_unknown(database)
    if kind(database) == "sqlite":
        return dict(json.loads(run_tool(team, "count_sqlite", database["file"])))
    found = (line.rpartition("|") for line in ask(team, database, COUNT_ROWS).split("\n") if line)
    return {name: int(count) for name, _bar, count in found}


def settle(team: Team, database: dict[str, Any]) -> None:
    """Let SQLite finish, as the team's account, what a server has left that was killed; no server may run.

    What is beyond that stays as it is: it is often why somebody restores.
    """
    if database["file"] and os.path.lexists(database["file"]):
        with contextlib.suppress(DatabaseError):
            run_tool(team, "settle_sqlite", database["file"])


def ask(team: Team, database: dict[str, Any], statement: str) -> str:
    """Return what PostgreSQL says to a statement."""
    uri, environment = reached(database["uri"])
    options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
    feed = f"{LOCK_TIMEOUT}\n{statement}\n"
    return run(team, ["psql", *options, f"--dbname={uri}"], ASK_SECONDS, env=environment, input=feed)


def run_tool(team: Team, *words: str) -> str:
    """Do one of the ACTIONS of this file as the team's account."""
    return run(team, [sys.executable, "-Es", __file__, *words], COPY_SECONDS)


def run(team: Team, command: list[str], seconds: int, **options: Any) -> str:
    """Run a command as the team's account, which ends it when it takes too long; return what it prints."""
    if not shutil.which(command[0]):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    # Root of a unit that may do little cannot end what runs under another account.
    done: subprocess.CompletedProcess[str] = team.run(
        ["timeout", "--kill-after=10", str(seconds), *command], capture_output=True, **options
    )
    if done.returncode == TIMED_OUT:
        raise DatabaseError(f"{os.path.basename(command[0])} was still not done after {seconds} s")
    if done.returncode != 0:
        raise DatabaseError(done.stderr.strip() or f"{os.path.basename(command[0])} ended with {done.returncode}")
    return done.stdout


def without_password(uri: str) -> tuple[str, dict[str, str]]:
    """Return SQLAlchemy's URI as PostgreSQL's own tools read it, with the password in the environment instead."""
    found = URI.fullmatch(uri)
    if not found:
        raise DatabaseError("its URI cannot be read")
    query = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    password = query.pop("password", unquote(found["password"] or ""))
    plain = "postgresql://" + (f"{found['user']}@" if found["user"] is not None else "") + found["place"]
    plain += f"?{urlencode(query, quote_via=quote)}" if query else ""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "30"}
    return plain, {**environment, "PGPASSWORD": password} if password else environment


def reached(uri: str) -> tuple[str, dict[str, str]]:
    """Return the same so that a server that is gone is not waited for, unless the URI itself says for how long."""
    plain, environment = without_password(uri)
    _start, _mark, query = plain.partition("?")
    more = {name: value for name, value in KEEPALIVES.items() if name not in dict(parse_qsl(query))}
    return f"{plain}{'&' if query else '?'}{urlencode(more)}", environment


def undo(name: str, database: str, dump: str) -> None:
    """Put a team's database back from its dump; without one, nothing was changed yet."""
    if not os.path.exists(dump):
        return
    team = load(name)
    restore(team, next(it for it in team.databases if it["name"] == database), Path(dump))


ACTIONS = {
    action.__name__: action
    for action in (
        copy_sqlite,
        restore_sqlite,
        settle_sqlite,
        count_sqlite,
        check_sqlite,
        swap,
        put_back,
        remove,
        undo,
    )
}

if __name__ == "__main__":
    try:
        ACTIONS[sys.argv[1]](*sys.argv[2:])
    except (OSError, sqlite3.Error, DatabaseError) as error:
        sys.exit(f"{sys.argv[2]}: {error}")
