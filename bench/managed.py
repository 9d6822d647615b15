"""The declaration that the benchmarks manage: users, experiments, and twenty grants for each user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

GRANTS_PER_USER = 20
LEVELS = ("READ", "EDIT", "MANAGE")


class Size(NamedTuple):
    """How much is managed."""

    users: int
    experiments: int

    @property
    def grants(self) -> int:
        """How many grants that makes."""
        return self.users * min(GRANTS_PER_USER, self.experiments)

    @property
    def things(self) -> int:
        """Everything that somebody without a module looks for, and writes, one by one."""
        return self.users + self.experiments + self.grants

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.users} users, {self.experiments} experiments, {self.grants:,} grants"


def declaration(size: Size, prefix: str) -> dict[str, Any]:
    """Return it as the access module takes it, with names that begin with a prefix."""
    names = [f"{prefix}user{number}" for number in range(size.users)]
    experiments: list[dict[str, Any]] = [
        {"name": f"{prefix}experiment{number}", "grants": {}} for number in range(size.experiments)
    ]
    for number, name in enumerate(names):
        for step in range(min(GRANTS_PER_USER, size.experiments)):
            experiments[(number + step) % size.experiments]["grants"][name] = LEVELS[step % len(LEVELS)]
    return {"users": [{"name": name, "password": f"password of {name}"} for name in names], "experiments": experiments}


def write(path: Path, size: Size, *, prefix: str = "", changed: bool = False) -> Path:
    """Write it as a file of variables, with one grant changed if told so."""
    wanted = declaration(size, prefix)
    if changed:
        wanted["experiments"][0]["grants"][f"{prefix}user0"] = "EDIT"
    # The same once more, as a loop takes it.
    grants = [
        {"user": user, "experiment": experiment["name"], "level": level}
        for experiment in wanted["experiments"]
        for user, level in experiment["grants"].items()
    ]
    path.write_text(json.dumps({**wanted, "grants": grants}))
    return path
