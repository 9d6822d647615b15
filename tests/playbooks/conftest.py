"""Two servers for all of these tests."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator

import project
import pytest
import servers
from playbooks.stage import TEAMS, Stage

HOME = project.BUILD / "playbooks"


@pytest.fixture(scope="session")
def running() -> Iterator[Stage]:
    """Start both servers."""
    shutil.rmtree(HOME, ignore_errors=True)
    passwords = {
        name: {user: secrets.token_urlsafe(16) for user in ["admin", *team["users"], *team["admins"]]}
        for name, team in TEAMS.items()
    }
    try:
        with contextlib.ExitStack() as stack:
            addresses = {
                # Everybody logs in again and again, which is no place to wait for slow hashes.
                name: stack.enter_context(
                    servers.serving(project.MLFLOW, HOME / name, passwords[name]["admin"], hurried=True)
                )
                for name in TEAMS
            }
            stage = Stage(HOME, addresses, passwords)
            stage.fill()
            # Declared by nobody; it is frank's because he made it.
            stage.client("vision", "create", "frank", "scratch")
            yield stage
    finally:
        # It holds passwords.
        shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="module")
def untouched(running: Stage) -> Stage:
    """Return both servers as they are declared, for tests that change nothing and stand first in their file."""
    running.fill()
    return running


@pytest.fixture
def stage(running: Stage) -> Stage:
    """Return both servers as they are declared."""
    running.fill()
    return running
