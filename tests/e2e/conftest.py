"""The demo's host is where most stories play; a host that ran before is left as the example says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import demo
import project
import pytest
import testhosts
from e2e import stage

# Each begins with the host as the demo leaves it, and ends so.
ORDER = """
    demo onboarding drift refusals sleeping limits failures many_teams own_play
    proxy/reached proxy/judged proxy/floods proxy/guessers proxy/changes proxy/readers
    acme mounts monitoring privileges audit jupyterhub guides two_proxies reboot
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what a person would look at first."""
    stage.in_order(config, items, Path(__file__).parent, ORDER)


def run_demo() -> subprocess.CompletedProcess[str]:
    """Run the demo as a person would."""
    command = [sys.executable, str(project.ROOT / "tools" / "demo.py")]
    done = subprocess.run(command, env=project.environment(), text=True, check=False, capture_output=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    return done


@pytest.fixture(scope="session", autouse=True)
def alone() -> Iterator[None]:
    """Keep other runs on hosts waiting."""
    with project.lock("hosts"):
        yield


@pytest.fixture(scope="session")
def first_demo(alone: None) -> Iterator[subprocess.CompletedProcess[str]]:
    """Run the demo once, and tidy up behind all stories."""
    ran_before = demo.HOST in testhosts.running()
    try:
        yield run_demo()
    finally:
        if ran_before:
            run_demo()
        else:
            testhosts.down([demo.HOST])


@pytest.fixture(scope="module")
def converged(first_demo: subprocess.CompletedProcess[str]) -> stage.Stage:
    """Return the host with both teams, where it is now: a story may have switched it off and on again."""
    return stage.Stage(testhosts.running()[demo.HOST])


@pytest.fixture(scope="module")
def second_demo(first_demo: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """Run it on what a demo has left; where another story has been in between, once more to put that right."""
    again = run_demo()
    return again if "changed=0:" in again.stdout else run_demo()


@pytest.fixture(scope="module")
def bare(alone: None) -> Iterator[stage.Stage]:
    """Return a host with nothing on it."""
    testhosts.down(["bare"])
    yield stage.Stage(testhosts.up("bare"))
    testhosts.down(["bare"])
