"""The roles in somebody's own playbook: with facts from a cache, by `serial` and `free`, and only in part."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e.stage import Stage, example

PLAY = str(Path(__file__).parent / "own_play.yml")
VISITOR = {"name": "visitor", "password": "visitor-try-out-only"}


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let Ansible keep what it knows of hosts."""
    monkeypatch.setenv("ANSIBLE_GATHERING", "smart")
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN", "jsonfile")
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN_CONNECTION", str(tmp_path))


def test_it_is_settled_with_facts_from_a_cache_too(converged: Stage, cached: None) -> None:
    # The second has its facts from the first, which may have to put right what another story left.
    first, second = (converged.play(PLAY, "--limit=mlflow1") for _time in range(2))
    assert (first.code, first.warnings) == (0, []), first.output[-5000:]
    assert (second.code, second.changed, second.warnings) == (0, 0, []), second.output[-5000:]
    assert ["Gathering Facts" in run.output for run in (first, second)] == [True, False]


def test_hosts_beyond_the_limit_are_left_alone(converged: Stage) -> None:
    none = converged.play("site", "--limit=mlflow_servers:!mlflow1")
    assert none.changed == -1, none.output


def test_a_part_is_run_by_its_tag(converged: Stage) -> None:
    team = example("vision")
    # Both roles would have something to do.
    other = {**team, "users": [*team["users"], VISITOR], "memory_max": "1900M"}
    lives = converged.lives("vision")
    run = converged.play(PLAY, "--tags=people", mlflow_team_vision=other)
    assert (run.code, run.changed, run.warnings) == (0, 1, []), run.output[-5000:]
    assert converged.login(5001, VISITOR["name"], VISITOR["password"]) == 200
    back = converged.play(PLAY, "--tags=people")
    assert (back.code, back.changed) == (0, 1), back.output[-5000:]
    assert converged.login(5001, VISITOR["name"], VISITOR["password"]) == 401
    assert converged.lives("vision") == lives
