"""The role makes databases at a real PostgreSQL, keeps teams from each other's, and says before what it would do."""

import importlib.util
import os
import subprocess

import pytest
from programs.roles.database_lab import PROGRAMS, Database, run_role

CANARIES = {"nlp": "canary-nlp-p%40ss%22", "vision": "canary-vision", "new": "canary-new"}
PLAIN = {**CANARIES, "nlp": 'canary-nlp-p@ss"'}
OF_NLP = """SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, left(rolpassword, 13)
FROM pg_authid WHERE rolname = 'nlp'"""
MADE = [
    "role {0}: is made",
    "database {0}: is made, and belongs to {0}",
    "database {0}: is closed to PUBLIC",
    "database {0}: the schema public is {0}'s, and closed to PUBLIC",
]

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0
    or not list(PROGRAMS.glob("*/bin/initdb"))
    or subprocess.run(["/usr/bin/python3", "-c", "import psycopg2"], capture_output=True, check=False).returncode != 0,
    reason="takes root, and Debian's packages postgresql and python3-psycopg2",
)


@pytest.fixture(scope="module")
def database():
    found = Database()
    try:
        found.make()
        found.certify()
        found.start()
        try:
            yield found
        finally:
            found.stop()
    finally:
        found.remove()


@pytest.fixture(autouse=True)
def _empty(database):
    """Each test begins with a PostgreSQL that knows no team."""
    for name in ("nlp", "vision", "people"):
        database.sql(f"DROP DATABASE IF EXISTS {name}")
    for name in ("nlp", "vision", "other"):
        database.sql(f"DROP ROLE IF EXISTS {name}")


@pytest.fixture
def play(request, database, tmp_path):
    def run(teams, *words, **given):
        done = run_role(request.config.rootpath, tmp_path / "run", database, teams, *words, **given)
        for canary in PLAIN.values():
            assert canary not in done.output
        assert "canary" not in done.output
        assert "SCRAM-SHA-256$" not in done.output
        return done

    return run


@pytest.fixture
def team(database):
    def make(name="nlp", password=None, port=5001, options="", **settings):
        uri = database.uri(name, password or CANARIES[name], options=options)
        return {"name": name, "port": port, "admin_password": "canary-of-admin", "backend_store_uri": uri, **settings}

    return make


def test_makes_says_before_changes_nothing_twice_and_keeps_teams_apart(database, play, team):
    people = {"auth_database_uri": database.uri("nlp", CANARIES["nlp"], "people")}
    teams = [team(**people), team("vision", port=5002)]
    checked = play(teams, "--check", "--diff")
    assert (checked.code, database.sql(OF_NLP)) == (0, ""), checked.output
    made = play(teams, "-vvv", "--diff")
    assert made.code == 0, made.output
    wanted = sorted(line.format(name) for name in ("nlp", "vision") for line in MADE)
    of_people = [line.format("people") for line in MADE[1:]]
    wanted += [line.replace("to people", "to nlp").replace("is people's", "is nlp's") for line in of_people]
    assert sorted(checked.steps()) == sorted(made.steps()) == sorted(wanted)
    assert checked.changed > 0
    again = play(teams, "--diff")
    assert (again.code, again.changed, again.steps()) == (0, 0, []), again.output
    assert database.sql(OF_NLP) == "t|f|f|f|SCRAM-SHA-256"
    owners = database.sql("SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE datname IN ('nlp', 'people')")
    assert sorted(owners.splitlines()) == ["nlp|nlp", "people|nlp"]
    assert database.log_in("nlp", PLAIN["nlp"], "nlp", "CREATE TABLE runs (); SELECT count(*) FROM runs") == "0"
    for role, elsewhere in (("nlp", "vision"), ("vision", "nlp"), ("vision", "people")):
        assert "permission denied for database" in database.log_in(role, PLAIN[role], elsewhere)
    assert "password authentication failed" in database.log_in("nlp", PLAIN["vision"], "nlp")


def test_a_password_is_rotated_and_that_is_all(database, play, team):
    assert play([team(), team("vision", port=5002)]).code == 0
    before = database.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'vision'")
    database.log_in("nlp", PLAIN["nlp"], "nlp", "CREATE TABLE kept ()")
    rotated = [team(password=CANARIES["new"]), team("vision", port=5002)]
    for words in (["--check"], []):
        done = play(rotated, "-vvv", *words)
        assert (done.code, done.steps()) == (0, ["role nlp: gets the declared password"]), done.output
    assert "password authentication failed" in database.log_in("nlp", PLAIN["nlp"], "nlp")
    assert database.log_in("nlp", PLAIN["new"], "nlp", "SELECT count(*) FROM kept") == "0"
    assert database.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'vision'") == before
    assert play(rotated).changed == 0
    # Kept in the old way, it is none either.
    database.sql(f"SET password_encryption = md5; ALTER ROLE nlp PASSWORD '{PLAIN['new']}'")
    assert play(rotated).steps() == ["role nlp: gets the declared password"]
    assert database.log_in("nlp", PLAIN["new"], "nlp") == "1"


def test_what_somebody_has_opened_is_closed(database, play, team):
    """Also a database that was there before, as PostgreSQL before 15 made them: nothing in public is the owner's."""
    database.sql(f"CREATE ROLE nlp LOGIN CREATEDB PASSWORD '{PLAIN['nlp']}'")
    database.sql("CREATE DATABASE nlp OWNER nlp")
    database.sql("ALTER SCHEMA public OWNER TO it; GRANT ALL ON SCHEMA public TO PUBLIC", "nlp")
    wanted = ["role nlp: loses CREATEDB", *(line.format("nlp") for line in MADE[2:])]
    for words in (["--check"], []):
        done = play([team()], *words)
        assert (done.code, done.steps()) == (0, wanted), done.output
        assert done.changed > 0
    assert play([team()]).changed == 0
    assert database.log_in("nlp", PLAIN["nlp"], "nlp", "CREATE TABLE runs (); SELECT count(*) FROM runs") == "0"
    database.sql("CREATE ROLE other LOGIN PASSWORD 'plain'")
    assert "permission denied for database" in database.log_in("other", "plain", "nlp")


# What a team makes of its own database, for whoever comes there with more rights.
TRAP = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.same(oid, oid) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN EXECUTE 'ALTER ROLE nlp SUPERUSER'; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN true; END $$;
CREATE FUNCTION evil.same(name, text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN EXECUTE 'ALTER ROLE nlp SUPERUSER'; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN true; END $$;
CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.same);
CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = text, FUNCTION = evil.same);
ALTER DATABASE nlp SET search_path = evil, pg_catalog;
ALTER DATABASE nlp SET statement_timeout = 1;
ALTER DATABASE nlp SET default_transaction_read_only = on;
GRANT ALL ON SCHEMA public TO PUBLIC;
GRANT ALL ON DATABASE nlp TO PUBLIC
"""


def test_what_a_team_makes_of_its_database_is_not_executed_for_the_superuser(database, play, team):
    assert play([team()]).code == 0
    assert "ERROR" not in database.log_in("nlp", PLAIN["nlp"], "nlp", TRAP)
    done = play([team()])
    assert (done.code, done.steps()) == (0, [line.format("nlp") for line in MADE[2:]]), done.output
    assert database.sql(OF_NLP) == "t|f|f|f|SCRAM-SHA-256"
    assert play([team()]).changed == 0


def test_what_is_somebody_else_s_is_refused_and_left(database, play, team):
    database.sql("CREATE ROLE other LOGIN")
    database.sql("CREATE DATABASE nlp OWNER other")
    done = play([team()])
    assert done.code == 2
    assert "nlp: backend_store_uri: the database 'nlp' is there already, and belongs to 'other'" in done.output
    assert database.sql(OF_NLP) == ""
    done = play([team("vision", port=5002)], mlflow_database_only=["vision", "nlp"])
    assert "mlflow_database_only: no team 'nlp' is declared; there is vision" in done.output
    done = play([{**team(), "backend_store_uri": None}], mlflow_database_only=["nlp"])
    assert "mlflow_database_only: 'nlp' has its databases in SQLite, on the disk of its server" in done.output
    done = play([team()], mlflow_database_login={"host": str(database.place), "port": database.port, "user": "nobody"})
    assert (done.code, 'role "nobody" does not exist' in done.output) == (2, True), done.output


def test_tls_where_the_uri_asks_for_it(database, play, team):
    wanted = [team(options="?sslmode=require")]
    done = play(wanted)
    assert (done.code, "sslmode=require asks for TLS, which this PostgreSQL does not have" in done.output) == (2, True)
    database.stop()
    database.start("ssl=on")
    try:
        assert play(wanted).code == 0
        asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert database.log_in("nlp", PLAIN["nlp"], "nlp", asked, sslmode="require") == "t"
        # Whoever makes databases comes by TLS, too.
        database.sql(f"ALTER ROLE it PASSWORD '{PLAIN['new']}'")
        login = {"host": "127.0.0.1", "port": database.port, "user": "it", "password": PLAIN["new"]}
        login = {**login, "sslmode": "verify-full", "ca_file": str(database.place / "files" / "server.crt")}
        done = play(wanted, mlflow_database_login=login)
        assert (done.code, done.changed) == (0, 0), done.output
    finally:
        database.stop()
        database.start()


def test_absent_teams_keep_their_databases(database, play, team):
    assert play([team()]).code == 0
    database.log_in("nlp", PLAIN["nlp"], "nlp", "CREATE TABLE kept ()")
    gone = [team(state="absent")]
    done = play(gone)
    assert (done.code, done.changed) == (0, 0), done.output
    assert "The databases of teams that are absent stay, with all that is in them: nlp." in done.output
    assert database.log_in("nlp", PLAIN["nlp"], "nlp") == "1"
    assert play([team()]).changed == 0
    assert database.log_in("nlp", PLAIN["nlp"], "nlp", "SELECT count(*) FROM kept") == "0"


def test_says_which_collection_is_missing_before_anything(play, team, monkeypatch):
    assert importlib.util.find_spec("ansible_collections.community.postgresql")
    # Without the bundle of the ansible package, as with ansible-core alone.
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_SCAN_SYS_PATH", "false")
    done = play([team()])
    assert done.code == 2
    assert "ansible-galaxy collection install community.postgresql" in done.output
