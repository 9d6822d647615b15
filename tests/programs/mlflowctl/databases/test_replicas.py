"""Two replicas at a real PostgreSQL: who changes the databases and who begins to serve them see each other."""

import json
import os
import pwd
import subprocess
from pathlib import Path

import project
import pytest
from mlflowctl import databases, replicas, transaction
from mlflowctl.backup import places
from mlflowctl.databases import marks
from mlflowctl.program import PACKAGE
from mlflowctl.team import Team
from programs.roles.database_lab import PROGRAMS, running

A_REPLICA = Path(__file__).with_name("a_replica.py")
DRIVER = Path("/usr/lib/python3/dist-packages/psycopg2")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not list(PROGRAMS.glob("*/bin/initdb")) or not DRIVER.exists(),
    reason="takes root, and Debian's packages postgresql and python3-psycopg2",
)


@pytest.fixture(scope="module")
def postgresql():
    with running() as database:
        yield database


@pytest.fixture
def uri(postgresql):
    """A database with the tables that are asked for, which is the account's."""
    postgresql.sql("DROP DATABASE IF EXISTS nlp WITH (FORCE)")
    postgresql.sql("DROP ROLE IF EXISTS nlp")
    postgresql.sql("CREATE ROLE nlp LOGIN PASSWORD 'canary'")
    postgresql.sql("CREATE DATABASE nlp OWNER nlp")
    made = "CREATE TABLE alembic_version (version_num text); CREATE TABLE runs (name text)"
    postgresql.sql(f"SET ROLE nlp; {made}", "nlp")
    return postgresql.uri("nlp", "canary")


@pytest.fixture
def team(uri, tmp_path):
    """What leads, on a host called a."""
    site = tmp_path / "opt" / "3.17.2" / "lib" / "python3.11" / "site-packages" / "mlflow" / "store" / "models.py"
    site.parent.mkdir(parents=True)
    site.write_text('__tablename__ = "runs"')
    (tmp_path / "nlp").mkdir()
    (tmp_path / "nlp" / "team.json").touch()
    (tmp_path / "nlp" / "venv").symlink_to(tmp_path / "opt" / "3.17.2")
    account = pwd.getpwuid(os.geteuid()).pw_name
    database = {"name": "tracking", "uri": uri, "file": None}
    return Team("nlp", account, "", "", "", "", [database], None, [], tmp_path, replica="a", leader="a")


@pytest.fixture
def replica(uri, tmp_path):
    """Let the server of another host begin; give what it has found, and what ends it."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "psycopg2").symlink_to(DRIVER)
    begun = []

    def begin(becomes="", host="b"):
        words = [project.MLFLOW / "bin" / "python", A_REPLICA, uri.replace("+psycopg:", "+psycopg2:"), PACKAGE.parent]
        process = subprocess.Popen(
            [*map(str, words), str(tmp_path / "more"), becomes],
            env={"PATH": os.environ["PATH"], "PGAPPNAME": f"mlflow@nlp@{host}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return json.loads(process.stdout.readline()), lambda: process.communicate(timeout=300)

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("becomes", ["", "another program"])
def test_who_serves_is_waited_for_and_who_comes_later_does_not_begin(team, replica, monkeypatch, becomes):
    monkeypatch.setattr(replicas, "PAUSE", 0.1)
    monkeypatch.setattr(replicas, "PATIENCE", 0)
    found, end = replica(becomes)
    assert found == [None, None]
    with pytest.raises(replicas.OthersError, match=r"^b: still has the databases of team nlp open"):
        replicas.take(team, "upgrade to 3.18.0")
    found, end_of_another = replica(host="c")
    assert found[1].startswith("a changes the databases (upgrade to 3.18.0), or was cut off while it did")
    end()
    end_of_another()
    monkeypatch.setattr(replicas, "PATIENCE", 300)
    replicas.take(team, "upgrade to 3.18.0")
    replicas.give_back(team)
    assert replica()[0] == [None, None]


def test_the_copy_does_not_bring_back_what_was_said_when_it_was_made(team, postgresql, tmp_path):
    copy = tmp_path / "copy.dump"
    replicas.take(team, "upgrade to 3.18.0")
    databases.copy(team, team.databases[0], copy)
    # As where a snapshot is put in place while the change goes on, and when that is undone.
    for said in ("mlops.mlflow: a: restoring snapshot 1", None):
        postgresql.sql("INSERT INTO runs VALUES ('lost')", "nlp")
        databases.restore(team, team.databases[0], copy, said)
        assert databases.marked(team, team.databases[0]) == said
        assert postgresql.sql("SELECT count(*) FROM runs", "nlp") == "0"


def test_a_leader_that_comes_back_undoes_nothing_that_another_has_taken_over(team, postgresql, tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "load", lambda _name: team)
    copy = tmp_path / "copy.dump"
    replicas.take(team, "upgrade to 3.18.0")
    databases.copy(team, team.databases[0], copy)
    # The host is lost here. Another one leads, which ends what is left, and serves.
    other = Team(**{**vars(team), "replica": "b", "leader": "b"})
    replicas.give_back(other)
    assert databases.marked(team, team.databases[0])
    replicas.give_back(other, of_anybody=True)
    postgresql.sql("INSERT INTO runs VALUES ('acknowledged')", "nlp")
    databases.undo("nlp", "tracking", str(copy))
    assert postgresql.sql("SELECT name FROM runs", "nlp") == "acknowledged"
    # Where nobody has, it is undone, once.
    replicas.take(team, "upgrade to 3.18.0")
    databases.undo("nlp", "tracking", str(copy))
    assert postgresql.sql("SELECT count(*) FROM runs", "nlp") == "0"
    assert databases.marked(team, team.databases[0]) is None


def test_what_a_host_that_is_there_changes_is_left(team):
    other = Team(**{**vars(team), "replica": "b", "leader": "b"})
    with transaction.Change(team, "upgrade to 3.18.0") as change:
        change.take_databases()
        # Also between two things that are done there.
        assert replicas.others(other) == ["a"]
        replicas.give_back(other, of_anybody=True)
        assert databases.marked(team, team.databases[0])
    assert databases.marked(team, team.databases[0]) is None
    replicas.wait_until_alone(other)


def test_what_has_ended_for_good_stays_so(team):
    with transaction.Change(team, "the retirement") as change:
        change.take_databases()
        change.keep_databases()
    assert databases.marked(team, team.databases[0]) == "mlops.mlflow: a: the retirement"
    # Until somebody changes it again.
    with transaction.Change(team, "restoring"):
        pass
    assert databases.marked(team, team.databases[0]) is None


def test_a_restore_into_an_empty_database_is_seen_and_undone(team, postgresql, tmp_path):
    database = team.databases[0]
    plan = {"places": [], "postgresql": [{"database": database, "begun": str(tmp_path / "begun")}]}
    done = {"new": "INSERT INTO runs VALUES ('kept')", "former": "DROP TABLE runs, alembic_version"}
    for which, statement in done.items():
        postgresql.sql(statement, "nlp")
        plan["postgresql"][0][which] = str(tmp_path / f"{which}.dump")
        databases.copy(team, database, tmp_path / f"{which}.dump")
    replicas.take(team, "restoring snapshot 1")
    places.switch(team, plan)
    assert postgresql.sql("SELECT name FROM runs", "nlp") == "kept"
    assert databases.marked(team, database) == "mlops.mlflow: a: a restore"
    places.switch_back(team, plan)
    assert databases.rows(team, database) == {}


def test_what_a_release_of_before_has_cut_off_is_undone_as_what_is_said(team, uri, postgresql):
    """Its journal says nothing of it."""
    look = "INSERT INTO runs SELECT obj_description('alembic_version'::regclass, 'pg_class')"
    step = {"as_account": False, "command": ["psql", f"--command={look}", uri.replace("+psycopg", "")]}
    transaction.make_home()
    transaction.undo(team, {"what": "upgrade to 3.18.0", "undo": [step]})
    assert postgresql.sql("SELECT name FROM runs", "nlp") == "mlops.mlflow: a: upgrade to 3.18.0"
    assert databases.marked(team, team.databases[0]) is None


def test_nothing_is_said_once_the_server_may_start_again(team, monkeypatch):
    """Also where whoever said it was killed before it had noted how to undo it."""
    monkeypatch.setattr(transaction, "read_journal", lambda _name: None)
    monkeypatch.setattr(transaction.teams, "load", lambda _name: team)
    replicas.take(team, "upgrade to 3.18.0")
    assert transaction.may_start("nlp")
    assert databases.marked(team, team.databases[0]) is None


def test_in_an_empty_database_nothing_can_be_said(team, postgresql):
    postgresql.sql("DROP TABLE alembic_version", "nlp")
    replicas.take(team, "upgrade to 3.18.0")
    assert databases.marked(team, team.databases[0]) is None


def test_what_is_said_does_nothing_to_the_database(team):
    odd = marks.text("a", "x'); DROP TABLE runs; -- $mark$ \\")
    databases.mark(team, team.databases[0], odd)
    assert databases.marked(team, team.databases[0]) == "mlops.mlflow: a: x??? DROP TABLE runs? -- ?mark? ?"
    assert databases.rows(team, team.databases[0])["runs"] == 0
