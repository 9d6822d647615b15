"""A host of their own for the long stories of what becomes of teams; they go on beside those of tests/e2e."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import project
import pytest
import testhosts
from e2e import stage

HOST = "lives"
stage.WORK = project.BUILD / "lives"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest story, and end with what has hosts of its own."""
    stage.in_order(config, items, Path(__file__).parent, "upgrade backup retirement moving genai former")


@pytest.fixture(scope="session", autouse=True)
def alone() -> Iterator[None]:
    """Keep other runs of these stories waiting."""
    with project.lock("lives"):
        yield


@pytest.fixture(scope="session")
def converged(alone: None) -> Iterator[stage.Stage]:
    """Return a host with the teams of the example."""
    shutil.rmtree(stage.WORK, ignore_errors=True)
    testhosts.down([HOST])
    try:
        host = stage.Stage(testhosts.up(HOST, uv=True))
        run = host.play("site")
        assert run.code == 0, run.output[-5000:]
        yield host
    finally:
        testhosts.down([HOST])
        # It holds passwords.
        shutil.rmtree(stage.WORK, ignore_errors=True)
