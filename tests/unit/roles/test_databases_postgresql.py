"""What is done with PostgreSQL ends, whoever holds a lock there, and is seen to be whole."""

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

import pytest

PROGRAMS = Path("/usr/lib/postgresql")
ACCOUNT = "nobody"
WAIT_SECONDS = 60

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
        run(there / "pg_ctl", "start", "--wait", f"-D{place / 'files'}", f"-l{place / 'log'}", f"-o{options}")
        try:
            yield place
        finally:
            run(there / "pg_ctl", "stop", "--mode=immediate", f"-D{place / 'files'}")
    finally:
        shutil.rmtree(place)


class Anybody:
    """A team whose account is nobody."""

    account = ACCOUNT

    def __init__(self, team):
        self.run = lambda *words, **options: team.Team.run(self, *words, **options)


@pytest.fixture
def team(host_program):
    return Anybody(host_program("team"))


@pytest.fixture
def databases(host_program, monkeypatch):
    databases = host_program("databases")
    monkeypatch.setattr(databases, "LOCK_SECONDS", 2)
    monkeypatch.setattr(databases, "LOCK_TIMEOUT", "SET lock_timeout = '2s';")
    return databases


def psql(place, *statements, **options):
    words = [f"--command={statement}" for statement in statements]
    return subprocess.Popen(["psql", f"--host={place}", "--username=it", "--quiet", *words, "postgres"], **options)


@pytest.fixture
def database(place):
    made = "DROP TABLE IF EXISTS runs; CREATE TABLE runs (name text); INSERT INTO runs VALUES ('a'), ('b')"
    assert psql(place, made).wait(WAIT_SECONDS) == 0
    return {"name": "mlflow", "uri": f"postgresql+psycopg://it@/postgres?host={place}", "file": None}


@pytest.fixture
def stuck(place, database):
    """Somebody changes the table, and does not end."""
    process = subprocess.Popen(
        ["psql", f"--host={place}", "--username=it", "--quiet", "postgres"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write("BEGIN; LOCK TABLE runs IN ACCESS EXCLUSIVE MODE;\n\\echo locked\n")
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


def test_rows_are_counted_where_they_are(databases, team, database):
    assert databases.rows(team, database) == {"runs": 2}
    assert databases.size(team, database) > 0


def test_what_was_copied_comes_back(databases, team, database, place):
    copy = there(place, "copy.dump")
    databases.copy(team, database, copy)
    assert psql(place, "DELETE FROM runs; CREATE TABLE later (it int)").wait(WAIT_SECONDS) == 0
    databases.restore(team, database, copy)
    assert databases.rows(team, database) == {"runs": 2}


def test_a_copy_does_not_wait_for_ever_for_who_changes_a_table(databases, team, database, place, stuck):
    began = time.monotonic()
    with pytest.raises(databases.DatabaseError, match="timeout"):
        databases.copy(team, database, there(place, "stuck.dump"))
    assert time.monotonic() - began < WAIT_SECONDS / 2


def test_neither_does_a_restore_or_a_count(databases, team, database, place, stuck):
    with pytest.raises(databases.DatabaseError, match="lock timeout"):
        databases.rows(team, database)
    copy = there(place, "empty.dump")
    # Of a table that is not locked.
    assert psql(place, "CREATE TABLE IF NOT EXISTS other (it int)").wait(WAIT_SECONDS) == 0
    uri = f"--dbname=postgresql://it@/postgres?host={place}"
    done = subprocess.run(["pg_dump", "--format=custom", "--table=other", uri], check=True, stdout=subprocess.PIPE)
    copy.write_bytes(done.stdout)
    copy.chmod(0o644)
    with pytest.raises(databases.DatabaseError, match="lock timeout"):
        databases.restore(team, database, copy)


def test_a_server_that_is_gone_is_not_waited_for(databases):
    uri, _environment = databases.reached("postgresql+psycopg://it@db/runs?tcp_user_timeout=5&sslmode=require")
    assert "tcp_user_timeout=5&" in uri
    assert "tcp_user_timeout=60000" not in uri
    assert "keepalives_idle=30" in uri
    assert "tcp_user_timeout=60000" in databases.reached("postgresql://it@db/runs")[0]
