# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which environments of a host are complete, and who else than root could exchange what is in them."""

from __future__ import annotations

import glob
import grp
import hashlib
import os
import pwd
import stat
import subprocess
import typing as t

# Seconds that Python may take to begin, also on a host with much to do.
PATIENCE = 120


def exposed(directory: str) -> list[str]:
    """What others could exchange, up to the root, as it is named and on the way that links lead.

    What is not there yet will be root's.
    """
    found: list[str] = []
    for begin in (directory, os.path.realpath(directory)):
        way = begin
        while way != os.path.dirname(way):
            if os.path.exists(way) and _is_loose(os.lstat(way)):
                found.append(f"{way} ({_owners(os.lstat(way))})")
            way = os.path.dirname(way)
    return list(dict.fromkeys(found))


def complete(directory: str, marker: str, works: str) -> dict[str, str]:
    """What the environments there are made of that can run MLflow, as a sum of the marker of each, by version."""
    found = {}
    for path in sorted(glob.glob(os.path.join(glob.escape(directory), "*", glob.escape(marker)))):
        environment = os.path.dirname(path)
        if _works(environment, works):
            with open(path, "rb") as file:
                found[os.path.basename(environment)] = hashlib.sha256(file.read()).hexdigest()
    return found


def workshops(directory: str) -> list[str]:
    """What builds have there that are under way, or were cut off; a former environment, too, which one has replaced."""
    found = [path for end in ("new", "old") for path in glob.glob(f"{glob.escape(directory)}/.[0-9]*.{end}")]
    return sorted(filter(os.path.isdir, found))


def _works(environment: str, works: str) -> bool:
    """Ask the function of the shell that whoever builds environments asks, too."""
    command = ["sh", "-c", f'{works}\nworks "$1"', "works", environment]
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        # Whether it works is not known then, and one that does would be built again.
        raise ValueError(f"{environment}/bin/python: does not come to its end within {PATIENCE} seconds") from error
    return ran.returncode == 0


def _is_loose(found: os.stat_result) -> bool:
    """Whether others could exchange what it leads to.

    With the sticky bit, as /tmp has it, nobody exchanges what is somebody else's. The mode of a link means nothing.
    """
    if found.st_uid not in (0, os.geteuid()):
        return True
    if stat.S_ISLNK(found.st_mode) or found.st_mode & stat.S_ISVTX:
        return False
    return bool(found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and found.st_gid != 0))


def _owners(found: os.stat_result) -> str:
    """As C(nobody:root 755)."""
    user = _name(lambda: pwd.getpwuid(found.st_uid).pw_name)
    group = _name(lambda: grp.getgrgid(found.st_gid).gr_name)
    return f"{user}:{group} {stat.S_IMODE(found.st_mode):o}"


def _name(ask: t.Callable[[], str]) -> str:
    try:
        return ask()
    except KeyError:
        return "UNKNOWN"
