"""Who does something alone, and who waits for a turn that comes in any case."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlflowctl import locks, paths
from mlflowctl.errors import Problem

# Seconds for one that somebody else has begun, and may well be near its end.
PATIENCE = 3600


class TurnError(Problem):
    """Why it is not done now."""


@contextlib.contextmanager
def alone(what: str, patience: float = PATIENCE) -> Iterator[None]:
    """Wait for whoever does the same, and do it alone."""
    with locks.held(lock_of(what), patience) as held:
        if not held:
            raise TurnError(f"another process is still at {what} after {patience:.0f} s")
        yield


@contextlib.contextmanager
def in_turn(what: str, patience: float) -> Iterator[None]:
    """Wait for whoever does the same, so that a host does not do everything at once, but not for one that is stuck."""
    with locks.held(lock_of(what), patience):
        yield


def tell(team: str, told: dict[str, Any]) -> None:
    """Keep what a backup came to for who has started it, until the host is switched off."""
    paths.HERE.turns.mkdir(mode=0o700, exist_ok=True)
    part = paths.HERE.turns / f"{team}.part"
    part.write_text(json.dumps({"invocation": os.environ.get("INVOCATION_ID", ""), "told": told}), encoding="utf-8")
    part.replace(paths.HERE.turns / f"{team}.told")


def told_by(team: str, invocation: str) -> dict[str, Any]:
    """Return what a team's backup came to that systemd knows by this name."""
    try:
        kept = json.loads((paths.HERE.turns / f"{team}.told").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    if not invocation or kept.get("invocation") != invocation:
        return {"team": team, "failure": "another backup has begun since, or /run is full; try again"}
    return dict(kept["told"])


def note(team: str, what: str, found: dict[str, Any]) -> None:
    """Keep what a team's last backup, or drill, came to."""
    noted = paths.HERE.noted
    noted.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = noted / f"{team}.{what}.part"
    part.write_text(json.dumps(found), encoding="utf-8")
    part.replace(noted / f"{team}.{what}.json")


def is_noted(team: str, what: str) -> bool:
    """Say whether there is such a note."""
    return (paths.HERE.noted / f"{team}.{what}.json").exists()


def noted(team: str, what: str) -> dict[str, Any] | None:
    """Return it; None where there is none that can be read."""
    try:
        return dict(json.loads((paths.HERE.noted / f"{team}.{what}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def lock_of(what: str) -> Path:
    """Return where the lock is of who does something."""
    paths.HERE.turns.mkdir(mode=0o700, exist_ok=True)
    return paths.HERE.turns / f"{what}.lock"
