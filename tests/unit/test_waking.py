"""Whatever the roles and playbooks ask of a team's server, it has the time to wake for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/tasks/**/*.yml")]
SEVERAL = ("servers_access", "servers_admin")
# As long as a server takes that begins beside many others.
SECONDS = 120


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping, of which some are tasks."""
    if isinstance(found, dict):
        yield found
    for inner in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from tasks(inner)


def asked() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the options of each task that speaks with a server, by where it stands."""
    one = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["mlflow"]
    modules = {f"mlops.mlflow.{name}" for name in (*one, *SEVERAL)}
    for file in FILES:
        for task in tasks(yaml.safe_load(file.read_text())):
            for name in modules & set(task):
                yield f"{file.relative_to(ROOT)}: {task.get('name')}", task[name]


@pytest.mark.parametrize(("where", "options"), [pytest.param(*it, id=it[0]) for it in asked()])
def test_a_server_has_the_time_to_wake(where: str, options: dict[str, Any]) -> None:
    assert options.get("timeout", 0) >= SECONDS, where


def test_all_of_them_were_found() -> None:
    assert len(list(asked())) >= 10
