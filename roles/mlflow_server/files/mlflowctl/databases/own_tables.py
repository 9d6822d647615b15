"""Which tables of a database in PostgreSQL are MLflow's, and what SQL says and does about them.

Whoever owns the database may have other tables, views and functions in the same schema. So nothing but MLflow's tables
is copied or put back, and what hangs on those is found before anything is changed. Their names stand in the versions
of MLflow that this host has, which are root's; those that an earlier version had stand in its migrations.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

from mlflowctl.team import Team

# By what a database is for: where MLflow says which tables there are, and where alembic notes the revision.
PLACES = {"auth": ("server/auth", "alembic_version_auth"), "tracking": ("store", "alembic_version")}
NAMED = re.compile(rb"""(?:__tablename__\s*=|create_table\()\s*["'](\w+)["']""")
# What makes a table what it is. What else stands in a dump of a whole database is not replaced.
PARTS = re.compile(
    r"\d+; \d+ \d+ (?:TABLE|TABLE DATA|SEQUENCE|SEQUENCE OWNED BY|SEQUENCE SET|DEFAULT|CONSTRAINT|CHECK CONSTRAINT|"
    r"FK CONSTRAINT|INDEX|TRIGGER|RULE|POLICY|ROW SECURITY|STATISTICS|COMMENT \S+ (?:TABLE|COLUMN|INDEX|CONSTRAINT)) "
)

# How they are found in the schema that MLflow finds them in.
OWN = """\
SELECT pg_class.oid, relname, nspname, relowner, relacl, reltype
  FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
  WHERE relkind IN ('r', 'p') AND nspname = current_schema() AND relname IN ({names})"""
PATTERNS = """\
SELECT format('"%s"."%s"', replace(nspname, '"', '""'), relname) FROM ({own}) AS own ORDER BY relname"""
SIZE = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM ({own}) AS own"
# One row for each of them: its name, and how many rows it has.
COUNT_ROWS = """\
SELECT format('SELECT %L, count(*) FROM %I.%I', relname, nspname, relname)
  FROM ({own}) AS own ORDER BY relname \\gexec"""
# All of them at once, so that what they are to each other does not matter; and nothing beside them, so that this fails
# where something hangs on them. What others may do with them is kept for the tables that come in their place.
DROP = """\
SELECT set_config('mlflow.grants', coalesce(jsonb_agg(jsonb_build_array(
  format('%I.%I', nspname, relname),
  format('GRANT %s ON %I.%I TO %s%s', privilege_type, nspname, relname,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
    CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END))), '[]')::text, true)
  FROM ({own}) AS own, aclexplode(relacl) AS granted WHERE grantee <> relowner;
DO $$ DECLARE found text; BEGIN
  SELECT string_agg(format('%I.%I', nspname, relname), ', ') INTO found FROM ({own}) AS own;
  IF found IS NOT NULL THEN EXECUTE 'DROP TABLE ' || found; END IF;
END $$;
"""
GRANT = """\
DO $$ DECLARE granted jsonb; BEGIN
  FOR granted IN SELECT jsonb_array_elements(current_setting('mlflow.grants')::jsonb) LOOP
    IF to_regclass(granted->>0) IS NOT NULL THEN EXECUTE granted->>1; END IF;
  END LOOP;
END $$;
"""
# What is no part of them and could not be there without them, in PostgreSQL's words.
HANGS_ON = """\
WITH own AS ({own}), parts AS (
  SELECT 'pg_class'::regclass AS catalog, oid FROM own
  UNION ALL SELECT 'pg_class'::regclass, objid FROM pg_depend JOIN own ON refobjid = own.oid
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
  UNION ALL SELECT 'pg_type'::regclass, reltype FROM own
  UNION ALL SELECT 'pg_type'::regclass, typarray FROM pg_type JOIN own ON pg_type.oid = reltype WHERE typarray <> 0
), found AS (
  SELECT classid, objid, objsubid, CASE classid
    WHEN 'pg_class'::regclass THEN objid
    WHEN 'pg_constraint'::regclass THEN (SELECT conrelid FROM pg_constraint AS it WHERE it.oid = objid)
    WHEN 'pg_rewrite'::regclass THEN (SELECT ev_class FROM pg_rewrite AS it WHERE it.oid = objid)
    WHEN 'pg_attrdef'::regclass THEN (SELECT adrelid FROM pg_attrdef AS it WHERE it.oid = objid)
    WHEN 'pg_trigger'::regclass THEN (SELECT tgrelid FROM pg_trigger AS it WHERE it.oid = objid)
    WHEN 'pg_policy'::regclass THEN (SELECT polrelid FROM pg_policy AS it WHERE it.oid = objid) END AS holder
  FROM pg_depend JOIN parts ON refclassid = catalog AND refobjid = parts.oid WHERE deptype = 'n'
)
SELECT DISTINCT CASE classid WHEN 'pg_rewrite'::regclass THEN pg_describe_object('pg_class'::regclass, holder, 0)
    ELSE pg_describe_object(classid, objid, objsubid) END AS it
  FROM found WHERE coalesce(holder, 0) NOT IN (SELECT oid FROM parts WHERE catalog = 'pg_class'::regclass)
  ORDER BY it"""


@functools.lru_cache(maxsize=None)
def known_to(environments: Path, purpose: str) -> frozenset[str]:
    """Return the tables that the versions of MLflow in a directory know, or have known."""
    place, notes = PLACES[purpose]
    files = environments.glob(f"*/lib/python3*/site-packages/mlflow/{place}/**/*.py")
    found = {name.decode() for file in files for name in NAMED.findall(file.read_bytes())}
    if not found:
        raise OSError(f"{environments} has no MLflow that says which tables are its own")
    return frozenset({*found, notes})


def names(team: Team, database: str) -> list[str]:
    """Return the tables that may be in a database of a team's: auth, tracking, or mlflow for both in one."""
    environments = Path(os.readlink(team.directory / "venv")).parent
    purposes = PLACES if database == "mlflow" else [database]
    return sorted({name for purpose in purposes for name in known_to(environments, purpose)})


def statement(sql: str, own: list[str]) -> str:
    """Return SQL about tables of these names."""
    return sql.replace("{own}", OWN.replace("{names}", ", ".join(f"'{name}'" for name in own)))


def parts_of(listed: str) -> str:
    """Return of what pg_restore lists of a dump what makes tables, as pg_restore takes it."""
    return "".join(f"{line}\n" for line in listed.split("\n") if PARTS.match(line))
