"""What the databases of a team hold of all that M(access) asks its server about, as digests: none of it is told.

Everything in them counts, but what is known to be of no interest there: what work leaves behind. A table that nobody
has heard of counts, too. What a table is for was looked up in some versions of MLflow, and others are refused.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from mlflowctl import access_grants, commands, databases
from mlflowctl.databases import own_tables, reading, sqlite
from mlflowctl.databases.sqlite import quoted
from mlflowctl.errors import Problem
from mlflowctl.program import PROGRAM
from mlflowctl.team import Team

# What is written by who logs, evaluates and reviews, and by jobs.
WORK = frozenset(
    {
        "assessments",
        "datasets",
        "entity_associations",
        "evaluation_dataset_records",
        "evaluation_dataset_tags",
        "evaluation_datasets",
        "input_tags",
        "inputs",
        "issue_categories",
        "issues",
        "job_locks",
        "jobs",
        "latest_metrics",
        "logged_model_metrics",
        "logged_model_params",
        "logged_model_tags",
        "logged_models",
        "metrics",
        "params",
        "review_queue_items",
        "runs",
        "scheduler_leases",
        "span_metrics",
        "spans",
        "sql_assessment_daily_rollups",
        "sql_span_cost_daily_rollups",
        "sql_trace_metric_daily_rollups",
        "sql_trace_rollup_rebuild_queue",
        "tags",
        "trace_info",
        "trace_metrics",
        "trace_request_metadata",
        "trace_tags",
    }
)
# Of these only what belongs to things whose versions are declared.
VERSIONS = ("model_versions", "model_version_tags")
# Tags by which MLflow notes, each minute, how far it is with the traces of an experiment.
PROGRESS = "experiment_tags"
NOTES = ("mlflow.latestOnlineScoring.trace.checkpoint", "mlflow.latestOnlineScoring.session.checkpoint")
# Moments that change with what work leaves behind.
MOMENTS = (
    ("experiments", "last_update_time"),
    ("registered_models", "last_updated_time"),
    ("model_versions", "last_updated_time"),
)
# By what a database is for: revisions of its schema in MLflow 3.12, 3.15, 3.17 and 3.18, and what has to be there.
KNOWN = {
    "auth": ({"c3d4e5f6a7b8", "f1a2b3c4d5e6"}, {"users", "roles", "role_permissions", "user_role_assignments"}),
    "tracking": (
        {"7d34483879f0", "6f8d9c3b2a1e", "dc11669786a5", "f4a9b2c7d1e6"},
        {"experiments", "experiment_tags", "registered_models", "registered_model_tags", "registered_model_aliases"}
        | {*VERSIONS, "scorers", "secrets", "endpoints", "endpoint_model_mappings", "model_definitions"}
        | {"webhooks", "webhook_events"},
    ),
}
REVISIONS = tuple(notes for _place, notes in own_tables.PLACES.values())
# A line for each: what it is, the table, and its digest or revision. On a standby, what counts may be elsewhere by now.
# A digest is one of the rows' digests in their order, so that it does not matter what is in them.
IN_POSTGRESQL = """\
SELECT jsonb_build_array('standby', '', pg_is_in_recovery());
SELECT CASE WHEN relname IN ({revisions})
    THEN format($it$SELECT jsonb_build_array('revisions', %L, string_agg(version_num, ' ')) FROM %I.%I$it$,
      relname, nspname, relname)
    ELSE format($it$SELECT jsonb_build_array('tables', %L, encode(sha256(convert_to(coalesce(
        string_agg(digest, '' ORDER BY digest), ''), 'UTF8')), 'hex'))
        FROM (SELECT encode(sha256(convert_to(ROW(%s)::text, 'UTF8')), 'hex') AS digest
          FROM %I.%I WHERE %s) AS lines$it$,
      relname, columns, nspname, relname, CASE
            WHEN relname IN ({versions}) THEN {declared} WHEN relname = {progress} THEN {others} ELSE 'true' END)
    END
  FROM ({own}) AS own, LATERAL (
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns FROM pg_attribute
      WHERE attrelid = own.oid AND attnum > 0 AND NOT attisdropped AND (relname, attname) NOT IN (VALUES {moments})
  ) AS parts
  WHERE NOT relispartition AND relname NOT IN ({work}) \\gexec"""
DECLARED = "$it$name IN (SELECT jsonb_array_elements_text(convert_from(decode('{names}', 'hex'), 'UTF8')::jsonb))$it$"


class UnknownContentsError(Problem):
    """Why nobody but the server can tell."""


def of_team(team: Team, names: Iterable[str]) -> dict[str, Any]:
    """Return digests of all its databases; an error where one cannot be read, or is of another MLflow.

    names: the registered models and prompts whose versions count.
    """
    found = {}
    wanted = json.dumps(sorted(names))
    for database in team.databases:
        kind = databases.kind(database)
        if kind == "sqlite" and database["file"]:
            command = [*PROGRAM, "access-contents", database["file"], wanted]
            told = json.loads(databases.run(team, command, reading.ASK_SECONDS, memory=commands.ASK_MEMORY))
        elif kind == "postgresql":
            told = of_postgresql(team, database, wanted)
        else:
            raise UnknownContentsError(f"a database of the kind {kind} is not read")
        refuse_unknown(database["name"], told)
        found[database["name"]] = told
    return found


def refuse_unknown(name: str, told: dict[str, Any]) -> None:
    """Raise for a schema that nobody has looked at, or of which something is missing."""
    for purpose in KNOWN if name == "mlflow" else (name,):
        revisions, tables = KNOWN[purpose]
        revision = told["revisions"].get(own_tables.PLACES[purpose][1])
        if revision not in revisions:
            raise UnknownContentsError(f"the database {name} has the unknown revision {revision}")
        missing = tables.difference(told["tables"])
        if missing:
            raise UnknownContentsError(f"the database {name} has no {', '.join(sorted(missing))}")


def tells_grants(told: dict[str, Any]) -> bool:
    """Say whether what is granted to users is told from what they have of things that they made."""
    (revision,) = {it["revisions"].get(own_tables.PLACES["auth"][1]) for it in told.values()} - {None}
    return revision in access_grants.REVISIONS


def of_postgresql(team: Team, database: dict[str, Any], names: str) -> dict[str, Any]:
    """Return the same of a database in PostgreSQL, which digests it itself."""
    parts = {
        "revisions": listed(REVISIONS),
        "versions": listed(VERSIONS),
        "work": listed(sorted(WORK)),
        "moments": ", ".join(f"({listed(pair)})" for pair in MOMENTS),
        "progress": listed([PROGRESS]),
        "others": f"$it$key NOT IN ({listed(NOTES)})$it$",
        "declared": DECLARED.replace("{names}", names.encode().hex()),
    }
    script = IN_POSTGRESQL
    for word, text in parts.items():
        script = script.replace(f"{{{word}}}", text)
    if database["name"] != "tracking":
        script = f"{script}\n{access_grants.IN_POSTGRESQL}"
    script = own_tables.statement(script, own_tables.names(team, database["name"]))
    found: dict[str, Any] = {"standby": {}, "tables": {}, "revisions": {}, "grants": {}}
    for what, name, value in (json.loads(line) for line in reading.psql(team, database, script) if line):
        found[what][name] = value
    if found.pop("standby") != {"": False}:
        raise UnknownContentsError("a standby of PostgreSQL may be behind")
    return found


def listed(words: Iterable[str]) -> str:
    """Return words as SQL lists them; these are all names of MLflow's."""
    return ", ".join(f"'{word}'" for word in words)


def print_contents(file: str, names: str) -> None:
    """Print the digests of a file of SQLite, as whoever this is."""
    try:
        print(json.dumps(of_sqlite(file, json.loads(names))))
    except sqlite.FAILURES as error:
        raise UnknownContentsError(f"{file}: {sqlite.why(error)}") from None


def of_sqlite(file: str, names: list[str]) -> dict[str, Any]:
    """Return them."""
    reading.refuse_what_is_not_whole(file)
    connection = reading.connect(file)
    try:
        # All of it as it is at one moment.
        connection.execute("BEGIN")
        tables = [name for (name,) in connection.execute(sqlite.TABLES)]
        found: dict[str, Any] = {"tables": {}, "revisions": {}, "grants": {}}
        for table in REVISIONS:
            if table in tables:
                rows = connection.execute(f"SELECT version_num FROM {table}")  # noqa: S608 - one of two
                found["revisions"][table] = " ".join(str(revision) for (revision,) in rows)
        # Text may be none that Python could read.
        connection.text_factory = bytes
        for table in tables:
            if table not in WORK and table not in REVISIONS and not table.startswith("sqlite_"):
                found["tables"][table] = digest(connection, table, names)
        if KNOWN["auth"][1].issubset(tables):
            found["grants"] = access_grants.of_sqlite(connection)
    finally:
        connection.close()
    return found


def digest(connection: sqlite3.Connection, table: str, names: list[str]) -> str:
    """Return that of a table."""
    facts = connection.execute("SELECT name FROM pragma_table_info(?)", [table])
    columns = [column for (name,) in facts for column in [name.decode()] if (table, column) not in MOMENTS]
    statement = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table)}"  # noqa: S608 - quoted
    rows: Iterable[tuple[Any, ...]]
    if table in VERSIONS:
        rows = (row for name in names for row in connection.execute(f"{statement} WHERE name = ?", [name]))
    elif table == PROGRESS:
        rows = connection.execute(f"{statement} WHERE key NOT IN ({', '.join('?' * len(NOTES))})", NOTES)
    else:
        rows = connection.execute(statement)
    return access_grants.digest(rows)
