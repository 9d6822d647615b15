"""How many connections a server has at PostgreSQL, by itself, with a small pool, and behind PgBouncer."""

from __future__ import annotations

import base64
import collections
import contextlib
import http.client
import itertools
import json
import os
import pwd
import shutil
import subprocess
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

import project
import pytest
import servers
from programs.roles.database_lab import ACCOUNT, PROGRAMS, Database, running

DRIVER = Path("/usr/lib/python3/dist-packages/psycopg2")
pytestmark = [
    pytest.mark.on_request,
    pytest.mark.skipif(
        os.geteuid() != 0
        or not list(PROGRAMS.glob("*/bin/initdb"))
        or not DRIVER.exists()
        or not shutil.which("pgbouncer"),
        reason="takes root, and Debian's packages postgresql, python3-psycopg2 and pgbouncer",
    ),
]
PASSWORD = "canary of the poolers"
CLIENTS, REQUESTS = 40, 12
# Behind PgBouncer.
CONNECTIONS = 4
POOLER = """
[databases]
nlp = host=127.0.0.1 port={database} dbname=nlp
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = plain
auth_file = {place}/people
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 1000
unix_socket_dir =
"""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Database]:
    with running() as database:
        yield database


@contextlib.contextmanager
def pooler(postgresql: Database, place: Path) -> Iterator[int]:
    """Run PgBouncer before it; give its port."""
    account, port = pwd.getpwnam(ACCOUNT), servers.free_port()
    (place / "people").write_text('"nlp" "canary"\n')
    settings = POOLER.format(database=postgresql.port, port=port, place=place, connections=CONNECTIONS)
    (place / "pgbouncer.ini").write_text(settings)
    command = ["pgbouncer", "--quiet", str(place / "pgbouncer.ini")]
    # What it reads stands where only root gets; it is handed over as it is at the start.
    for path in (place, *place.parents[:2], *place.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    process = subprocess.Popen(command, user=account.pw_uid, group=account.pw_gid, extra_groups=[])
    try:
        yield port
    finally:
        process.terminate()
        process.wait(300)


@contextlib.contextmanager
def serving(home: Path, uri: str, **more: str) -> Iterator[tuple[str, int]]:
    """Run the newest MLflow with all it has at a URI."""
    home.mkdir()
    environment = servers.settings(home, PASSWORD, stock=False, auth_database="mlflow.db", gateway=False)
    ini = home / "basic_auth.ini"
    ini.write_text(ini.read_text().replace(f"sqlite:///{home}/mlflow.db", uri))
    (home / "sitecustomize.py").write_text(servers.HURRIED)
    (home / "more").mkdir()
    (home / "more" / "psycopg2").symlink_to(DRIVER)
    environment |= {"MLFLOW_BACKEND_STORE_URI": uri, "PYTHONPATH": f"{home}:{home / 'more'}", **more}
    address = ("127.0.0.1", servers.free_port())
    command = [str(project.MLFLOW / "bin" / "python"), "-m", "mlflow", "server", "--app-name", "basic-auth"]
    command += ["--workers", "1", "--host", address[0], "--port", str(address[1])]
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=home, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        servers.wait_until_healthy(process, f"http://{address[0]}:{address[1]}", home / "server.log")
        yield address
    finally:
        servers.stop(process)


def asked(address: tuple[str, int], answers: collections.Counter[int]) -> None:
    """Log and look, as one of many clients."""
    word = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {word}", "Content-Type": "application/json"}
    tasks: list[tuple[str, str, dict[str, t.Any] | None]] = [
        ("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0", "start_time": 1}),
        ("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": ["0"]}),
        ("GET", "/api/2.0/mlflow/users/current", None),
    ]
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=600)) as connection:
        for method, path, body in itertools.islice(itertools.cycle(tasks), REQUESTS):
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            answer.read()
            answers[answer.status] += 1


def most_connections(postgresql: Database, address: tuple[str, int]) -> int:
    """Let many clients in; return how many connections there were at once. All of them are answered."""
    answers: collections.Counter[int] = collections.Counter()
    clients = [threading.Thread(target=asked, args=(address, answers)) for _client in range(CLIENTS)]
    for client in clients:
        client.start()
    most = 0
    while any(client.is_alive() for client in clients):
        most = max(most, int(postgresql.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'nlp'")))
        clients[0].join(0.2)
    assert answers == {200: CLIENTS * REQUESTS}
    return most


@pytest.fixture
def uri(postgresql: Database) -> str:
    """A database that is empty."""
    postgresql.sql("DROP DATABASE IF EXISTS nlp WITH (FORCE)")
    postgresql.sql("DROP ROLE IF EXISTS nlp")
    postgresql.sql("CREATE ROLE nlp LOGIN PASSWORD 'canary'")
    postgresql.sql("CREATE DATABASE nlp OWNER nlp")
    return str(postgresql.uri("nlp", "canary")).replace("+psycopg:", "+psycopg2:")


def test_the_pool_is_as_large_as_it_is_set(postgresql: Database, uri: str, tmp_path: Path) -> None:
    with serving(tmp_path / "own", uri) as address:
        usual = most_connections(postgresql, address)
    pool = {"MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "1", "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "2"}
    with serving(tmp_path / "small", uri, **pool) as address:
        small = most_connections(postgresql, address)
    assert small < usual
    # Three for each of what MLflow keeps a pool for.
    assert small <= 9


def test_behind_pgbouncer_there_are_as_many_as_it_is_told(postgresql: Database, uri: str, tmp_path: Path) -> None:
    place = tmp_path / "pooler"
    place.mkdir()
    with pooler(postgresql, place) as port:
        through = uri.replace(f":{postgresql.port}/", f":{port}/")
        with serving(tmp_path / "home", through) as address:
            assert most_connections(postgresql, address) <= CONNECTIONS
