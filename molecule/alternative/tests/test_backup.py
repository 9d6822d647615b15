"""Backups of what only this scenario has: two databases, PostgreSQL, artifacts elsewhere, an object store."""

import json
from typing import Any

import pytest
import testinfra

RUN = "/usr/local/sbin/mlflowctl "
TEAMS = {"debian12": ["alpha-1", "beta"], "debian13": ["alpha-1", "gamma"]}


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, find_server: Any) -> Any:
    return find_server(request.param, "alpha-1").host


@pytest.fixture(scope="module")
def made(host: testinfra.host.Host, request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """Back up all teams of a host."""
    names = TEAMS[host.check_output("hostname")]
    return list(json.loads(host.check_output(f"{RUN}backup {' '.join(names)}")))


@pytest.mark.parametrize("host", list(TEAMS), indirect=True)
def test_each_team_has_a_snapshot_that_is_what_it_says(host: testinfra.host.Host, made: list[dict[str, Any]]) -> None:
    assert [it for it in made if "failure" in it] == []
    assert all(it["counts"]["users"] > 0 and it["counts"]["experiments"] > 0 for it in made)
    names = [it["team"] for it in made]
    drilled = [json.loads(line) for line in host.check_output(f"{RUN}drill {' '.join(names)}").splitlines()]
    assert [it["differences"] for it in drilled] == [[], []]
    assert {it["team"]: it["served"] for it in drilled} == dict.fromkeys(names, "yes")


@pytest.mark.parametrize("host", ["debian12"], indirect=True)
def test_a_team_in_postgresql_is_restored(
    host: testinfra.host.Host, made: list[dict[str, Any]], find_server: Any
) -> None:
    beta = find_server("debian12", "beta")
    create = "/api/2.0/mlflow/experiments/create"
    assert beta.ask(create, beta.admin, "POST", {"name": "later"}).status == 200
    told = json.loads(host.check_output(f"{RUN}restore beta"))
    assert told["snapshot"] == next(it["snapshot"] for it in made if it["team"] == "beta")
    by_name = "/api/2.0/mlflow/experiments/get-by-name?experiment_name="
    assert beta.ask(f"{by_name}later", beta.admin).status == 404
    assert beta.ask(f"{by_name}direct", beta.admin).status == 200
    # What was there before.
    assert host.file("/var/lib/mlflow-restores/beta/former/mlflow.dump").size > 0


@pytest.mark.parametrize("host", list(TEAMS), indirect=True)
def test_who_is_left_out_has_no_timer(host: testinfra.host.Host) -> None:
    assert host.run("systemctl is-enabled mlflow-backup@alpha-1.timer").stdout.strip() == "enabled"
    assert host.run("systemctl is-active mlflow-backup@main.timer").stdout.strip() == "inactive"
