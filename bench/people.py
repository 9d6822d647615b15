"""The declaration that the benchmarks manage: users, experiments, and twenty grants for each user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GRANTS_PER_USER = 20
LEVELS = ("READ", "EDIT", "MANAGE")


def declaration(size: int) -> dict[str, Any]:
    """Return as many users and experiments, as the access module takes them."""
    users = [{"name": f"user{number}", "password": f"password of user{number}"} for number in range(size)]
    experiments: list[dict[str, Any]] = [{"name": f"experiment {number}", "grants": {}} for number in range(size)]
    for number in range(size):
        for step in range(min(GRANTS_PER_USER, size)):
            experiments[(number + step) % size]["grants"][f"user{number}"] = LEVELS[step % len(LEVELS)]
    return {"users": users, "experiments": experiments}


def write(path: Path, size: int) -> None:
    """Write it as a file of variables."""
    path.write_text(json.dumps(declaration(size)))


def changed(path: Path) -> None:
    """Change one grant in it."""
    wanted = json.loads(path.read_text())
    wanted["experiments"][0]["grants"]["user0"] = "EDIT"
    path.write_text(json.dumps(wanted))
