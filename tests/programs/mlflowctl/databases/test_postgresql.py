"""What is done with PostgreSQL ends, whoever holds a lock there, and is seen to be whole."""

import importlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflowctl import access_state, audit, databases, replicas
from mlflowctl.backup import places, restic
from mlflowctl.databases import own_tables, uris
from mlflowctl.program import PACKAGE, PROGRAM
from mlflowctl.team import Team
from unit.mlflowctl.access_schema import BY_HAND, DECLARED, GRANTED, OF_PEOPLE, OF_WORK, SCHEMA, TABLES, UNKNOWN

PROGRAMS = Path("/usr/lib/postgresql")
ACCOUNT = "nobody"
WAIT_SECONDS = 300

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not list(PROGRAMS.glob("*/bin/initdb")), reason="takes root, and Debian's package postgresql"
)


@pytest.fixture(scope="module")
def place():
    """A PostgreSQL of its own, in a directory that a path of a socket is short enough for."""
    there = max(PROGRAMS.glob("*/bin/initdb")).parent
    place = Path("/tmp") / f"pg-{os.getpid()}"  # noqa: S108 - made here, and nobody's but the account's
    account = pwd.getpwnam(ACCOUNT)
    place.mkdir(mode=0o700)
    os.chown(place, account.pw_uid, account.pw_gid)

    def run(*command):
        subprocess.run(
            command,
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
        )

    try:
        run(there / "initdb", "--auth=trust", "--username=it", "--no-sync", place / "files")
        options = f"-k {place} -c listen_addresses= -c fsync=off"
        start = [there / "pg_ctl", "start", "--wait", f"--timeout={WAIT_SECONDS}", f"-D{place / 'files'}"]
        run(*start, f"-l{place / 'log'}", f"-o{options}")
        try:
            yield place
        finally:
            run(there / "pg_ctl", "stop", "--mode=immediate", f"-D{place / 'files'}")
    finally:
        shutil.rmtree(place)


class Anybody:
    """A team whose account is nobody."""

    account, leader = ACCOUNT, ""

    run, printed, at_postgresql = Team.run, Team.printed, Team.at_postgresql

    def __init__(self, directory):
        self.directory = directory


@pytest.fixture
def team(tmp_path):
    """What MLflow says of its tables, in two versions of it."""
    for path, text in {
        "1.0.0/lib/python3.9/site-packages/mlflow/store/db_migrations/versions/1.py": "op.create_table(\n  'tags',",
        "2.0.0/lib/python3.11/site-packages/mlflow/store/tracking/dbmodels/models.py": '__tablename__ = "runs"',
        "2.0.0/lib/python3.11/site-packages/mlflow/server/auth/db/models.py": '__tablename__ = "users"',
    }.items():
        file = tmp_path / "opt" / path
        file.parent.mkdir(parents=True)
        file.write_text(text)
    (tmp_path / "venv").symlink_to(tmp_path / "opt" / "2.0.0")
    return Anybody(tmp_path)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(databases, "LOCK_SECONDS", 2)
    monkeypatch.setattr(databases, "LOCK_TIMEOUT", "SET lock_timeout = '2s';")


def psql(place, *statements, **options):
    words = [f"--command={statement}" for statement in statements]
    return subprocess.Popen(["psql", f"--host={place}", "--username=it", "--quiet", *words, "postgres"], **options)


@pytest.fixture
def database(place):
    emptied = 'DROP SCHEMA IF EXISTS public, elsewhere, "Own" CASCADE; CREATE SCHEMA public;'
    made = "CREATE TABLE runs (name text PRIMARY KEY, at serial); INSERT INTO runs VALUES ('a'), ('b')"
    assert psql(place, f"SET client_min_messages = warning; {emptied} {made}").wait(WAIT_SECONDS) == 0
    return {"name": "mlflow", "uri": f"postgresql+psycopg://it@/postgres?host={place}", "file": None}


@pytest.fixture(params=["LOCK TABLE runs IN ACCESS EXCLUSIVE MODE"])
def stuck(request, place, database):
    """Somebody changes the table, and does not end."""
    process = subprocess.Popen(
        ["psql", f"--host={place}", "--username=it", "--quiet", "postgres"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(f"BEGIN; {request.param};\n\\echo locked\n")
    process.stdin.flush()
    assert process.stdout.readline() == "locked\n"
    yield process
    process.stdin.close()
    process.wait(WAIT_SECONDS)
    process.stdout.close()


def there(place, name):
    """Return a file that the account can write."""
    folder = place / "copies"
    folder.mkdir(exist_ok=True)
    account = pwd.getpwnam(ACCOUNT)
    os.chown(folder, account.pw_uid, account.pw_gid)
    return folder / name


def test_rows_are_counted_where_they_are(team, database):
    assert databases.rows(team, database) == {"runs": 2}
    assert databases.size(team, database) > 0


def answer(place, statement):
    """Return what PostgreSQL says to it, in one line."""
    asked = psql(place, "\\pset tuples_only", "\\pset format unaligned", statement, stdout=subprocess.PIPE, text=True)
    said = asked.communicate(timeout=WAIT_SECONDS)[0]
    assert asked.returncode == 0
    return " ".join(said.split())


def do(place, *statements):
    assert psql(place, *statements).wait(WAIT_SECONDS) == 0


def test_what_was_copied_comes_back(team, database, place):
    do(place, "CREATE TABLE tags (run text REFERENCES runs); INSERT INTO tags VALUES ('a')")
    copy = there(place, "copy.dump")
    databases.copy(team, database, copy)
    # As a migration may leave it: a table of MLflow's that is new, and one that is another.
    do(place, "DELETE FROM tags; DELETE FROM runs; ALTER TABLE runs DROP at", "CREATE TABLE users (it int)")
    databases.restore(team, database, copy)
    assert databases.rows(team, database) == {"runs": 2, "tags": 1}
    assert answer(place, "INSERT INTO runs VALUES ('c') RETURNING at") == "3"


def test_an_empty_database_can_be_copied_and_come_back(team, database, place):
    do(place, "ALTER TABLE runs RENAME TO elsewhere")
    copy = there(place, "empty.dump")
    databases.copy(team, database, copy)
    do(place, "CREATE TABLE runs (name text)")
    databases.restore(team, database, copy)
    assert databases.rows(team, database) == {}
    assert answer(place, "SELECT count(*) FROM elsewhere") == "2"


# What others have in the database: how it is made, how it is seen to be theirs still, and what is seen.
OTHERS = {
    "tables": (
        "CREATE TABLE studies (name text PRIMARY KEY); CREATE TABLE trials (study text REFERENCES studies);"
        "INSERT INTO studies VALUES ('s'); INSERT INTO trials VALUES ('s')",
        "SELECT count(*) FROM studies JOIN trials ON study = name",
        "1",
    ),
    "view": ("CREATE VIEW seen AS SELECT 7 AS n FROM studies", "SELECT n FROM seen", "7"),
    "function": ("CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'", "SELECT twice(2)", "4"),
    "type": ("CREATE TYPE state AS ENUM ('done')", "SELECT 'done'::state", "done"),
    "sequence": ("CREATE SEQUENCE own; SELECT nextval('own')", "SELECT last_value FROM own", "1"),
    "schema": (
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.runs (n int); INSERT INTO elsewhere.runs VALUES (5)",
        "SELECT n FROM elsewhere.runs",
        "5",
    ),
    "rights": (
        "DROP ROLE IF EXISTS looker; CREATE ROLE looker; GRANT SELECT ON runs TO looker WITH GRANT OPTION;"
        "GRANT INSERT ON runs TO PUBLIC",
        "SELECT has_table_privilege('looker', 'runs', 'SELECT WITH GRANT OPTION'),"
        "has_table_privilege('looker', 'runs', 'INSERT'), has_table_privilege('looker', 'runs', 'DELETE')",
        "t|t|f",
    ),
    # On a table of MLflow's.
    "trigger": (
        "CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name = NEW.name || 1; RETURN NEW; END';"
        "CREATE TRIGGER marks BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION mark()",
        "INSERT INTO runs VALUES ('d') RETURNING name",
        "d1",
    ),
}


def test_what_others_have_there_stays(team, database, place):
    do(place, "SET client_min_messages = warning;" + "; ".join(make for make, _look, _expected in OTHERS.values()))
    try:
        copy = there(place, "beside.dump")
        databases.copy(team, database, copy)
        listed = subprocess.run(["pg_restore", "--list", copy], check=True, stdout=subprocess.PIPE, text=True).stdout
        assert not {"studies", "elsewhere", "twice"} & set(listed.split())
        databases.refuse_hangers_on(team, database)
        do(place, "DELETE FROM runs")
        databases.restore(team, database, copy)
        assert databases.rows(team, database) == {"runs": 2}
        assert {what: answer(place, look) for what, (_make, look, _expected) in OTHERS.items()} == {
            what: expected for what, (_make, _look, expected) in OTHERS.items()
        }
        assert databases.size(team, database) < 10**6
    finally:
        do(place, "DROP OWNED BY looker; DROP ROLE looker")


def test_rights_come_back_as_they_were(team, database, place):
    """Also those to columns and to what numbers are drawn from; none that tables get when they are made."""
    do(
        place,
        "CREATE ROLE looker; GRANT SELECT (name), UPDATE (name) ON runs TO looker; GRANT SELECT ON runs TO PUBLIC",
        "GRANT USAGE ON SEQUENCE runs_at_seq TO looker WITH GRANT OPTION",
        "ALTER TABLE runs ADD gone int; GRANT SELECT (gone) ON runs TO looker",
        "CREATE TABLE users (it serial)",
    )
    try:
        copy = there(place, "rights.dump")
        do(place, "ALTER TABLE runs DROP gone")
        databases.copy(team, database, copy)
        do(
            place,
            "ALTER TABLE runs ADD later int; GRANT SELECT (later) ON runs TO looker",
            "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO looker, PUBLIC",
            "ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO looker",
        )
        databases.restore(team, database, copy)
        can = (
            "has_column_privilege('looker', 'runs', 'name', 'UPDATE')",
            "has_sequence_privilege('looker', 'runs_at_seq', 'USAGE WITH GRANT OPTION')",
            "has_table_privilege('looker', 'runs', 'SELECT')",
        )
        cannot = (
            "has_column_privilege('looker', 'runs', 'at', 'UPDATE')",
            "has_table_privilege('looker', 'runs', 'DELETE')",
            "has_any_column_privilege('looker', 'users', 'SELECT')",
            "has_sequence_privilege('looker', 'runs_at_seq', 'UPDATE')",
            "has_sequence_privilege('looker', 'users_it_seq', 'USAGE')",
        )
        assert answer(place, f"SELECT {', '.join(can + cannot)}").split("|") == ["t"] * 3 + ["f"] * 5
    finally:
        do(
            place,
            "ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM PUBLIC",
            "DROP OWNED BY looker; DROP ROLE looker",
        )


def test_parts_of_a_table_of_mlflows_are_its_own(team, database, place):
    do(
        place,
        "DROP TABLE runs; CREATE SCHEMA elsewhere; CREATE TABLE runs (name text) PARTITION BY LIST (name)",
        "CREATE TABLE runs_a PARTITION OF runs FOR VALUES IN ('a') PARTITION BY LIST (name)",
        "CREATE TABLE elsewhere.runs_aa PARTITION OF runs_a FOR VALUES IN ('a')",
        "CREATE TABLE runs_rest PARTITION OF runs DEFAULT; INSERT INTO runs VALUES ('a'), ('b'), ('c')",
    )
    databases.refuse_hangers_on(team, database)
    copy = there(place, "parts.dump")
    databases.copy(team, database, copy)
    counted = team.run(
        [sys.executable, "-Es", "-", "tables", str(copy)],
        60,
        input=(PACKAGE / "backup" / "contents.py").read_text(),
    )
    assert json.loads(counted.stdout) == {"runs": 3}
    do(place, "DELETE FROM runs")
    databases.restore(team, database, copy)
    assert databases.rows(team, database) == {"runs": 3}
    assert answer(place, "SELECT count(*) FROM elsewhere.runs_aa") == "1"


# What could not be there without a table of MLflow's, by what PostgreSQL calls it.
HANGING = {
    "constraint notes_run_fkey on table notes": "CREATE TABLE notes (run text REFERENCES runs)",
    "view board": "CREATE VIEW board AS SELECT * FROM runs",
    "materialized view kept": "CREATE MATERIALIZED VIEW kept AS SELECT * FROM runs",
    "table child": "CREATE TABLE child () INHERITS (runs)",
    "default value for column at of table child": "SELECT",
    "column it of table holder": "CREATE TABLE holder (it runs)",
    "column they of table holders": "CREATE TABLE holders (they runs[])",
    "function first(runs)": "CREATE FUNCTION first(runs) RETURNS text LANGUAGE sql AS 'SELECT $1.name'",
    "default value for column n of table other": "CREATE TABLE other (n int DEFAULT nextval('runs_at_seq'))",
    "foreign table rest": (
        "CREATE FOREIGN DATA WRAPPER none; CREATE SERVER away FOREIGN DATA WRAPPER none;"
        "CREATE TABLE tags (n int) PARTITION BY LIST (n);"
        "CREATE FOREIGN TABLE rest PARTITION OF tags DEFAULT SERVER away"
    ),
    # It would lose the table without a word.
    "publication of table runs in publication changes": "CREATE PUBLICATION changes FOR TABLE runs",
    "policy mine on table studies": (
        "CREATE TABLE studies (n int); CREATE POLICY mine ON studies USING (EXISTS (SELECT FROM runs))"
    ),
    "view elsewhere.board": "CREATE SCHEMA elsewhere; CREATE VIEW elsewhere.board AS SELECT * FROM runs",
}


def test_what_hangs_on_mlflows_tables_is_named_before(team, database, place):
    copy = there(place, "before.dump")
    databases.copy(team, database, copy)
    databases.refuse_hangers_on(team, database)
    do(place, "SET client_min_messages = warning;" + "; ".join(HANGING.values()))
    found = databases.ask_about_tables(team, database, own_tables.HANGS_ON).splitlines()
    assert found == sorted(HANGING)
    with pytest.raises(databases.DatabaseError) as refused:
        databases.refuse_hangers_on(team, database)
    said = f"{', '.join(found[:5])} and {len(found) - 5} more: hangs on tables of MLflow's in the database mlflow, "
    assert str(refused.value).startswith(said)
    # It may have come a moment later.
    with pytest.raises(databases.DatabaseError, match="because other objects depend on"):
        databases.restore(team, database, copy)
    assert answer(place, "SELECT count(*) FROM runs") == "2"


def test_mlflows_own_do_not_hang_on_each_other(team, database, place):
    do(
        place,
        "CREATE TABLE tags (run text REFERENCES runs, parent int, n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)",
        "ALTER TABLE tags ADD FOREIGN KEY (parent) REFERENCES tags",
        "ALTER TABLE runs ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY all_of_them ON runs USING (name IN (SELECT run FROM tags))",
        "CREATE RULE none AS ON DELETE TO tags DO ALSO UPDATE runs SET name = name",
        "ALTER TABLE tags ADD CHECK (parent > n)",
    )
    databases.refuse_hangers_on(team, database)
    copy = there(place, "own.dump")
    databases.copy(team, database, copy)
    databases.restore(team, database, copy)
    assert databases.rows(team, database) == {"runs": 2, "tags": 0}


def test_a_dump_of_a_whole_database_brings_back_mlflows_tables_alone(team, database, place):
    """As it was made before."""
    do(place, "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE SCHEMA elsewhere")
    copy = there(place, "whole.dump")
    uri = f"postgresql://it@/postgres?host={place}"
    done = subprocess.run(["pg_dump", "--format=custom", uri], check=True, stdout=subprocess.PIPE)
    copy.write_bytes(done.stdout)
    copy.chmod(0o644)
    do(place, "DELETE FROM runs")
    databases.restore(team, database, copy)
    assert databases.rows(team, database) == {"runs": 2}
    assert databases.strangers(team, "mlflow", ["runs", "trials", "alembic_version", "users"]) == ["trials"]
    assert databases.strangers(team, "auth", ["users", "runs"]) == ["runs"]


def test_a_copy_does_not_wait_for_ever_for_who_changes_a_table(team, database, place, stuck):
    began = time.monotonic()
    with pytest.raises(databases.DatabaseError, match="timeout"):
        databases.copy(team, database, there(place, "stuck.dump"))
    assert time.monotonic() - began < WAIT_SECONDS / 2


@pytest.mark.parametrize("stuck", ["ALTER SEQUENCE runs_at_seq RENAME TO others"], indirect=True)
def test_it_does_not_either_for_who_changes_a_sequence_and_says_who_it_is(team, database, place, stuck):
    """Of that wait pg_dump has no end."""
    copying = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pg_dump'"
    began = time.monotonic()
    with pytest.raises(databases.DatabaseError, match=r"locked at PostgreSQL by process \d+ \(it\)$"):
        databases.copy(team, database, there(place, "stuck.dump"))
    assert time.monotonic() - began < WAIT_SECONDS / 2
    # A session is there for some moments after who had it has gone.
    while answer(place, copying) != "0":
        assert time.monotonic() - began < WAIT_SECONDS, "pg_dump still waits there"
        time.sleep(0.1)
    stuck.stdin.write("ROLLBACK;\n\\echo open\n")
    stuck.stdin.flush()
    assert stuck.stdout.readline() == "open\n"
    databases.copy(team, database, there(place, "stuck.dump"))


def test_neither_does_a_restore_or_a_count(team, database, place, stuck):
    with pytest.raises(databases.DatabaseError, match="lock timeout"):
        databases.rows(team, database)
    copy = there(place, "empty.dump")
    # Of a table that is not locked.
    assert psql(place, "CREATE TABLE IF NOT EXISTS users (it int)").wait(WAIT_SECONDS) == 0
    uri = f"--dbname=postgresql://it@/postgres?host={place}"
    done = subprocess.run(["pg_dump", "--format=custom", "--table=users", uri], check=True, stdout=subprocess.PIPE)
    copy.write_bytes(done.stdout)
    copy.chmod(0o644)
    with pytest.raises(databases.DatabaseError, match="lock timeout"):
        databases.restore(team, database, copy)


def test_a_server_that_is_gone_is_not_waited_for():
    uri, _environment = uris.reached("postgresql+psycopg://it@db/runs?tcp_user_timeout=5&sslmode=require")
    assert "tcp_user_timeout=5&" in uri
    assert "tcp_user_timeout=60000" not in uri
    assert "keepalives_idle=30" in uri
    assert "tcp_user_timeout=60000" in uris.reached("postgresql://it@db/runs")[0]


def test_a_drill_finds_the_tables_in_a_schema_of_their_own(team, database, place):
    do(
        place,
        'CREATE SCHEMA "Own"; ALTER TABLE runs SET SCHEMA "Own"',
        "CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        'CREATE TRIGGER marks BEFORE INSERT ON "Own".runs FOR EACH ROW EXECUTE FUNCTION mark()',
        'CREATE ROLE owner LOGIN SUPERUSER; ALTER ROLE owner SET search_path = "Own"',
    )
    try:
        copy = there(place, "own.dump")
        databases.copy(team, {**database, "uri": database["uri"].replace("it@", "owner@")}, copy)
    finally:
        do(place, "SET client_min_messages = warning; DROP ROLE owner")
    programs, home = max(PROGRAMS.glob("*/bin/initdb")).parent, place / "copies" / "drill"
    look = [f"--host={place / 'copies'}", "--username=drill", "--tuples-only", "--no-align"]
    command = [
        *PROGRAM,
        "beside-postgresql",
        str(programs),
        str(home),
        str(place / "copies"),
        f"mlflow={copy}",
        "--",
    ]
    try:
        done = team.run(
            [*command, shutil.which("psql"), *look, "--command=SELECT count(*) FROM runs", "mlflow"],
            WAIT_SECONDS,
        )
    finally:
        team.run([str(programs / "pg_ctl"), "stop", "--mode=immediate", f"--pgdata={home}"], WAIT_SECONDS)
    assert done.stderr == ""
    assert done.stdout == "2\n"


@pytest.fixture
def measured(monkeypatch, place, database, team):
    """What monitoring asks, of tables as MLflow makes them, and of one that is somebody else's."""
    monkeypatch.syspath_prepend(str(PACKAGE.parents[2] / "mlflow_monitoring" / "files"))
    # With this test's databases, and not with those of another.
    for name in [it for it in sys.modules if it.partition(".")[0] == "monitoring"]:
        monkeypatch.delitem(sys.modules, name)
    made = [
        "DROP TABLE runs",
        "CREATE TABLE runs (run_uuid text, user_id text, lifecycle_stage text, start_time bigint, experiment_id int)",
        "INSERT INTO runs VALUES ('a', 'alice', 'active', 1795000000000, 1), ('b', NULL, 'deleted', NULL, 1)",
        "CREATE TABLE users (username text, is_admin boolean)",
        "INSERT INTO users VALUES ('admin', true), ('bob', false)",
        "CREATE TABLE experiments (of_somebody int)",
    ]
    assert psql(place, *made).wait(WAIT_SECONDS) == 0
    team.databases = [database]
    return importlib.import_module("monitoring.databases_of")


def test_monitoring_asks_the_same_of_it(measured, team):
    told = measured.asked(team, "quick")
    assert told["sizes"]["mlflow"] > 8192
    assert told["answers"]["users"] == [{"number": 2, "admins": 1}]
    runs = {row["stage"]: (row["number"], row["last"]) for row in told["answers"]["runs"]}
    assert runs == {"active": (1, 1795000000000), "deleted": (1, None)}
    assert "experiments" not in told["answers"]
    told = measured.asked(team, "daily")["answers"]
    assert [row["name"] for row in told["people"]] == ["admin", "bob"]
    assert told["weeks"] == [{"week": 1795000000000 // (7 * 86400 * 1000), "number": 1}]


def test_monitoring_waits_for_nobody_who_holds_a_table(measured, team, stuck):
    began = time.monotonic()
    with pytest.raises(databases.DatabaseError, match="lock timeout"):
        measured.asked(team, "quick")
    assert time.monotonic() - began < WAIT_SECONDS / 2


def test_another_replica_is_seen_by_what_it_says_it_is(team, place, database):
    team.name, team.replica, team.leader, team.databases = "nlp", "a", "a", [database]
    sessions = []
    try:
        for name in ("mlflow@nlp@a", "mlflow@nlp@b", "mlflow@other@c"):
            session = subprocess.Popen(
                ["psql", f"--host={place}", "--username=it", "--quiet", "postgres"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PGAPPNAME": name},
            )
            sessions.append(session)
            session.stdin.write("\\echo there\n")
            session.stdin.flush()
            assert session.stdout.readline() == "there\n"
        assert replicas.others(team) == ["b"]
    finally:
        for session in sessions:
            session.communicate(timeout=WAIT_SECONDS)
    replicas.wait_until_alone(team)


def test_experiments_are_named_by_it(team, database, place):
    do(place, "CREATE TABLE experiments (experiment_id int, name text)")
    do(place, "INSERT INTO experiments VALUES (3, 'a''b'), (4, 'c')")
    team.databases = [{"name": "auth", "uri": "postgresql://nowhere.invalid/auth", "file": None}, database]
    assert audit.ask_databases(team, ["3", "5"]) == {"3": "a'b"}


@pytest.fixture
def people(team, database, place):
    """A database with all that says who may do what, and a table of somebody else's."""
    file = team.directory / "opt" / "2.0.0" / "lib/python3.11/site-packages/mlflow/store/tracking/dbmodels/models.py"
    file.write_text("".join(f'__tablename__ = "{name}"\n' for name in TABLES))
    own_tables.known_to.cache_clear()
    do(place, "DROP TABLE runs", "CREATE TABLE of_somebody (n int)", *SCHEMA)
    team.databases, team.version = [database], "2.0.0"
    yield team
    own_tables.known_to.cache_clear()


def test_access_is_as_noted_after_work_and_not_after_anything_else(people, place):
    state = access_state.Look(people, DECLARED).state
    assert state["files"] is None
    for word in ("admin", "ann", "scrypt", "resnet"):
        assert word not in json.dumps(state)
    do(place, *OF_WORK, "INSERT INTO of_somebody VALUES (1)")
    assert access_state.unchanged(people, state)
    seen = access_state.Look(people, DECLARED).contents
    for statement in BY_HAND:
        do(place, statement)
        found = access_state.Look(people, DECLARED).contents
        assert found
        assert found != seen, statement
        seen = found
    assert not access_state.unchanged(people, state)
    do(place, UNKNOWN[0])
    assert access_state.Look(people, DECLARED).contents is None


def test_grants_are_as_noted_until_one_is_given_by_hand(people, place):
    state = access_state.Look(people, DECLARED).state
    for granted, taken in GRANTED:
        do(place, granted)
        assert access_state.compared(people, state) == (False, False), granted
        do(place, taken)
        assert access_state.compared(people, state)[1] is True, taken
    do(place, *OF_WORK, *OF_PEOPLE)
    assert access_state.compared(people, state) == (False, True)


def test_nobody_who_holds_a_table_is_waited_for(people, place, database):
    """Then the server is asked."""
    state = access_state.Look(people, DECLARED).state
    holder = subprocess.Popen(
        ["psql", f"--host={place}", "--username=it", "--quiet", "postgres"], stdin=subprocess.PIPE, stdout=-1, text=True
    )
    holder.stdin.write("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE;\n\\echo locked\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "locked\n"
    try:
        assert not access_state.unchanged(people, state)
        assert access_state.Look(people, DECLARED).state is None
    finally:
        holder.communicate(timeout=WAIT_SECONDS)


def test_names_of_things_are_no_part_of_a_statement(people, place):
    name = "o'ne $it$ {own} {names} \\ :x é"
    add = "INSERT INTO model_versions VALUES ($q${}$q$, {}, 'None', 1)"
    do(place, add.format(name, 1))
    state = access_state.Look(people, [name]).state
    assert access_state.unchanged(people, state)
    do(place, add.format("greeting", 2))
    assert access_state.unchanged(people, state)
    do(place, add.format(name, 2))
    assert not access_state.unchanged(people, state)


# As before PostgreSQL 15.14, 16.10 and 17.6, which say at the beginning of a script that it is not psql's to command.
FORMER = """#!/bin/sh -e
/usr/bin/pg_restore "$@"
for word; do case "$word" in --file=*) sed -i '/^.\\(un\\)*restrict /d' "${word#--file=}";; esac; done
"""


@pytest.mark.parametrize("order", [r"\! >{}", r"\t `>{}`", r"\o |>{}", r"\copy runs to program '>{}'"])
@pytest.mark.parametrize("former", [True, False])
def test_no_definition_in_a_dump_begins_a_program(team, database, place, tmp_path, monkeypatch, former, order):
    """Somebody else has written it, such as whoever is root of another host with the same repository."""
    copy, ran = there(place, "forged.dump"), place / "ran"
    do(place, "ALTER TABLE runs ADD some_column_with_a_name_of_a_good_length text")
    databases.copy(team, database, copy)
    whole = copy.read_bytes()
    start = whole.index(b"CREATE TABLE public.runs")
    length = whole.index(b";\n", start) + 2 - start
    forged = f"CREATE TABLE public.runs (name text, at int);\n{order.format(ran)}\n".encode()
    copy.write_bytes(whole[:start] + forged.ljust(length, b"\n") + whole[start + length :])
    if former:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "pg_restore").write_text(FORMER)
        # The account's own, and nothing above what the run has made.
        for place in (tmp_path.parent, tmp_path, tmp_path / "bin", tmp_path / "bin" / "pg_restore"):
            place.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with pytest.raises(databases.DatabaseError) as failed:
        databases.restore(team, database, copy)
    assert not ran.exists()
    assert former != ("backslash commands are restricted" in str(failed.value))
    assert databases.rows(team, database) == {"runs": 2}


def test_what_a_dump_unpacks_to_does_not_fill_the_disk_of_all(team, database, place):
    """A few kilobytes of a forged one may become any number of gigabytes; and nothing is undone that was not done."""
    shop = place / "dumps"
    shop.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "none", shop], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        account = pwd.getpwnam(ACCOUNT)
        os.chown(shop, account.pw_uid, account.pw_gid)
        it = {"database": database, **{name: str(shop / name) for name in ("new", "former", "begun")}}
        plan = {"places": [], "postgresql": [it]}
        databases.copy(team, database, Path(it["former"]))
        do(place, "INSERT INTO runs SELECT it || repeat('x', 2000) FROM generate_series(1, 20000) AS it")
        databases.copy(team, database, Path(it["new"]))
        do(place, "DELETE FROM runs WHERE length(name) > 1", "INSERT INTO runs VALUES ('since')")
        with pytest.raises(restic.BackupError, match="has hardly any room left"):
            places.switch(team, plan)
        (shop / "others").write_bytes(bytes(os.statvfs(shop).f_bavail * os.statvfs(shop).f_frsize))
        places.switch_back(team, plan)
        assert databases.rows(team, database) == {"runs": 3}
        (shop / "others").unlink()
        # Plans of before say nothing of that.
        del it["begun"]
        places.switch_back(team, plan)
        assert databases.rows(team, database) == {"runs": 2}
    finally:
        subprocess.run(["umount", shop], check=True)
