"""Runs a command beside a PostgreSQL of its own, which has what is in some dumps and lets nobody else in.

Arguments: the directory of PostgreSQL's programs, one for its files and one for its socket, DATABASE=DUMP for each
database, and after "--" the command. The unit that runs this ends PostgreSQL with it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mlflowctl import commands
from mlflowctl.errors import Problem

ACCOUNT = "drill"
# No port, and no care for what is thrown away soon. What is shared is in files: a unit has no /dev/shm to count on.
OPTIONS = "-c listen_addresses= -c fsync=off -c full_page_writes=off -c dynamic_shared_memory_type=mmap"
# Where Debian keeps the programs of each version, and what makes the account of a moment known to initdb.
INSTALLED = Path("/usr/lib/postgresql")
KNOWN_BY_NAME = "*/libnss_systemd.so.2"
START_SECONDS = 120
# In what pg_restore lists of a dump: tables and schemas that it makes, and what on tables calls for functions and roles
# of others, which are not here.
TABLE = re.compile(r"\d+; \d+ \d+ TABLE (?!DATA )(\S+) ")
SCHEMA = re.compile(r"\d+; \d+ \d+ SCHEMA - (\S+) ")
OF_OTHERS = re.compile(r"\d+; \d+ \d+ (?:TRIGGER|RULE|POLICY) ")


def programs() -> Path | None:
    """Return the programs of the newest PostgreSQL of this host; None where it has but a client."""
    found = [path.parent for path in INSTALLED.glob("*/bin/initdb")]
    return max(found, key=lambda path: float(path.parent.name), default=None)


def missing() -> list[str]:
    """Return the packages without which there is none to be had."""
    there = {"postgresql": programs(), "libnss-systemd": any(Path("/usr/lib").glob(KNOWN_BY_NAME))}
    return [name for name, found in there.items() if not found]


def uri(of: str, database: str, socket: Path) -> str:
    """Return SQLAlchemy's URI of a database here, with the driver that another URI has."""
    return f"{of.partition(':')[0]}://{ACCOUNT}@/{database}?host={socket}"


def schemas(listed: list[str]) -> list[str]:
    """Return the schemas of tables in a dump that it does not make itself, as SQL has them."""
    found = {schema[1] for schema in map(TABLE.match, listed) if schema}
    made = {schema[1] for schema in map(SCHEMA.match, listed) if schema}
    return ['"' + name.replace('"', '""') + '"' for name in sorted(found - made - {"public"})]


def run(*command: str | Path, **options: Any) -> str:
    """Return what one of PostgreSQL's programs prints; a problem is what it says where it fails."""
    return commands.printed(command, lambda said: Problem(f"{command[0]}: {said}"), commands.WORK_SECONDS, **options)


def start(there: Path, home: Path, socket: str) -> None:
    """Start it, for this account alone."""
    run(there / "initdb", "--auth=trust", f"--username={ACCOUNT}", "--encoding=UTF8", "--locale=C", "--no-sync", home)
    # What pg_ctl starts would hold on to a pipe for as long as it lives.
    options = ["--wait", f"--timeout={START_SECONDS}", f"--log={home / 'log'}", f"--options=-k {socket} {OPTIONS}"]
    command: list[str | Path] = [there / "pg_ctl", "start", f"--pgdata={home}", *options]
    done = commands.run(command, commands.DO_SECONDS, stdout=subprocess.DEVNULL, stderr=None)
    if done.returncode != 0:
        sys.exit((home / "log").read_text(encoding="utf-8", errors="replace"))


def main(there: str, home: str, socket: str, *words: str) -> None:
    """Start it, fill it, and become the command."""
    end = words.index("--")
    start(Path(there), Path(home), socket)
    who = [f"--host={socket}", f"--username={ACCOUNT}"]
    for database, _equals, dump in (word.partition("=") for word in words[:end]):
        run(Path(there) / "createdb", *who, database)
        listed = run(Path(there) / "pg_restore", "--list", dump).splitlines()
        for schema in schemas(listed):
            for order in (f"CREATE SCHEMA {schema}", f"ALTER DATABASE {database} SET search_path = {schema}"):
                run(Path(there) / "psql", *who, f"--command={order}", database)
        chosen = Path(f"{home}.{database}.list")
        chosen.write_text("\n".join(line for line in listed if not OF_OTHERS.match(line)), encoding="utf-8")
        options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
        run(Path(there) / "pg_restore", *who, *options, f"--use-list={chosen}", f"--dbname={database}", dump)
    command = words[end + 1 :]
    os.execv(command[0], command)
