"""What is said in a database of PostgreSQL while one replica of a team changes it, so that no other serves it then.

It is a comment on the table in which alembic notes the revision. Whoever may migrate may write it, it comes and goes
with what a transaction does, and it is there for whoever comes, also when who has written it is not.
"""

from __future__ import annotations

import re

from mlflowctl.databases.own_tables import PLACES

START = "mlops.mlflow: "
# What needs no escape in SQL.
ODD = re.compile(r"[^\w .:@+-]")
LOOK = "SELECT obj_description(to_regclass('{table}'), 'pg_class');"
SET = """\
DO $mark$ DECLARE it regclass := to_regclass('{table}'); BEGIN
  IF it IS NOT NULL THEN EXECUTE format('COMMENT ON TABLE %s IS %L', it, {text}); END IF;
END $mark$;"""


def text(replica: str, what: str) -> str:
    """Return the words for what a replica does."""
    return f"{START}{replica}: {what}"


def table(database: str) -> str:
    """Return where it is said in a database of a team's: auth, tracking, or mlflow for both in one."""
    return PLACES["tracking" if database == "mlflow" else database][1]


def look(database: str) -> str:
    """Return SQL that asks what is said there."""
    return LOOK.replace("{table}", table(database))


def setting(database: str, said: str | None) -> str:
    """Return SQL that says it there, or None for nothing; in a database that is empty, nothing can be said."""
    # A comment that is NULL is none.
    written = f"'{ODD.sub('?', said)}'" if said else "NULL::text"
    return SET.replace("{table}", table(database)).replace("{text}", written)
