"""The first run on two hosts and an empty PostgreSQL has the team on both, each time."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from e2e import stage
from lives import replicas_lab, replicated
from lives.replicas_lab import FOLLOWER, LEADER, Replicas
from lives.replicated import OLD, TEAM

pytestmark = pytest.mark.on_request

# How often.
TIMES = int(os.environ.get("MLOPS_MLFLOW_FIRST_RUNS", "2"))


@pytest.fixture(scope="module")
def replicas() -> Iterator[Replicas]:
    """Return the hosts, on which the team is only declared."""
    with replicas_lab.deployed() as found:
        yield found


@pytest.fixture
def emptied(replicas: Replicas) -> Replicas:
    """Return them with no team, no database and nobody who had one; environments stay."""
    for host in replicas.servers():
        stage.forget(host, TEAM)
    for statement in (f"DROP DATABASE IF EXISTS {TEAM} WITH (FORCE)", f"DROP ROLE IF EXISTS {TEAM}"):
        replicated.sql(replicas["store1"], statement)
    return replicas


@pytest.mark.parametrize("_number", range(TIMES))
def test_the_first_run_has_the_team_on_both_hosts_and_the_second_changes_nothing(
    emptied: Replicas, _number: int
) -> None:
    run = emptied.play("site")
    assert run.code == 0, run.output[-5000:]
    replicated.all_serve(emptied.servers(), OLD)
    again = emptied.play("site")
    assert (again.code, replicated.changes(again)) == (0, {FOLLOWER: 0, LEADER: 0}), again.output[-5000:]
