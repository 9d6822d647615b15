"""Keeps a team's settings, and its part of its units, beside them while others are tried, and puts them back.

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
SETTINGS = "settings"
# Directories with what is the team's own of its units, and the names of what the role writes there.
UNITS = ("mlflow@{}.service.d", "mlflow-listen@{}.service.d", "mlflow-listen@{}.socket.d", "mlflow-gc@{}.service.d")
PARTS = {f"{part}.conf" for part in ("listen", "idle", "network", "resources", "storage", "replica", "stores")}


class SettingsError(Problem):
    """Why they could not be kept or put back."""


def kept(name: str) -> Path:
    """Where they are meanwhile."""
    return paths.HERE.changes / f"{name}.settings"


def homes(name: str) -> dict[str, Path]:
    """Where they belong, by what that is called where they are kept; the settings last."""
    units = [unit.format(name) for unit in UNITS]
    return {**{unit: paths.HERE.units / unit for unit in units}, SETTINGS: paths.HERE.config / name}


def keep(name: str) -> None:
    """Keep them, whole or not at all; what a run that was cut off has kept is older."""
    transaction.make_home()
    forget(name)
    part = kept(name).with_suffix(".settings-part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    for what, home in homes(name).items():
        if home.is_dir():
            (part / what).mkdir(mode=0o700)
            for path in sorted(home.iterdir()):
                # What others have put into a unit is theirs.
                if what == SETTINGS or path.name in PARTS:
                    copied(path, part / what / path.name)
            sync(str(part / what))
    sync(str(part))
    part.rename(kept(name))
    sync(str(paths.HERE.changes))


def put_back(name: str) -> bool:
    """Put them back, and forget them; say whether there were any, since else they are where they belong."""
    if not kept(name).is_dir():
        return False
    for what, home in homes(name).items():
        mine = kept(name) / what
        # What has come since.
        for path in [it for it in home.glob("*.conf") if it.name in PARTS and not (mine / it.name).exists()]:
            path.unlink()
        if not mine.is_dir():
            continue
        home.mkdir(exist_ok=True)
        for path in sorted(mine.iterdir(), key=lambda path: (path.name == LAST, path.name)):
            part = home / f".{path.name}.back"
            copied(path, part)
            part.rename(home / path.name)
        sync(str(home))
    forget(name)
    return True


def forget(name: str) -> None:
    """Remove what was kept, and what is left of putting it back."""
    for home in homes(name).values():
        for path in home.glob(".*.back"):
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
