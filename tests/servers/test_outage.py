"""What is asked while PostgreSQL is away is answered once it is back, and done once."""

from __future__ import annotations

import base64
import concurrent.futures
import contextlib
import http.client
import json
import os
import signal
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import as_unit
import project
import pytest
from programs.roles.database_lab import PROGRAMS, Database, running

DRIVER = Path("/usr/lib/python3/dist-packages/psycopg2")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not list(PROGRAMS.glob("*/bin/initdb")) or not DRIVER.exists(),
    reason="takes root, and Debian's packages postgresql and python3-psycopg2",
)
PASSWORD, BOB = "the admin's own word", "the word of bob himself"
CREATE, SEARCH = "/api/2.0/mlflow/runs/create", "/api/2.0/mlflow/runs/search"
UPLOAD = "/api/2.0/mlflow-artifacts/artifacts/0/model.pkl"
# How many strangers may wait.
STRANGERS = 32


@dataclass
class Team:
    """Its server, and its database."""

    address: str
    database: Database

    def ask(self, method: str, path: str, body: Any = None, who: str = "admin", password: str = PASSWORD) -> int:
        """Ask once; return the status."""
        return self.answer(method, path, body, who, password)[0]

    def answer(
        self, method: str, path: str, body: Any = None, who: str = "admin", password: str = PASSWORD
    ) -> tuple[int, bytes]:
        word = base64.b64encode(f"{who}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
        with contextlib.closing(http.client.HTTPConnection(self.address, timeout=300)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def runs(self) -> list[str]:
        """Return the names of all runs."""
        status, body = self.answer("POST", SEARCH, {"experiment_ids": ["0"], "max_results": 1000})
        assert status == 200
        return sorted(it["info"]["run_name"] for it in json.loads(body).get("runs", []))

    def make_run(self, name: str, who: str = "admin", password: str = PASSWORD) -> int:
        return self.ask("POST", CREATE, {"experiment_id": "0", "run_name": name, "start_time": 1}, who, password)

    def make_admin(self, name: str) -> None:
        """Make a person whose log-in is in no cache."""
        users = "/api/2.0/mlflow/users/"
        assert self.ask("POST", f"{users}create", {"username": name, "password": BOB}) == 200
        assert self.ask("PATCH", f"{users}update-admin", {"username": name, "is_admin": True}) == 200

    def is_healthy(self) -> bool:
        """Ask as a check does, with a log-in."""
        return self.ask("GET", "/health") == 200


@contextlib.contextmanager
def serving(postgresql: Database, home: Path) -> Iterator[Team]:
    """Run a team's server with a PostgreSQL."""
    postgresql.sql("DROP DATABASE IF EXISTS nlp WITH (FORCE)")
    postgresql.sql("DROP ROLE IF EXISTS nlp")
    postgresql.sql("CREATE ROLE nlp LOGIN PASSWORD 'canary'")
    postgresql.sql("CREATE DATABASE nlp OWNER nlp")
    (home / "more").mkdir()
    (home / "more" / "psycopg2").symlink_to(DRIVER)
    uri = postgresql.uri("nlp", "canary", options="?target_session_attrs=read-write&connect_timeout=3")
    uri = uri.replace("+psycopg:", "+psycopg2:")
    more = {"PYTHONPATH": str(home / "more"), "MLFLOW_BACKEND_STORE_URI": uri}
    with as_unit.serving(project.MLFLOW, home, PASSWORD, **more) as address:
        team = Team(urllib.parse.urlsplit(address).netloc, postgresql)
        team.make_admin("bob")
        yield team


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Database]:
    with running() as database:
        yield database


@pytest.fixture(scope="module")
def team(postgresql: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with serving(postgresql, tmp_path_factory.mktemp("home")) as found:
        yield found


@contextlib.contextmanager
def away(team: Team) -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    """Have the database die, and begin again at the end; give what asks meanwhile."""
    with concurrent.futures.ThreadPoolExecutor(128) as people:
        team.database.stop()
        try:
            yield people
        finally:
            team.database.start()


def waits(asked: list[concurrent.futures.Future[int]], seconds: float = 3) -> bool:
    """Say whether none of them has an answer after some seconds."""
    return not concurrent.futures.wait(asked, seconds, concurrent.futures.FIRST_COMPLETED).done


def test_what_is_posted_meanwhile_is_done_once(team: Team) -> None:
    assert team.make_run("before") == 200
    with away(team) as people:
        # Whoever is first finds out, in each of the ways in which MLflow answers; the admin's log-in is in its cache.
        asked = [people.submit(team.make_run, f"by the admin {number}") for number in range(8)]
        # Somebody whom it has to look up, and who comes later.
        asked += [people.submit(team.ask, "GET", "/api/2.0/mlflow/users/current", None, "bob", BOB)]
        assert waits(asked), [it.result() for it in asked if it.done()]
        wrong = people.submit(team.ask, "GET", "/api/2.0/mlflow/users/current", None, "bob", "wrong")
        asked += [people.submit(team.make_run, "later")]
        assert waits([*asked, wrong])
        # Who asks that does not wait with them.
        assert team.is_healthy()
        assert waits([*asked, wrong], 0)
    assert [it.result() for it in asked] == [200] * len(asked)
    assert wrong.result() == 401
    assert team.runs() == ["before", *(f"by the admin {number}" for number in range(8)), "later"]


def test_uploads_wait_as_well_where_nobody_else_found_out(team: Team) -> None:
    # MLflow's newer routes look in their loop.
    team.make_admin("carol")
    for who, password, expected in (("carol", BOB, 200), ("carol", "wrong", 401)):
        with away(team) as people:
            asked = people.submit(team.ask, "PUT", UPLOAD, "it", who, password)
            assert waits([asked])
            assert team.is_healthy()
            assert waits([asked], 0)
        assert asked.result() == expected


def test_made_up_log_ins_hold_no_more_than_their_share(team: Team) -> None:
    with away(team) as people:
        first = people.submit(team.make_run, "first of many")
        assert waits([first], 2)
        strangers = [people.submit(team.make_run, "never", f"nobody{it}", "made up") for it in range(STRANGERS + 10)]
        done, waiting = concurrent.futures.wait(strangers, 5)
        assert ({it.result() for it in done}, len(done), len(waiting)) == ({503}, 10, STRANGERS)
        assert team.is_healthy()
        assert waits([first, *waiting], 0)
        people.submit(team.make_run, "of who is known")
    assert {it.result() for it in waiting} == {401}
    assert first.result() == 200
    found = team.runs()
    assert ("first of many" in found, "of who is known" in found, "never" in found) == (True, True, False)


def test_what_nobody_waits_for_any_more_is_not_done(team: Team) -> None:
    with away(team) as people:
        # Who finds out waits otherwise than who comes later.
        give_up(team, "of who is gone first")
        first = people.submit(team.make_run, "who still waits")
        assert waits([first], 2)
        give_up(team, "of who is gone")
        time.sleep(1)
    assert first.result() == 200
    # Nothing is on its way any more.
    assert team.make_run("later") == 200
    found = team.runs()
    gone = ["of who is gone first" in found, "of who is gone" in found]
    assert ("who still waits" in found, gone) == (True, [False, False])


def give_up(team: Team, name: str) -> None:
    """Post a run, and be gone before there is an answer."""
    word = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
    with contextlib.closing(http.client.HTTPConnection(team.address)) as connection:
        body = {"experiment_id": "0", "run_name": name, "start_time": 1}
        connection.request("POST", CREATE, json.dumps(body), headers)
        time.sleep(2)


def test_a_server_that_ends_keeps_nobody(postgresql: Database, tmp_path: Path) -> None:
    with serving(postgresql, tmp_path) as team, away(team) as people:
        asked = [people.submit(team.make_run, "first"), people.submit(team.ask, "PUT", UPLOAD, "it", "bob", BOB)]
        assert waits(asked), [it.result() for it in asked if it.done()]
        asked += [people.submit(team.make_run, "later")]
        assert waits(asked, 1)
        before = time.monotonic()
        (server,) = (it for it in Path("/proc").glob("[0-9]*") if serves(it, team))
        os.kill(int(server.name), signal.SIGTERM)
        assert {it.result() for it in asked} == {503}
        while (server / "cmdline").exists() and (server / "cmdline").read_bytes() and time.monotonic() < before + 60:
            time.sleep(0.1)
        # Of the 30 that systemd gives it.
        assert time.monotonic() - before < 10


def serves(process: Path, team: Team) -> bool:
    """Say whether a process is its server."""
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return team.address.rpartition(":")[2].encode() in words
