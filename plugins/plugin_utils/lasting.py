# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file on the controller is still there after the run: an execution environment is a container."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

# Where podman and Docker say that this is a container; pods know it from their environment.
MARKS = ("/run/.containerenv", "/.dockerenv")
POD = "KUBERNETES_SERVICE_HOST"
# What a container has for itself; volumes are of other kinds.
OWN_KINDS = {"overlay", "fuse.fuse-overlayfs", "tmpfs", "ramfs"}
# Jobs of AWX and of the Automation Controller have a directory that goes with them, of any kind.
JOB, JOB_DIR = "JOB_ID", "/runner"
OCTAL = re.compile(r"\\([0-7]{3})")


def goes_with_the_run(path: str, environment: t.Mapping[str, str], root: str = "/") -> bool:
    """Whether nothing of what is written at a path is left when the container of the run is removed.

    C(root) is where the marks and the table of mounts are looked for.
    """
    inside = any(Path(root, mark[1:]).exists() for mark in MARKS) or POD in environment
    if not inside:
        return False
    # Links are followed: what counts is where it comes to be.
    real = os.path.realpath(path)
    if JOB in environment and _below(real, JOB_DIR):
        return True
    mounts = Path(root, "proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return _kind(real, map(_mount, mounts)) in OWN_KINDS


def _mount(line: str) -> tuple[str, str]:
    """A mount's place and kind; see proc_pid_mountinfo(5)."""
    before, _dash, after = line.partition(" - ")
    place = OCTAL.sub(lambda found: chr(int(found[1], 8)), before.split()[4])
    return place, after.split()[0]


def _kind(path: str, mounts: t.Iterable[tuple[str, str]]) -> str:
    """The kind of the mount that a path is in: the innermost one, and of several the last."""
    found = ("", "")
    for place, kind in mounts:
        if _below(path, place) and len(place) >= len(found[0]):
            found = (place, kind)
    return found[1]


def _below(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")
