"""A team that began with files on its host goes to PostgreSQL and an object store, and is the same team there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import demo
import project
import pytest
from e2e import stage
from e2e.stage import Stage

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


def play(host: Stage, name: str, declared: dict[str, Any], *more: str) -> demo.Play:
    if "environment" in declared:
        # From 3.17 on, clients fetch artifacts from the store itself, and so have to reach it, too.
        endpoint = {"MLFLOW_S3_ENDPOINT_URL": f"http://{host.host.address}:9000"}
        declared = {**declared, "environment": {**declared["environment"], **endpoint}}
    run = host.play(
        name,
        "-e",
        f"team={NAME}",
        "--diff",
        "-vvv",
        *more,
        mlflow_team_roomy=declared,
        mlflow_backup_repository="/srv/roomy-backups/{team}",
        mlflow_backup_password="canary of its backups",
        # What MLflow calls the place of a prompt.
        mlflow_backup_elsewhere=["prompt-template"],
        mlflow_server_remove_unused=False,
        mlflow_server_start_timeout=120,
    )
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


def sql(host: Stage, statement: str, database: str = "postgres") -> str:
    return host.sh(f"runuser -u postgres -- psql -XAtq --set=ON_ERROR_STOP=1 {database}", feed=statement).strip()


@pytest.fixture(scope="module")
def roomy(converged: Stage) -> Iterator[Stage]:
    """The team with files, and beside it a database and a bucket that are empty."""
    host = converged
    install = "apt-get update -q && apt-get install -qy --no-install-recommends postgresql"
    host.sh(f"DEBIAN_FRONTEND=noninteractive sh -c '{install}' >/dev/null")
    sql(host, f"CREATE ROLE {NAME} LOGIN PASSWORD '{PASSWORD}'")
    sql(host, f"CREATE DATABASE {NAME} OWNER {NAME}")
    rclone = shutil.which("rclone", path=f"{project.BUILD}/venv/bin:{os.environ['PATH']}")
    assert rclone
    bring = [*stage.testhosts.inside(host.host.container), "sh", "-c", "cat > /usr/local/bin/rclone"]
    with open(rclone, "rb") as program:
        subprocess.run(bring, stdin=program, env=project.environment(), check=True)
    host.sh(f"chmod 755 /usr/local/bin/rclone; mkdir -p /srv/s3/{NAME}")
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


def test_what_cannot_work_stops_nobody(roomy: Stage, before: Any) -> None:
    lives = roomy.lives(NAME)
    still = play(roomy, "move_stores", {**GONE, "backend_store_uri": f"sqlite:////var/lib/mlflow/{NAME}/mlflow.db"})
    assert still.code == 2
    assert "a database is still in SQLite; declare PostgreSQL for both" in still.output, still.output[-3000:]
    wrong = play(roomy, "move_stores", {**GONE, "artifacts": {"destination": "s3://nowhere/artifacts"}})
    assert wrong.code == 2
    assert "The specified bucket does not exist" in wrong.output, wrong.output[-3000:]
    tried = play(roomy, "move_stores", GONE, "--check")
    assert tried.code == 0, tried.output[-5000:]
    assert f"the databases and artifacts of team {NAME} would be moved" in tried.output
    assert roomy.lives(NAME) == lives
    assert sql(roomy, "SELECT count(*) FROM pg_stat_user_tables", NAME) == "0"


def test_a_server_that_does_not_start_there_goes_on_where_it_was(
    roomy: Stage, before: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = f"/etc/systemd/system/mlflow@{NAME}.service.d"
    refused = f"[Service]\nExecStartPre=+/bin/sh -c '! grep -q postgresql /etc/mlflow/{NAME}/environment'\n"
    roomy.sh(f"cat > {folder}/refused.conf && systemctl daemon-reload", refused)
    run = play(roomy, "move_stores", GONE)
    roomy.sh(f"rm {folder}/refused.conf && systemctl daemon-reload")
    assert run.code == 2
    assert f"team {NAME} is where it was" in run.output, run.output[-5000:]
    assert asked(roomy, "again", tmp_path_factory.mktemp("again")) == before
    assert sql(roomy, "SELECT count(*) FROM pg_stat_user_tables", NAME) == "0"


def test_a_team_goes_with_all_it_has(roomy: Stage, before: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    run = play(roomy, "move_stores", GONE)
    assert run.code == 0, run.output[-5000:]
    assert asked(roomy, "after", tmp_path_factory.mktemp("after")) == before
    assert sql(roomy, "SELECT count(*) > 0 FROM runs", NAME) == "t"
    files = "find . -type f -exec sha256sum {} + | sort"
    # What is served comes from there: the same files, byte by byte.
    assert roomy.sh(f"cd /srv/s3/{NAME}/artifacts && {files}") == roomy.sh(
        f"cd /var/lib/mlflow/{NAME}/artifacts && {files}"
    )
    roomy.sh(f"mv /var/lib/mlflow/{NAME}/artifacts /var/lib/mlflow/{NAME}/former")
    assert asked(roomy, "later", tmp_path_factory.mktemp("later")) == before


def test_once_is_enough(roomy: Stage) -> None:
    lives = roomy.lives(NAME)
    run = play(roomy, "move_stores", GONE)
    assert (run.code, run.changed) == (0, 0), run.output[-5000:]
    assert "there is nothing to do" in run.output
    after = play(roomy, "onboard_team", GONE)
    assert (after.code, after.changed) == (0, 0), after.output[-5000:]
    assert roomy.lives(NAME) == lives
