"""Asks all databases of a team, as its account, with an end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mlflowctl import commands, databases
from mlflowctl.databases import own_tables, reading
from mlflowctl.team import Team

from monitoring import answers
from monitoring.questions import SETS, Rows

# As the team's account runs it, too.
PROGRAM = [sys.executable, "-I", str(Path(__file__).resolve().parent)]
WALK_SECONDS = 6 * 3600
TABLES = "SELECT jsonb_agg(tablename) FROM pg_tables WHERE schemaname = current_schema()"


def asked(team: Team, which: str) -> dict[str, Any]:
    """Return the size of each database, and all their answers; DatabaseError or OSError where one gives none."""
    found: dict[str, Any] = {"sizes": {}, "answers": {}}
    for database in team.databases:
        kind = databases.kind(database)
        if kind == "sqlite" and database["file"]:
            told = json.loads(within(team, reading.ASK_SECONDS, "answers", database["file"], which))
        elif kind == "postgresql":
            told = of_postgresql(team, database, which)
        else:
            # Its own exporter knows more.
            continue
        told = answers.of_databases(told)
        found["sizes"][database["name"]] = told["size"]
        found["answers"].update(told["answers"])
    return found


def within(team: Team, seconds: int, *words: str) -> str:
    """Return what within.py prints as the team's account."""
    command = [*PROGRAM, "within", *words]
    return databases.run(team, command, seconds, memory=commands.ASK_MEMORY)


def of_postgresql(team: Team, database: dict[str, Any], which: str) -> dict[str, Any]:
    """Return the same of a database in PostgreSQL."""
    known = set(json.loads(reading.psql(team, database, f"{TABLES};")[0] or "[]"))
    # On a server of several things, a table of this name may be somebody else's.
    known.intersection_update(own_tables.names(team, database["name"]))
    questions = [it for it in SETS[which] if known.issuperset(it.tables)]
    size = own_tables.statement(own_tables.SIZE, own_tables.names(team, database["name"]))
    wrapped = [f"SELECT coalesce(jsonb_agg(it), '[]') FROM ({it.sql}) AS it" for it in questions]  # noqa: S608
    first, *lines = reading.psql(team, database, "\n".join(f"{it};" for it in (size, *wrapped)))
    told: dict[str, Rows] = {it.name: json.loads(line) for it, line in zip(questions, lines)}
    return {"size": int(first), "answers": told}


def walked(team: Team) -> dict[str, Any] | None:
    """Return how much is in the server's own directory of artifacts; None where it has none on this host."""
    if not team.artifacts:
        return None
    return answers.of_walk(json.loads(within(team, WALK_SECONDS, "walk", team.artifacts)))
