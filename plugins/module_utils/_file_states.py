# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is at a path of a host, what is wanted there, and how the one becomes the other."""

from __future__ import annotations

import os
import time
import typing as t
from grp import getgrnam
from pwd import getpwnam
from stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG

from ansible_collections.mlops.mlflow.plugins.module_utils._folders import Folders
from ansible_collections.mlops.mlflow.plugins.module_utils._private_files import (
    discard,
    draft_of,
    is_left,
    link_into,
    write_into,
)
from ansible_collections.mlops.mlflow.plugins.module_utils._programs import (
    build,
    is_whole,
    refuse_paths,
    remove_others,
    target_of,
)

HIDDEN = "(content not shown)\n"
# Seconds by which a file server's clock may be ahead of the host's.
TOLERANCE = 5

Spec = t.Dict[str, t.Any]
Facts = t.Dict[str, t.Any]


class Lost(Exception):
    """Another run has made the file that was only to be made where there is none."""


class Files:
    """The files of a host, reached through directories that stay open."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders

    def observe(self, path: str, after: Facts | None = None) -> Facts:
        """What is at a path now; the wanted state is described in the same words."""
        facts: Facts = {"state": "absent"}
        try:
            folder, name = self.folders.place_of(path)
        except FileNotFoundError:
            return facts
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            status = None
        self.folders.refuse_strangers(path, status, after or facts)
        if status and S_ISLNK(status.st_mode):
            facts = {"state": "link", "target": os.readlink(name, dir_fd=folder)}
        elif status:
            mode = S_IMODE(status.st_mode)
            facts = {"state": "other", "owner": status.st_uid, "group": status.st_gid, "mode": f"{mode:04o}"}
            if S_ISDIR(status.st_mode):
                return {**facts, "state": "directory"}
            if S_ISREG(status.st_mode):
                with open(reopen(folder, name, os.O_NONBLOCK, facts), "rb") as file:
                    facts.update(state="file", content=file.read().decode("utf-8", "replace"))
        if status and status.st_mtime > time.time() + TOLERANCE:
            # For those who compare it with when they read the file, it would be news at each run.
            facts["modified"] = "in the future"
        if is_left(folder, draft_of(name)):
            facts["left"] = draft_of(name)
        return facts

    def has_changed(self, path: str, present: Facts, files: t.Dict[str, str]) -> bool:
        """Whether somebody has changed a program since it was brought."""
        folder, _name = self.folders.place_of(path)
        return not is_whole(folder, present["target"], files)

    def apply(self, path: str, present: Facts, after: Facts, force: bool = True) -> None:
        state = after["state"]
        if state == "directory" and present["state"] == "absent":
            self.folders.make(path)
        folder, name = self.folders.place_of(path)
        if "left" in present:
            discard(folder, present["left"])
        if present["state"] in ("file", "link") and state in ("absent", "directory"):
            os.unlink(name, dir_fd=folder)
        if state == "directory":
            if present["state"] != "directory":
                os.mkdir(name, 0o700, dir_fd=folder)
                present = {"owner": os.geteuid()}
            give(reopen(folder, name, os.O_DIRECTORY, present), after)
            # It may be somebody else's from here on.
            self.folders.close()
        elif state == "file" and present.get("content") == after["content"]:
            # The same text keeps its time, by which readers know whether it is newer than they are.
            give(reopen(folder, name, os.O_NONBLOCK, present), after, now="modified" in present)
        elif state == "file":
            replace = force or present["state"] != "absent"
            if not write_into(folder, name, after["content"], lambda handle: change(handle, after), replace):
                raise Lost
        elif state == "link":
            link_into(folder, name, after["target"])

    def bring(self, path: str, present: Facts, after: Facts, files: t.Dict[str, str]) -> None:
        """Bring a program, then let the link lead to it, then let go of former ones."""
        folder, name = self.folders.place_of(path)
        build(folder, after["target"], files)
        link_into(folder, name, after["target"])
        remove_others(folder, name, [os.path.dirname(facts.get("target", "")) for facts in (present, after)])

    def time_of(self, path: str, present: Facts, after: Facts, check_mode: bool) -> float | None:
        """When the text or the link last changed, or would have."""
        if after["state"] not in ("file", "link"):
            return None
        said = [(facts.get("content"), facts.get("target")) for facts in (present, after)]
        if check_mode and (said[0] != said[1] or "modified" in present):
            return time.time()
        folder, name = self.folders.place_of(path)
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime


def reopen(folder: int, name: str, flags: int, facts: Facts) -> int:
    """Open what was looked at, or raise where it is something else by now."""
    handle = os.open(name, flags | os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    if os.fstat(handle).st_uid != facts["owner"]:
        os.close(handle)
        raise OSError("was exchanged for something else at this moment")
    return handle


def wanted(spec: Spec, text: str | None, check_mode: bool) -> Facts:
    """The facts that C(observe) is to find."""
    if spec["state"] == "absent":
        return {"state": "absent"}
    if spec["state"] == "link":
        return {"state": "link", "target": spec["target"]}
    if spec["state"] == "program":
        refuse_paths(spec["files"])
        return {"state": "link", "target": target_of(os.path.basename(spec["path"]), spec["files"])}
    facts: Facts = {
        "state": spec["state"],
        "owner": account_id(getpwnam, spec["owner"], check_mode),
        "group": account_id(getgrnam, spec["group"], check_mode),
        "mode": f"{int(spec['mode'], 8):04o}",
    }
    if spec["state"] == "file":
        facts["content"] = str(text)
    return facts


def account_id(find: t.Callable[[str], t.Any], name: str, check_mode: bool) -> int | str:
    try:
        return find(name)[2]
    except KeyError:
        # An earlier task would have made the account; its name is as good as its number in a diff.
        if check_mode:
            return name
        raise


def give(handle: int, after: Facts, now: bool = False) -> None:
    try:
        change(handle, after)
        if now:
            os.utime(handle)
    finally:
        os.close(handle)


def change(handle: int, after: Facts) -> None:
    os.fchown(handle, after["owner"], after["group"])
    os.fchmod(handle, int(after["mode"], 8))


def difference(path: str, present: Facts, after: Facts, secret: bool) -> Facts:
    """One entry of the diff: the attributes that differ, then the text unless it is secret."""
    sides = {}
    for side, facts, other in (("before", present, after), ("after", after, present)):
        lines = [f"{key}: {facts[key]}\n" for key in facts if key != "content" and facts[key] != other.get(key)]
        # What is removed may be a secret that the task has no text of.
        if after["state"] == "file" and present.get("content") != after["content"] and "content" in facts:
            lines.append(f"{side}: {HIDDEN}" if secret else facts["content"])
        sides[side] = "".join(lines)
    return {"before_header": path, "after_header": path, **sides}
