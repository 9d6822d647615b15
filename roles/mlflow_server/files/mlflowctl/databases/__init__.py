"""Copies a database as it is at one moment, while its server may be writing, and puts such a copy back.

SQLite is copied by its own backup, as the account that owns it; PostgreSQL by pg_dump, MLflow's own tables alone. No
password is ever an argument.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from mlflowctl import commands, trees
from mlflowctl.databases import marks, own_tables, waits
from mlflowctl.databases.sqlite import (
    FAILURES,
    check_sqlite,
    copy_sqlite,
    count_sqlite,
    experiment_names,
    files,
    put_back,
    remove,
    restore_sqlite,
    settle_sqlite,
    swap,
    why,
)
from mlflowctl.databases.uris import reached
from mlflowctl.errors import DatabaseError, Problem
from mlflowctl.program import PROGRAM
from mlflowctl.team import Team, load

# For who changes a table's definition in PostgreSQL and never ends.
LOCK_SECONDS = 60
# What nothing takes that is still under way; a dump of hundreds of gigabytes takes a few hours.
COPY_SECONDS, ASK_SECONDS = 6 * 3600, 600
LOCK_TIMEOUT = f"SET lock_timeout = '{LOCK_SECONDS}s';"
# For psql that reads a script: it begins no other program, and writes no file. A dump may be of anybody's writing, and
# before its 15.14, 16.10 and 17.6 psql does what a definition there tells it to, as this account outside of its unit.
ALONE = ("--nproc=0", "--fsize=0")


def by_purpose(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return databases by what they are for; one may be for both."""
    return {
        purpose: database
        for database in found
        for purpose in (["auth", "tracking"] if database["name"] == "mlflow" else [database["name"]])
    }


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
    found = ask_about_tables(team, database, own_tables.PATTERNS).splitlines()
    # What a table is divided into is told by its own name.
    options = ["--format=custom", "--no-owner", "--no-privileges", "--load-via-partition-root"]
    options += [f"--lock-wait-timeout={LOCK_SECONDS}s"]
    options += [f"--table={name}" for name in found] or ["--exclude-schema=*"]
    watch = waits.watch(partial(ask, team, database), LOCK_SECONDS)
    run(team, ["pg_dump", *options, f"--file={part}", f"--dbname={uri}"], COPY_SECONDS, env=environment, watch=watch)
    # The directory may be the account's, and its server at work.
    folder = os.open(target.parent, trees.DIRECTORY)
    try:
        with trees.open_file(folder, os.path.basename(part)) as file:
            os.fsync(file.fileno())
    finally:
        os.close(folder)
    os.replace(part, target)


def restore(
    team: Team,
    database: dict[str, str],
    source: Path,
    mark: str | None = None,
    watch: Callable[[], object] | None = None,
    begins: Callable[[], object] = bool,
) -> None:
    """Make the database what it was when source was copied, all at once. No server may run meanwhile.

    Where a team has replicas, they find this mark there from then on (see mark), and not the one of the copy. A watch
    may end it by raising while the copy is unpacked; it is said when the database is begun with.
    """
    refuse_unknown(database)
    if kind(database) == "sqlite":
        run_tool(team, "restore_sqlite", str(source), database["file"])
        return
    script, listed = source.with_suffix(".sql"), source.with_suffix(".list")
    uri, environment = reached(database["uri"])
    own = own_tables.names(team, database["name"])
    for path in (script, listed):
        path.unlink(missing_ok=True)
    try:
        parts = own_tables.parts_of(run(team, ["pg_restore", "--list", str(source)], ASK_SECONDS))
        run(team, ["dd", f"of={listed}", "status=none"], ASK_SECONDS, input=parts)
        options = ["--no-owner", "--no-privileges", f"--use-list={listed}", f"--file={script}"]
        run(team, ["pg_restore", *options, str(source)], COPY_SECONDS, watch=watch)
        # Whole before anything is dropped: one transaction ends with a commit, also of half a script.
        options = ["--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
        drop = own_tables.statement(own_tables.DROP, own)
        command = ["psql", *options, f"--command={LOCK_TIMEOUT}{drop}", f"--file={script}"]
        command += [f"--command={own_tables.GRANT}", f"--dbname={uri}"]
        if team.leader:
            # The script looks in no schema by itself.
            command.append(f"--command=RESET search_path; {marks.setting(database['name'], mark)}")
        begins()
        run(team, command, COPY_SECONDS, env=environment, limits=ALONE)
    finally:
        for path in (script, listed):
            path.unlink(missing_ok=True)


def mark(team: Team, database: dict[str, Any], text: str | None) -> None:
    """Say in a database of PostgreSQL that it is being changed, or that it is no more: replicas look there first."""
    ask(team, database, marks.setting(database["name"], text))


def marked(team: Team, database: dict[str, Any]) -> str | None:
    """Return what is said there so; None where nothing is."""
    said = ask(team, database, marks.look(database["name"])).removesuffix("\n")
    return said if said.startswith(marks.START) else None


def taken_over(team: Team, database: dict[str, Any]) -> bool:
    """Say whether a change that this host has begun is none of its any more: undone before, or of another leader."""
    return bool(team.leader) and not (marked(team, database) or "").startswith(marks.text(team.replica, ""))


def hold_open(team: Team, database: dict[str, Any]) -> subprocess.Popen[str]:
    """Have a database of PostgreSQL open, as this host, until its input or this process ends."""
    uri, environment = reached(database["uri"])
    process = subprocess.Popen(
        ["psql", "--no-psqlrc", "--quiet", f"--dbname={uri}"],
        env={**environment, "PGAPPNAME": team.at_postgresql},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        **commands.given_up(team.account),
    )
    # One that is away is told of by whoever asks it next.
    with contextlib.suppress(BrokenPipeError):
        print("\\echo open", file=process.stdin, flush=True)
    process.stdout.readline()  # type: ignore[union-attr]
    return process


def refuse_hangers_on(team: Team, database: dict[str, Any]) -> None:
    """Raise where a restore, or the end of an upgrade that failed, would have to drop what is not MLflow's."""
    if kind(database) != "postgresql":
        return
    found = ask_about_tables(team, database, own_tables.HANGS_ON).splitlines()
    if found:
        names = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        raise DatabaseError(
            f"{names}: hangs on tables of MLflow's in the database {database['name']}, which could not be put back "
            "then; drop it, and make it again afterwards"
        )


def strangers(team: Team, database: str, tables: Iterable[str]) -> list[str]:
    """Return those tables of a copy from PostgreSQL that are not MLflow's: it would bring them back, too."""
    return sorted(set(tables).difference(own_tables.names(team, database)))


def size(team: Team, database: dict[str, str]) -> int:
    """Return how many bytes it takes; those of a copy are about as many, or fewer."""
    if kind(database) == "sqlite":
        return sum(path.stat().st_size for path in map(Path, files(database["file"])) if path.exists())
    return int(ask_about_tables(team, database, own_tables.SIZE))


def rows(team: Team, database: dict[str, Any]) -> dict[str, int]:
    """Return how many rows each table has where the server finds it, after all that SQLite does to it before."""
    refuse_unknown(database)
    if kind(database) == "sqlite":
        return dict(json.loads(run_tool(team, "count_sqlite", database["file"])))
    answer = ask_about_tables(team, database, own_tables.COUNT_ROWS)
    found = (line.rpartition("|") for line in answer.split("\n") if line)
    return {name: int(count) for name, _bar, count in found}


def settle(team: Team, database: dict[str, Any]) -> None:
    """Let SQLite finish, as the team's account, what a server has left that was killed; no server may run.

    What is beyond that stays as it is: it is often why somebody restores.
    """
    if database["file"] and os.path.lexists(database["file"]):
        with contextlib.suppress(DatabaseError):
            run_tool(team, "settle_sqlite", database["file"])


def ask_about_tables(team: Team, database: dict[str, Any], sql: str) -> str:
    """Return what PostgreSQL says about MLflow's own."""
    return ask(team, database, own_tables.statement(sql, own_tables.names(team, database["name"])))


def ask(team: Team, database: dict[str, Any], statement: str) -> str:
    """Return what PostgreSQL says to a statement."""
    uri, environment = reached(database["uri"])
    options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
    feed = f"{LOCK_TIMEOUT}\n{statement}\n"
    return run(team, ["psql", *options, f"--dbname={uri}"], ASK_SECONDS, env=environment, input=feed)


def run_tool(team: Team, *words: str) -> str:
    """Do one of the ACTIONS of this file as the team's account."""
    return run(team, [*PROGRAM, "database", *words], COPY_SECONDS)


def run(team: Team, command: list[str], seconds: int, **options: Any) -> str:
    """Run a command as the team's account, which ends it when it takes too long; return what it prints."""
    if team.leader and "env" in options:
        # Other replicas see whose it is.
        options["env"] = {**options["env"], "PGAPPNAME": team.at_postgresql}
    return team.printed(command, DatabaseError, seconds, **options)


def seconds_to_read(copy: Path) -> int:
    """Return for how long all of a copy may be read: at least a megabyte of it in each second.

    Its account may have defined columns of which one value takes days, and SQLite itself ends only between two steps.
    """
    return min(ASK_SECONDS + copy.stat().st_size // 10**6, COPY_SECONDS)


def undo(name: str, database: str, dump: str) -> None:
    """Put a team's database back from its dump; without one, nothing was changed yet."""
    if not os.path.exists(dump):
        return
    team = load(name)
    found = next(it for it in team.databases if it["name"] == database)
    if not taken_over(team, found):
        restore(team, found, Path(dump))


ACTIONS = {
    action.__name__: action
    for action in (
        copy_sqlite,
        restore_sqlite,
        settle_sqlite,
        count_sqlite,
        check_sqlite,
        experiment_names,
        swap,
        put_back,
        remove,
        undo,
    )
}


def main(action: str, *words: str) -> None:
    """Do one of the ACTIONS, as whoever this is."""
    try:
        ACTIONS[action](*words)
    except (*FAILURES, Problem) as error:
        raise DatabaseError(f"{words[0]}: {why(error)}") from None
