"""Keeps a team's settings beside them while others are tried, and puts them back.

Each file is whole at any time. What says where the team has its data, team.json, goes last: as long as it names the new
places, all else that is declared is there, or is written by the next run.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from mlflowctl import commands, paths, transaction
from mlflowctl.errors import Problem
from mlflowctl.files import sync

LAST = "team.json"


class SettingsError(Problem):
    """Why they could not be kept or put back."""


def kept(name: str) -> Path:
    """Where they are meanwhile."""
    return paths.HERE.changes / f"{name}.settings"


def keep(name: str) -> None:
    """Keep them, whole or not at all; what a run that was cut off has kept is older."""
    transaction.make_home()
    forget(name)
    part = kept(name).with_suffix(".settings-part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    for path in sorted((paths.HERE.config / name).iterdir()):
        copied(path, part / path.name)
    sync(str(part))
    part.rename(kept(name))
    sync(str(paths.HERE.changes))


def put_back(name: str) -> None:
    """Put them back, and forget them; without any, they are where they belong."""
    if not kept(name).is_dir():
        return
    home = paths.HERE.config / name
    for path in sorted(kept(name).iterdir(), key=lambda path: (path.name == LAST, path.name)):
        part = home / f".{path.name}.back"
        copied(path, part)
        part.rename(home / path.name)
    sync(str(home))
    forget(name)


def forget(name: str) -> None:
    """Remove what was kept, and what is left of putting it back."""
    for path in (paths.HERE.config / name).glob(".*.back"):
        path.unlink()
    if kept(name).exists():
        shutil.rmtree(kept(name))
        sync(str(paths.HERE.changes))


def copied(path: Path, to: Path) -> None:
    """Copy a file, or a link as it is, with its owner and its mode."""
    command = ["cp", "-a", "-T", "--remove-destination", str(path), str(to)]
    commands.printed(command, lambda said: SettingsError(f"{path}: {said}"), commands.WORK_SECONDS)
    if not to.is_symlink():
        sync(str(to))
