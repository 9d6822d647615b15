# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MLflow's client reads in a user's home: looked at, and written, with the rights of that user."""

from __future__ import annotations

import os
import typing as t
from stat import S_IMODE, S_ISDIR, S_ISREG

from ansible_collections.mlops.mlflow.plugins.module_utils._private_files import draft_of, write_private
from ansible_collections.mlops.mlflow.plugins.module_utils._profiles import MARK

DEFAULT = "default.env"
# Bytes of a file that could have been written here, and how many such files a user may have.
LARGEST = 64 << 10
MOST_FILES = 500
# Names that are looked at in a user's directory.
MOST_NAMES = 10_000


class ObstacleError(ValueError):
    """What stands where a file is to be."""


def read(path: str) -> tuple[str, int] | None:
    """Text and mode of a file, following the user's links; None where there is none.

    Whatever else the user may have there: nothing is waited for, and no more is read than could be ours.
    """
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        return None
    if not S_ISREG(facts.st_mode):
        raise ObstacleError(f"{path} is not a file; remove it")
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        facts = os.fstat(handle)
        if not S_ISREG(facts.st_mode):
            raise ObstacleError(f"{path} is not a file; remove it")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ObstacleError(f"{path} has more than {LARGEST >> 10} KiB; make it smaller, or remove it")
    return content.decode("utf-8", "surrogateescape"), S_IMODE(facts.st_mode)


def write(path: str, text: str) -> None:
    """Through a link that the user may keep there, and readable by nobody else at any moment."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    write_private(os.path.realpath(path), text, lambda descriptor: os.fchmod(descriptor, 0o600))


def is_directory(path: str) -> bool:
    """Whether there is one; raises for anything else."""
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        if os.path.islink(path):
            raise ObstacleError(f"{path} is a link to nowhere; remove it") from None
        return False
    if not S_ISDIR(facts.st_mode):
        raise ObstacleError(f"{path} is not a directory; remove it")
    return True


class Home:
    """The files of one user, of whom some teams' are wanted."""

    def __init__(self, path: str, wanted: t.Collection[str]) -> None:
        self.directory = os.path.join(path, ".config", "mlflow")
        self.default = os.path.join(self.directory, DEFAULT)
        self.credentials = os.path.join(path, ".mlflow", "credentials")
        if wanted and not os.path.isdir(path):
            raise ObstacleError(f"their home {path} is not there; make it, or take them out")
        if wanted:
            is_directory(os.path.dirname(self.credentials))
        self.present: dict[str, tuple[str, int]] = {}
        self.left: list[str] = []
        for name in self._names() if os.path.isdir(self.directory) or (wanted and is_directory(self.directory)) else []:
            self._look_at(name, wanted)
        draft = os.path.join(os.path.dirname(self.credentials), draft_of("credentials"))
        if os.path.lexists(draft):
            self.left.append(draft)

    def file_of(self, team: str) -> str:
        return os.path.join(self.directory, f"{team}.env")

    def _names(self) -> list[str]:
        """All in the directory that could have been written here."""
        found = []
        with os.scandir(self.directory) as entries:
            for number, entry in enumerate(entries):
                if entry.name.endswith((".env", draft_of("env"))) and entry.name != DEFAULT:
                    found.append(entry.name)
                if number > MOST_NAMES or len(found) > MOST_FILES:
                    limit = f"{MOST_FILES} files of variables" if number <= MOST_NAMES else f"{MOST_NAMES} files"
                    raise ObstacleError(f"{self.directory} has more than {limit}; remove those that are of no use")
        return sorted(found)

    def _look_at(self, name: str, wanted: t.Collection[str]) -> None:
        path = os.path.join(self.directory, name)
        team = name[: -len(".env")] if name.endswith(".env") else None
        try:
            found = read(path)
        except (OSError, ObstacleError):
            if team in wanted:
                raise
            # Nobody who works with MLflow could read it either.
            return
        if not found:
            return
        if team is not None and (team in wanted or found[0].startswith(MARK)):
            self.present[team] = found
        elif team is None and (found[0].startswith(MARK) or MARK.startswith(found[0])):
            self.left.append(path)
