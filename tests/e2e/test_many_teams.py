"""How much is done on a host does not depend on how many teams there are, but on how many have changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import demo
import pytest
from e2e import stage
from e2e.stage import Stage

MORE = [f"more{number:02}" for number in range(10)]
# What Ansible's connection to the host does.
EXECUTION = re.compile(r"^<[^>]+> (?:RUN|PUT|FETCH) ", re.MULTILINE)


def crowd(**changes: Any) -> list[dict[str, Any]]:
    """Return ten small teams, the fourth of them changed."""
    return [
        {
            "name": name,
            "port": 5100 + number,
            "admin_password": f"admin of {name}",
            "idle_timeout": "40s",
            "users": [{"name": "ann", "password": f"ann of {name}"}, {"name": "ben", "password": f"ben of {name}"}],
            "groups": [
                {"name": "all", "members": ["ann", "ben"], "grants": [{"experiment": "*", "permission": "READ"}]}
            ],
            "experiments": [{"name": "first", "grants": {"ann": "EDIT"}}],
            **(changes if number == 4 else {}),
        }
        for number, name in enumerate(MORE)
    ]


def executions(run: demo.Play) -> int:
    """Return how often a run went to the host, when it changed nothing."""
    assert (run.code, run.changed) == (0, 0), run.output[-5000:]
    return len(EXECUTION.findall(run.output))


@pytest.fixture(scope="module")
def few(converged: Stage) -> int:
    """Return the executions for the two teams of the example."""
    assert converged.play("site").code == 0
    return executions(converged.play("site", "-vvv"))


def most_at_once(host: Stage) -> int:
    """Return how many of the ten servers were awake at the same time."""
    awake = most = 0
    for line in host.journal("--unit='mlflow@more*'").splitlines():
        awake += line.startswith("Started mlflow@") - line.startswith("Stopped mlflow@")
        most = max(most, awake)
    return most


@pytest.fixture(scope="module")
def peak(converged: Stage, few: int) -> Iterator[int]:
    """Bring ten more teams to the host; return how many of their servers were awake at once meanwhile."""
    run = converged.play("site", mlflow_teams=crowd())
    assert run.code == 0, run.output[-5000:]
    yield most_at_once(converged)
    for name in MORE:
        stage.forget(converged, name)


@pytest.fixture(scope="module")
def crowded(converged: Stage, peak: int) -> Stage:
    """Return the host with twelve teams."""
    return converged


def test_a_run_that_changes_nothing_goes_four_times_to_the_host(few: int) -> None:
    """A look, files, units, and who may do what."""
    assert few <= 4


def test_round_trips_are_the_same_for_two_and_for_twelve_teams(crowded: Stage, few: int) -> None:
    assert executions(crowded.play("site", "-vvv", mlflow_teams=crowd())) == few


def test_new_teams_are_not_awake_all_at_once(crowded: Stage, peak: int) -> None:
    """Each is woken for its admin and its people, and sleeps soon after; later they stay up as declared."""
    assert 0 < peak < len(MORE)
    assert "new.conf" not in crowded.sh("ls /run/systemd/system/mlflow-listen@more*.service.d")
    for name in MORE:
        shown = crowded.sh(f"systemctl show --property=Environment mlflow-listen@{name}.service")
        assert "EXIT_IDLE_TIME=40s" in shown


def test_each_of_the_twelve_works(crowded: Stage) -> None:
    for number, name in enumerate(MORE):
        assert crowded.login(5100 + number, "ann", f"ann of {name}") == 200


def test_one_changed_team_is_the_only_one_that_is_touched(crowded: Stage) -> None:
    before = {name: crowded.starts(name) for name in ["vision", "nlp", *MORE]}
    run = crowded.play("site", "--diff", mlflow_teams=crowd(tasks_max=400))
    # Its file, and its units.
    assert (run.code, run.changed) == (0, 2), run.output[-5000:]
    assert {line for line in run.output.splitlines() if line.startswith("restart ")} == {
        "restart mlflow@more04.service"
    }
    restarted = {name for name in before if crowded.starts(name) > before[name]}
    assert "more04" in restarted
