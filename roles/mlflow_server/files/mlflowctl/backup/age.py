"""Fails when a team's newest snapshot is too old, whatever the reason: also where nothing has begun that could fail."""

from __future__ import annotations

import os
import time

from mlflowctl import paths
from mlflowctl import team as teams
from mlflowctl.backup.repository import Repository, Settings, settings
from mlflowctl.backup.restic import BackupError
from mlflowctl.backup.times import AHEAD
from mlflowctl.turns import is_noted, note

# Where it stands that a team's backups begin by themselves. Those of one that has moved begin on another host.
WANTS = "timers.target.wants"
# What a team has from its first run on, or since it was restored.
FIRST = "secrets.env"


def too_old(known: Settings, name: str) -> str:
    """Say how old a team's newest snapshot is, where that is too old; a team that is younger than that has time."""
    return looked_at(known, name)[0]


def looked_at(known: Settings, name: str) -> tuple[str, float | None]:
    """Return what is wrong with a team's newest snapshot, and how old that is. Writes nothing."""
    look = f"systemctl status mlflow-backup@{name}.timer mlflow-backup@{name}.service"
    try:
        begins = os.path.lexists(paths.HERE.units / WANTS / f"mlflow-backup@{name}.timer")
        age = Repository(known, name).age(any_host=not begins)
        there_for = time.time() - os.stat(paths.HERE.config / name / FIRST).st_ctime
        if there_for < -AHEAD.total_seconds():
            # A clock was ahead then, and nobody can tell since when it is there.
            there_for = float("inf")
    except (BackupError, OSError) as error:
        return f"{name}: it cannot be seen how old its newest snapshot is: {error}", None
    if age is None and there_for > known.max_age:
        return f"{name}: it has no snapshot; {look}", None
    if age is not None and age > known.max_age:
        hours = f"{age / 3600:.0f} hours old, and may be {known.max_age / 3600:.0f}"
        return f"{name}: its newest snapshot is {hours}; {look}", age
    return "", age


def main(*names: str) -> None:
    """Look at all teams of the host that are to have backups."""
    known = settings()
    found = []
    for name in (it for it in names or teams.names() if it not in known.exclude):
        said, age = looked_at(known, name)
        found += [said] if said else []
        if age is not None and not is_noted(name, "backup"):
            # Made by another host, or before backups were noted.
            note(name, "backup", {"began": time.time() - age})
    if found:
        raise BackupError("\n".join(found))
