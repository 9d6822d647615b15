"""A server does not begin anew where its people are gone; where nobody can say, it starts if it can harm nobody."""

import contextlib
import os
import sqlite3
import subprocess
import sys

import pytest
from mlflowctl.program import PACKAGE

USERS = "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT)"
ADMIN = "INSERT INTO users (username) VALUES ('admin')"
# What a file of a team that had an admin holds, and what is said of it; nothing where the server may start.
STORES = {
    "an admin": ([USERS, ADMIN], ""),
    "an admin with a percent sign in the way": ([USERS, ADMIN], ""),
    "no user": ([USERS], "is empty"),
    "no table": (["CREATE TABLE runs (id TEXT)"], "has no table of users"),
    "nothing": ([], "has no table of users"),
    "no file": (None, "is not there"),
}


@pytest.fixture
def team(tmp_path):
    """A team whose admin was set up before, with a first password in its settings as up to 3.15."""
    (tmp_path / "admin_password").write_text("kept")
    return tmp_path


def fill(file, statements):
    with contextlib.closing(sqlite3.connect(file)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def start(home, uri, password="admin_password = first"):
    """Do what serve.py does before MLflow."""
    uri = uri.replace("%", "%%")
    (home / "basic_auth.ini").write_text(f"[mlflow]\n{password}\ndatabase_uri = {uri}\n")
    code = f"user_store.PAUSE = 0; user_store.refuse_emptied({str(home / 'basic_auth.ini')!r}); print('goes on')"
    return subprocess.run(
        [sys.executable, "-c", f"from mlflowctl.in_mlflow import user_store; {code}"],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("password", ["admin_password = first", ""], ids=["up to 3.15", "from 3.16 on"])
def test_a_store_without_users_keeps_the_server_from_starting(team, name, password):
    statements, said = STORES[name]
    file = team / ("100%.db" if "%" in name or "percent" in name else "users.db")
    if statements is not None:
        fill(file, statements)
    before = file.read_bytes() if file.exists() else None
    done = start(team, f"sqlite:///{file}", password)
    if not said:
        assert (done.returncode, done.stdout, done.stderr) == (0, "goes on\n", "")
        return
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Restore a backup" in done.stderr
    assert f"remove {team}/admin_password" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (file.read_bytes() if file.exists() else None) == before


@pytest.mark.parametrize("name", STORES)
def test_a_team_that_was_never_started_to_the_end_may_begin(team, name):
    (team / "admin_password").unlink()
    statements, _said = STORES[name]
    if statements is not None:
        fill(team / "users.db", statements)
    assert start(team, "sqlite:///users.db").stdout == "goes on\n"


def test_a_relative_path_is_the_servers(team):
    fill(team / "users.db", [USERS, ADMIN])
    assert start(team, "sqlite:///users.db?timeout=5").returncode == 0


def test_what_a_killed_server_left_beside_it_is_taken_into_account(team):
    fill(team / "users.db", [USERS, ADMIN])
    code = (
        "import os, sqlite3; c = sqlite3.connect('users.db', isolation_level=None); c.execute('PRAGMA cache_size=1'); "
        "c.execute('BEGIN'); c.execute('DELETE FROM users'); "
        "c.executemany('INSERT INTO users (id, username) VALUES (?, ?)', [(n + 10, 'x' * 900) for n in range(300)]); "
        "c.execute('DELETE FROM users'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=team, check=False)
    assert (team / "users.db-journal").exists()
    assert start(team, "sqlite:///users.db").returncode == 0


@pytest.mark.parametrize(("password", "code"), [("admin_password = first", 1), ("", 0)])
def test_where_nobody_can_say_it_starts_only_if_it_makes_no_admin(team, password, code):
    (team / "users.db").write_text("no database at all\n" * 100)
    done = start(team, "sqlite:///users.db", password)
    assert done.returncode == code
    if code:
        assert "file is not a database" in done.stderr
        assert "Restore" not in done.stderr
