"""A host of their own for the long stories of what becomes of teams; they go on beside those of tests/e2e."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import project
import pytest
import testhosts
from e2e import stage

HOST = "lives"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest story, and end with what has hosts of its own."""
    order = "upgrade backup retirement stores moving genai first_runs replicas former"
    stage.in_order(config, items, Path(__file__).parent, order)


@pytest.fixture(scope="session", autouse=True)
def alone() -> Iterator[None]:
    """Keep other runs of these stories waiting."""
    with project.lock("lives"):
        yield


@pytest.fixture(scope="session")
def deployed(alone: None) -> Iterator[str]:
    """Have a host with the teams of the example; return its name."""
    testhosts.down([HOST])
    try:
        host = stage.Stage(testhosts.up(HOST, uv=True))
        run = host.play("site")
        assert run.code == 0, run.output[-5000:]
        yield HOST
    finally:
        testhosts.down([HOST])


@pytest.fixture(scope="module")
def converged(deployed: str) -> stage.Stage:
    """Return it where it is now, with both teams: a story may have switched it off and on again, or moved one away."""
    host = stage.Stage(testhosts.running()[deployed])
    if "nlp" not in host.sh("ls /etc/mlflow").split():
        run = host.play("site")
        assert run.code == 0, run.output[-5000:]
    return host
