"""A team that began with files on its host goes to PostgreSQL and an object store, and is the same team there."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import demo
import project
import pytest
from e2e import stage
from e2e.stage import Stage
from lives.replicated import sql

NAME, PORT, ADMIN = "roomy", 5310, "canary of the roomy admin"
PASSWORD, KEY = "canary-of-its-database", "canary of its key"
CLIENT = project.ROOT / "tests" / "servers" / "moving.py"
DECLARED = {
    "name": NAME,
    "port": PORT,
    "admin_password": ADMIN,
    "access_policy": "additive",
    "experiments": [{"name": "declared"}],
}
GONE = {
    **DECLARED,
    "backend_store_uri": f"postgresql+psycopg://{NAME}:{PASSWORD}@127.0.0.1/{NAME}",
    "artifacts": {"destination": f"s3://{NAME}/artifacts"},
    "environment": {
        "AWS_ACCESS_KEY_ID": NAME,
        "AWS_SECRET_ACCESS_KEY": KEY,
    },
}


def arguments(host: Stage, declared: dict[str, Any]) -> tuple[list[Path], list[str]]:
    """Return the inventories and the words that a playbook is run with, for the team as it is declared."""
    if "environment" in declared:
        # Whoever is given addresses in the store has to reach it; others need not, and do not.
        address = host.host.address if declared["artifacts"].get("presigned") else "127.0.0.1"
        endpoint = {"MLFLOW_S3_ENDPOINT_URL": f"http://{address}:9000"}
        declared = {**declared, "environment": {**declared["environment"], **endpoint}}
    given = {
        "mlflow_team_roomy": declared,
        "mlflow_backup_repository": "/srv/roomy-backups/{team}",
        "mlflow_backup_password": "canary of its backups",
        # What MLflow calls the place of a prompt.
        "mlflow_backup_elsewhere": ["prompt-template"],
        "mlflow_server_remove_unused": False,
        "mlflow_server_start_timeout": 120,
    }
    file = stage.WORK / f"roomy-{project.digest(json.dumps(given))}.json"
    stage.write_private(file, json.dumps(given))
    inventories = [host.inventory, demo.reach(host.host, stage.WORK / f"{host.host.name}.json")]
    return inventories, ["-e", f"team={NAME}", "--diff", "-vvv", f"--extra-vars=@{file}"]


def play(host: Stage, name: str, declared: dict[str, Any], *more: str) -> demo.Play:
    inventories, words = arguments(host, declared)
    run = demo.play(name, inventories, *words, *more)
    assert [secret for secret in (PASSWORD, KEY, ADMIN) if secret in run.output] == []
    return run


def asked(host: Stage, do: str, aside: Path) -> Any:
    """Let people work there, or look at all they have."""
    done = subprocess.run(
        [project.MLFLOW / "bin" / "python", CLIENT, do, host.url(PORT), ADMIN, aside],
        env={"PATH": os.environ["PATH"], "HOME": str(aside), "LC_ALL": "C.UTF-8", "NO_PROXY": "*", "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout.splitlines()[-1]) if do != "fill" else None


@pytest.fixture(scope="module")
def roomy(converged: Stage) -> Iterator[Stage]:
    """The team with files, and beside it a database and a bucket that are empty."""
    host = converged
    install = "apt-get update -q && apt-get install -qy --no-install-recommends postgresql"
    host.sh(f"DEBIAN_FRONTEND=noninteractive sh -c '{install}' >/dev/null")
    sql(host, f"CREATE ROLE {NAME} LOGIN PASSWORD '{PASSWORD}'")
    sql(host, f"CREATE DATABASE {NAME} OWNER {NAME}")
    host.bring("rclone")
    host.sh(f"mkdir -p /srv/s3/{NAME}")
    serve = f"rclone serve s3 --addr :9000 --auth-key '{NAME},{KEY}' /srv/s3"
    host.sh(f"systemd-run --quiet --unit=roomy-s3 {serve}")
    run = play(host, "onboard_team", DECLARED)
    assert run.code == 0, run.output[-5000:]
    yield host
    host.sh("systemctl stop roomy-s3; rm -rf /srv/s3", check=False)
    stage.forget(host, NAME)
    stage.forget_backups(host, "/srv/roomy-backups")


@pytest.fixture(scope="module")
def before(roomy: Stage, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What each of its people sees before."""
    aside = tmp_path_factory.mktemp("before")
    asked(roomy, "fill", aside)
    return asked(roomy, "before", aside)


def test_no_server_begins_anew_where_nothing_is(roomy: Stage, before: Any) -> None:
    lives = roomy.lives(NAME)
    run = play(roomy, "onboard_team", GONE)
    assert run.code == 2
    options = {"backend_store_uri, auth_database_uri": "mlflow.db", "artifacts: destination": "artifacts"}
    for option, place in options.items():
        told = f"{option}: what the team has is in /var/lib/mlflow/{NAME}/{place}, and would be left behind"
        assert f"{told}; move it with mlops.mlflow.move_stores -e team={NAME}" in run.output
    tried = play(roomy, "move_stores", GONE, "--check")
    assert tried.code == 0, tried.output[-5000:]
    assert f"the databases and artifacts of team {NAME} would be moved" in tried.output
    # It goes on as if nothing had been asked.
    assert roomy.lives(NAME) == lives
    assert tables(roomy) == "0"
    assert roomy.sh("find /srv/s3 -type f") == ""


def test_a_server_that_does_not_start_there_goes_on_where_it_was(
    roomy: Stage, before: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    units = f"cd /etc/systemd/system && tail -n +1 mlflow*@{NAME}.*.d/*.conf; systemctl is-enabled mlflow*@{NAME}.*"
    with started_with(roomy, f"! grep -q postgresql /etc/mlflow/{NAME}/environment"):
        as_they_were = roomy.sh(units, check=False)
        run = play(roomy, "move_stores", GONE)
        assert roomy.sh(units, check=False) == as_they_were
    assert run.code == 2
    assert f"team {NAME} is where it was" in run.output, run.output[-5000:]
    assert asked(roomy, "again", tmp_path_factory.mktemp("again")) == before
    assert tables(roomy) == "0"


def test_a_team_goes_with_all_it_has(roomy: Stage, before: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    # Whoever moves it is gone while the server is tried: nobody is let in, and nothing is lost.
    roomy.sh(f"touch /run/hold-{NAME}")
    with started_with(roomy, f"while test -e /run/hold-{NAME}; do sleep 0.2; done"):
        with cut_off(roomy):
            assert stage.soon(lambda: bool(roomy.sh(f"pgrep -f 'move-stores [t]ry {NAME}'", check=False)), 900)
        assert roomy.login(PORT, "admin", ADMIN) == 0
        roomy.sh(f"rm /run/hold-{NAME}")
        run = play(roomy, "move_stores", GONE)
    assert run.code == 0, run.output[-5000:]
    assert asked(roomy, "after", tmp_path_factory.mktemp("after")) == before
    assert in_postgresql(roomy) == in_sqlite(roomy)
    # The same files, byte by byte, and what is served comes from there.
    files = "find . -type f -exec sha256sum {} + | sort"
    kept = roomy.sh(f"cd /var/lib/mlflow/{NAME}/artifacts && {files}")
    assert len(kept.splitlines()) > 10
    assert roomy.sh(f"cd /srv/s3/{NAME}/artifacts && {files}") == kept
    roomy.sh(f"mv /var/lib/mlflow/{NAME}/artifacts /var/lib/mlflow/{NAME}/former")
    roomy.sh(f"mv /var/lib/mlflow/{NAME}/mlflow.db /var/lib/mlflow/{NAME}/former.db")
    assert asked(roomy, "later", tmp_path_factory.mktemp("later")) == before
    left = "/var/lib/mlflow-changes"
    assert roomy.sh(f"ls {left} | grep {NAME}").split() == [NAME]
    assert roomy.sh(f"ls {left}/{NAME}") == ""
    assert roomy.leaks(PASSWORD, ADMIN) == []


def test_once_is_enough(roomy: Stage) -> None:
    lives = roomy.lives(NAME)
    run = play(roomy, "move_stores", GONE)
    assert (run.code, run.changed) == (0, 0), run.output[-5000:]
    assert "there is nothing to do" in run.output
    after = play(roomy, "onboard_team", GONE)
    assert (after.code, after.changed) == (0, 0), after.output[-5000:]
    assert roomy.lives(NAME) == lives


def test_clients_are_given_addresses_in_the_store_where_that_is_declared(
    roomy: Stage, before: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert offered(roomy) == [False, False]
    # Where files are on their way to and from a store, in a directory of the unit's own.
    assert roomy.sh(f"grep TMPDIR /etc/mlflow/{NAME}/environment").strip() == 'TMPDIR="/var/tmp"'
    # No more of them than leaves the databases of all teams their room.
    room = roomy.sh(f"grep MLOPS_MLFLOW_ROOM /etc/mlflow/{NAME}/environment")
    assert r'"artifacts\": \"/var/tmp\"' in room, room
    declared = {**GONE, "artifacts": {**GONE["artifacts"], "presigned": True}}
    run = play(roomy, "onboard_team", declared)
    assert run.code == 0, run.output[-5000:]
    assert offered(roomy) == [True, True]
    assert asked(roomy, "past", tmp_path_factory.mktemp("past")) == before


def offered(host: Stage) -> list[bool]:
    """Whether MLflow offers its clients to send, and to fetch, past the server."""
    found = json.loads(host.sh(f"curl -sf -u admin:'{ADMIN}' http://127.0.0.1:{PORT}/api/3.0/mlflow/server-info"))
    return [found["multipart_uploads_enabled"], found["multipart_downloads_enabled"]]


def tables(host: Stage) -> str:
    return sql(host, "SELECT count(*) FROM pg_stat_user_tables", NAME)


@contextlib.contextmanager
def started_with(host: Stage, command: str) -> Iterator[None]:
    """Have something happen before the server starts."""
    file = f"/etc/systemd/system/mlflow@{NAME}.service.d/zz.conf"
    host.sh(f"cat > {file} && systemctl daemon-reload", f"[Service]\nExecStartPre=+/bin/sh -c '{command}'\n")
    try:
        yield
    finally:
        host.sh(f"rm {file} && systemctl daemon-reload")


@contextlib.contextmanager
def cut_off(host: Stage) -> Iterator[None]:
    """Begin to move the team, and be killed."""
    command = ["ansible-playbook", *demo.sources(arguments(host, GONE)[0]), *arguments(host, GONE)[1]]
    with stage.cut_off([*command, "mlops.mlflow.move_stores"]):
        yield


# What each table says, in columns that both kinds of database write in one way.
COLUMNS = {
    "experiments": "experiment_id, name, artifact_location, lifecycle_stage, creation_time",
    "experiment_tags": "experiment_id, key, value",
    "runs": "run_uuid, name, status, start_time, end_time, user_id, experiment_id, artifact_uri",
    "tags": "run_uuid, key, value",
    "params": "run_uuid, key, value",
    "metrics": "run_uuid, key, timestamp, step",
    "trace_info": "request_id, experiment_id, timestamp_ms, status",
    "logged_models": "model_id, experiment_id, name, artifact_location",
    "registered_models": "name, creation_time",
    "model_versions": "name, version, run_id, source",
    "registered_model_aliases": "name, alias, version",
    "users": "id, username, password_hash",
    "roles": "id, workspace, name",
    "role_permissions": "id, role_id, resource_type, resource_pattern, permission",
    "user_role_assignments": "id, user_id, role_id",
}
READ = """
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
asked = lambda statement: [list(row) for row in connection.execute(statement)]
names = asked("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
counts = {name: asked(f"SELECT count(*) FROM {name}")[0][0] for name, in names}
rows = {name: asked(f"SELECT {columns} FROM {name}") for name, columns in json.load(sys.stdin).items()}
print(json.dumps([{name: number for name, number in counts.items() if number}, rows]))
"""


def in_sqlite(host: Stage) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Return how many rows there are, and what some say, as Python's own SQLite reads it."""
    told = host.sh(f"python3 -c {shlex.quote(READ)} /var/lib/mlflow/{NAME}/mlflow.db", json.dumps(COLUMNS))
    counts, rows = json.loads(told)
    return counts, {name: sorted(map(json.dumps, found)) for name, found in rows.items()}


def in_postgresql(host: Stage) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Return the same, as PostgreSQL's own program reads it."""
    names = sql(host, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'", NAME).split()
    each = [f"SELECT '{name}', count(*) FROM {name}" for name in names]  # noqa: S608
    counted = sql(host, " UNION ALL ".join(each), NAME)
    counts = {name: int(number) for name, number in (line.split("|") for line in counted.splitlines()) if number != "0"}
    rows = {
        name: sql(host, f"SELECT json_build_array({columns}) FROM {name}", NAME).splitlines()  # noqa: S608
        for name, columns in COLUMNS.items()
    }
    return counts, {name: sorted(json.dumps(json.loads(row)) for row in found) for name, found in rows.items()}
