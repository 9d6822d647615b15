"""Puts what was restored in the place of what is there, which is kept aside, and takes it back again.

Everything is a rename within one file system, or a database of PostgreSQL that is replaced in one transaction. What
is to be done stands in a plan, and each step sees whether it has been done: so it can be undone from anywhere.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mlflowctl import databases, paths, trees
from mlflowctl import team as teams
from mlflowctl.backup.restic import refuse_full
from mlflowctl.databases import marks, sqlite
from mlflowctl.files import sync, write_private
from mlflowctl.program import lasting
from mlflowctl.team import Team

# A unit's view of its own directories is one of mounts, which nothing can be renamed across: undone in a unit's
# ExecStartPre=, it has to be done from outside of it.
OUTSIDE = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect"]

Place = dict[str, Any]


def workplace(path: Path, name: str) -> Path:
    """Return where files can be gathered that are to be renamed to a path: near, and if possible root's alone."""
    device = device_of(path)
    for parent in path.parents:
        facts = os.lstat(parent) if parent.exists() else None
        if facts and facts.st_dev != device:
            break
        if facts and facts.st_uid == os.geteuid() and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return parent / f".{name}.restore"
    return (path if os.path.ismount(path) else path.parent) / f".{name}.restore"


def device_of(path: Path) -> int:
    """Return the file system that a path is on, or would be."""
    while not path.exists():
        path = path.parent
    return os.stat(path).st_dev


def place(live: Path, new: Path | None, work: Path, beside: tuple[str, ...] = ()) -> Place:
    """Say what is to come in the place of what; new is None where nothing is.

    With what goes with it: files beside it whose names end so.
    """
    former = work / "former" / str(live).lstrip("/")
    return {"live": str(live), "new": str(new) if new else None, "former": str(former), "beside": list(beside)}


def directory_places(live: Path, new: Path, work: Path) -> Iterator[Place]:
    """A directory is renamed; one that a disk is mounted on cannot be, and all that is in it is."""
    if not os.path.ismount(live):
        yield place(live, new, work)
        return
    for name in sorted({*os.listdir(live), *os.listdir(new)} - {work.name, "lost+found"}):
        yield place(live / name, new / name if os.path.lexists(new / name) else None, work)


def refuse_links(path: Path) -> None:
    """Raise where anybody but root has made a link of a directory on the way: a rename would go through it."""
    for parent in reversed(path.parents):
        if parent.is_symlink() and os.lstat(parent).st_uid != os.geteuid():
            raise OSError(f"{parent} has become a link; put the directory back, and restore again")


def file_place(live: str, new: Path, work: Path) -> Place:
    """A SQLite database, with what a server may have left beside it."""
    return place(Path(live), new, work, tuple(sqlite.files("")[1:]))


def switch(team: Team, plan: dict[str, Any]) -> None:
    """Put what is new in its place; what is there is what is there now, when no server runs.

    What is new comes when all of the former is gone: from then on, what stands beside it is its own.
    """
    for it in plan["places"]:
        for ending in ("", *it["beside"]):
            move_if_there(it["live"] + ending, it["former"] + ending)
        if it["new"]:
            move(it["new"], it["live"])
    for it in plan["postgresql"]:
        # In a database that was empty, nothing could be said before.
        mark = marks.text(team.replica, "a restore") if team.leader else None
        new, begun = Path(it["new"]), Path(it["begun"])
        watch = partial(refuse_full, new.parent)
        databases.restore(team, it["database"], new, mark, watch, begins=partial(write_private, begun, b""))


def switch_back(team: Team, plan: dict[str, Any]) -> None:
    """Undo as much of it as has been done."""
    for it in reversed(plan["places"]):
        if it["new"] and not os.path.lexists(it["new"]):
            # That it is there again comes last, and says that all of it is gone.
            for ending in (*it["beside"], ""):
                move_if_there(it["live"] + ending, it["new"] + ending)
        for ending in (*it["beside"], ""):
            if os.path.lexists(it["former"] + ending):
                # Whatever a server has made there since.
                move_if_there(it["live"] + ending, f"{it['former']}{ending}.new")
                move(it["former"] + ending, it["live"] + ending)
    for it in plan["postgresql"]:
        # Plans of before did not note it.
        is_begun = "begun" not in it or os.path.lexists(it["begun"])
        if is_begun and not databases.taken_over(team, it["database"]):
            databases.restore(team, it["database"], Path(it["former"]))


def undoing(plan: Path) -> list[str]:
    """Return the command that undoes a plan, wherever it is run."""
    return [*OUTSIDE, *lasting(), "put-back", str(plan)]


def move(source: str, target: str) -> None:
    """Rename, so that a power cut does not undo it."""
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    os.rename(source, target)
    sync(os.path.dirname(target))
    sync(os.path.dirname(source))


def move_if_there(source: str, target: str) -> None:
    """Rename what there may be."""
    if os.path.lexists(source):
        move(source, target)


def dumps(name: str) -> Path:
    """Return where dumps of PostgreSQL stand for a team's account, which cannot go where root's other files are."""
    return paths.HERE.changes / f"{name}.dumps"


def let_in(shop: Path, group: int) -> None:
    """Let the account read what root has put there, and make files beside that; what is root's it cannot exchange."""
    for path in shop.iterdir():  # before the account can be there
        os.chown(path, os.geteuid(), group)
        path.chmod(0o640)
    os.chown(shop, os.geteuid(), group)
    shop.chmod(0o1770)


def take(shop: Path, name: str, group: int) -> None:
    """Make root's what the account has put there, and let it read that."""
    folder = os.open(shop, trees.DIRECTORY)
    try:
        with trees.open_file(folder, name) as file:
            os.fchown(file.fileno(), os.geteuid(), group)
            os.fchmod(file.fileno(), 0o640)
    finally:
        os.close(folder)


def write_plan(plan: dict[str, Any]) -> Path:
    """Write a plan where switch_back is to find it."""
    path: Path = paths.HERE.restores / plan["team"] / "plan.json"
    write_private(path, json.dumps(plan).encode())
    return path


def main(plan: str) -> None:
    """Undo what stands in a plan."""
    known = json.loads(Path(plan).read_text(encoding="utf-8"))
    switch_back(teams.load(known["team"], Path(known["config_dir"])), known)
