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

# How they are found in the schema that MLflow finds them in, with the parts that somebody has divided one into.
OWN = """\
WITH RECURSIVE named AS (
  SELECT pg_class.oid FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND nspname = current_schema() AND relname IN ({names})
  UNION SELECT inhrelid FROM named JOIN pg_inherits ON inhparent = named.oid JOIN pg_class ON pg_class.oid = inhrelid
    WHERE relispartition AND relkind IN ('r', 'p')
)
SELECT pg_class.oid, relname, nspname, relowner, relacl, reltype, relispartition
  FROM named JOIN pg_class ON pg_class.oid = named.oid JOIN pg_namespace ON pg_namespace.oid = relnamespace"""
PATTERNS = """\
SELECT format('"%s"."%s"', replace(nspname, '"', '""'), replace(relname, '"', '""'))
  FROM ({own}) AS own ORDER BY relname"""
SIZE = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM ({own}) AS own"
# One row for each of them: its name, and how many rows it has.
COUNT_ROWS = """\
SELECT format('SELECT %L, count(*) FROM %I.%I', relname, nspname, relname)
  FROM ({own}) AS own WHERE NOT relispartition ORDER BY relname \\gexec"""
# All of them at once, so that what they are to each other does not matter; and nothing beside them, so that this fails
# where something hangs on them. What others may do with them, with columns and with what numbers are drawn from, is
# kept for the tables that come in their place.
DROP = """\
WITH own AS ({own}), held AS (
  SELECT oid, format('%I.%I', nspname, relname) AS name, 'TABLE' AS word, relowner, relacl FROM own
  UNION ALL SELECT it.oid, format('%I.%I', pg_namespace.nspname, it.relname), 'SEQUENCE', it.relowner, it.relacl
    FROM own JOIN pg_depend ON refobjid = own.oid JOIN pg_class AS it ON it.oid = objid AND it.relkind = 'S'
      JOIN pg_namespace ON pg_namespace.oid = it.relnamespace
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
), granted AS (
  SELECT name, word, relowner, NULL::name AS part, given.* FROM held, aclexplode(relacl) AS given
  UNION ALL SELECT name, word, relowner, attname, given.*
    FROM held JOIN pg_attribute ON attrelid = held.oid, aclexplode(attacl) AS given
)
SELECT set_config('mlflow.rights', jsonb_build_object(
  'held', (SELECT jsonb_agg(jsonb_build_array(name, format('%s %s', word, name))) FROM held),
  'granted', (SELECT jsonb_agg(jsonb_build_array(name, part, format('GRANT %s%s ON %s %s TO %s%s',
      privilege_type, ' (' || quote_ident(part) || ')', word, name,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
      CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END))) FROM granted WHERE grantee <> relowner)
)::text, true);
DO $$ DECLARE found text; BEGIN
  SELECT string_agg(format('%I.%I', nspname, relname), ', ') INTO found FROM ({own}) AS own;
  IF found IS NOT NULL THEN EXECUTE 'DROP TABLE ' || found; END IF;
END $$;
"""
# What everybody gets to tables that are made may be what was taken from them since.
GRANT = """\
DO $$ DECLARE rights jsonb := current_setting('mlflow.rights'); statement text; BEGIN
  FOR statement IN
    SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', held->>1,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
      FROM jsonb_array_elements(nullif(rights->'held', 'null')) AS held
        JOIN pg_class ON pg_class.oid = to_regclass(held->>0), aclexplode(relacl)
      WHERE grantee <> relowner
  LOOP EXECUTE statement; END LOOP;
  FOR statement IN
    SELECT granted->>2 FROM jsonb_array_elements(nullif(rights->'granted', 'null')) AS granted
      JOIN pg_class ON pg_class.oid = to_regclass(granted->>0)
      WHERE granted->>1 IS NULL OR EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = granted->>1 AND NOT attisdropped)
  LOOP EXECUTE statement; END LOOP;
END $$;
"""
# What is no part of them and could not be there without them, or would not be the same again, in PostgreSQL's words.
HANGS_ON = """\
WITH own AS ({own}), parts AS (
  SELECT 'pg_class'::regclass AS catalog, oid FROM own
  UNION ALL SELECT 'pg_class'::regclass, objid FROM pg_depend JOIN own ON refobjid = own.oid
      JOIN pg_class ON pg_class.oid = objid AND relkind <> 'f'
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
  FROM pg_depend JOIN parts ON refclassid = catalog AND refobjid = parts.oid
  WHERE deptype = 'n' OR classid = 'pg_publication_rel'::regclass
    OR classid = 'pg_class'::regclass AND objid IN (SELECT oid FROM pg_class WHERE relkind = 'f')
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
