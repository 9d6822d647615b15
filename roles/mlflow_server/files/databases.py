"""Copies a database as it is at one moment, while its server may be writing, and puts such a copy back.

SQLite is copied by its own backup, as the account that owns it; PostgreSQL by pg_dump. No password is ever an argument.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import sys
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from team import Team, load, sync

# Seconds to wait for who holds a lock. Without any, seven of eight copies of a busy database failed.
PATIENCE = 30
# As SQLAlchemy reads one: in a password, #, ? and / may stand as they are.
URI = re.compile(
    r"[\w+]+://(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?(?P<place>[^?]*)(?:\?(?P<query>.*))?", re.DOTALL
)
# What stands between a user's name and the host in a URI.
PASSWORD = re.compile(r"://([^:/@\s]*):[^@\s]*@")
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
        done = team.run(
            [sys.executable, "-Es", __file__, "copy_sqlite", database["file"], str(target)], capture_output=True
        )
    else:
        uri, environment = without_password(database["uri"])
        part = f"{target}.part"
        options = ["--format=custom", "--no-owner", "--no-privileges", f"--file={part}"]
        done = team.run(["pg_dump", *options, f"--dbname={uri}"], capture_output=True, env=environment)
        if done.returncode == 0:
            sync(part)
            os.replace(part, target)
    if done.returncode != 0:
        raise DatabaseError(done.stderr.strip())


def restore(team: Team, database: dict[str, str], source: Path) -> None:
    """Make the database what it was when source was copied, all at once. No server may run meanwhile."""
    refuse_unknown(database)
    if kind(database) == "sqlite":
        done = team.run(
            [sys.executable, "-Es", __file__, "restore_sqlite", str(source), database["file"]], capture_output=True
        )
        if done.returncode != 0:
            raise DatabaseError(done.stderr.strip())
        return
    script = source.with_suffix(".sql")
    uri, environment = without_password(database["uri"])
    try:
        options = ["--no-owner", "--no-privileges", f"--file={script}"]
        done = team.run(["pg_restore", *options, str(source)], capture_output=True)
        if done.returncode == 0:
            # Whole before anything is dropped: one transaction ends with a commit, also of half a script.
            options = ["--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
            command = ["psql", *options, f"--command={EMPTY_SCHEMA}", f"--file={script}", f"--dbname={uri}"]
            done = team.run(command, capture_output=True, env=environment)
    finally:
        script.unlink(missing_ok=True)
    if done.returncode != 0:
        raise DatabaseError(done.stderr.strip())


def size(team: Team, database: dict[str, str]) -> int:
    """Return how many bytes it takes; those of a copy are about as many, or fewer."""
    if kind(database) == "sqlite":
        return sum(path.stat().st_size for path in map(Path, files(database["file"])) if path.exists())
    uri, environment = without_password(database["uri"])
    ask = [
        "psql",
        "--no-psqlrc",
        "--tuples-only",
        "--no-align",
        "--command=SELECT pg_database_size(current_database())",
    ]
    done = team.run([*ask, f"--dbname={uri}"], capture_output=True, env=environment)
    if done.returncode != 0:
        raise DatabaseError(done.stderr.strip())
    return int(done.stdout)


def files(file: str) -> list[str]:
    """Return a SQLite file, and those that may stand beside it."""
    return [file, f"{file}-wal", f"{file}-shm", f"{file}-journal"]


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


def copy_sqlite(source: str, target: str) -> None:
    """Copy it in one piece; what was there before is replaced when the copy is whole."""
    part = f"{target}.part"
    Path(part).unlink(missing_ok=True)
    origin = sqlite3.connect(f"{Path(source).as_uri()}?mode=rw", uri=True, timeout=PATIENCE)
    destination = sqlite3.connect(part)
    try:
        origin.backup(destination)
        destination.close()
        sync(part)
        os.replace(part, target)
    finally:
        destination.close()
        origin.close()
        Path(part).unlink(missing_ok=True)
    sync(str(Path(target).parent))


def restore_sqlite(source: str, target: str) -> None:
    """Put a copy in place of a database that nobody has open."""
    copy_sqlite(source, f"{target}.restored")
    # What a former server left beside it would be taken for the new one's.
    for path in files(target)[1:]:
        Path(path).unlink(missing_ok=True)
    os.replace(f"{target}.restored", target)
    sync(str(Path(target).parent))


def check_sqlite(file: str) -> None:
    """Raise for a file that is damaged."""
    connection = sqlite3.connect(file, timeout=PATIENCE)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    finally:
        connection.close()
    if found != "ok":
        raise sqlite3.DatabaseError(f"the database is damaged: {found}")


def swap(copy: str, file: str, former: str) -> None:
    """Put a copy in a file's place, and keep the file beside it; the file is there at every moment."""
    os.link(file, former)
    for path in files(file)[1:]:
        Path(path).unlink(missing_ok=True)
    os.replace(copy, file)
    sync(str(Path(file).parent))


def put_back(former: str, file: str) -> None:
    """Undo that, where it was done."""
    if os.path.exists(former):
        for path in files(file)[1:]:
            Path(path).unlink(missing_ok=True)
        os.replace(former, file)
        sync(str(Path(file).parent))


def remove(*paths: str) -> None:
    """Remove databases that may be there."""
    for path in paths:
        for name in (*files(path), f"{path}.part"):
            Path(name).unlink(missing_ok=True)


def undo(name: str, database: str, dump: str) -> None:
    """Put a team's database back from its dump; without one, nothing was changed yet."""
    if not os.path.exists(dump):
        return
    team = load(name)
    restore(team, next(it for it in team.databases if it["name"] == database), Path(dump))


def hidden(text: str) -> str:
    """A text without the passwords of the URIs in it."""
    return PASSWORD.sub(r"://\1:***@", text)


ACTIONS = {
    action.__name__: action for action in (copy_sqlite, restore_sqlite, check_sqlite, swap, put_back, remove, undo)
}

if __name__ == "__main__":
    try:
        ACTIONS[sys.argv[1]](*sys.argv[2:])
    except (OSError, sqlite3.Error, DatabaseError) as error:
        sys.exit(f"{sys.argv[2]}: {error}")
