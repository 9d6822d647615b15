# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories opened part by part from the root, so that nobody but their owner says where a path leads.

Whoever can write a directory can exchange what is in it for a link at any moment. So a path leads on only through
directories that are root's alone, and whatever is done there is done to descriptors.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
import struct
import typing as t

PASSING = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# As many as a path may have in Linux.
MOST_LINKS = 40
# Directories that are kept open; a process may have 1024 descriptors.
MOST_OPEN = 64
# Root's own group, and Debian's for those who may install below /usr/local, from where root runs programs.
ROOTS_GROUPS = (0, 50)
# How Linux gives a list of more who may do something: a version, then for each what it is, its rights, and its number.
ACCESS_LIST = "system.posix_acl_access"
ACCESS_ENTRY = struct.Struct("<HHI")
NAMED_USER, NAMED_GROUP, MAY_WRITE = 0x02, 0x08, 0o2


class UnsafePathError(ValueError):
    """Why a path leads where somebody else could lead it; C(owner) is who, if it is a directory's owner."""

    def __init__(self, message: str, owner: int | None = None) -> None:
        super().__init__(message)
        self.owner = owner


def account_of(uid: int) -> str:
    """The account's name, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


class Folders:
    """Opens directories, and keeps those that were used last.

    C(also) is one more account whose directories lead on: for what is done with no more than its rights.
    """

    def __init__(self, also: int | None = None) -> None:
        self._owners = {0, os.geteuid() if also is None else also}
        self._makers_of_links = {0} if also is not None else self._owners
        self._open: dict[str, int] = {}

    def place_of(self, path: str) -> tuple[int, str]:
        """The open directory that a path is in, and its name there."""
        if not path.startswith("/"):
            raise UnsafePathError("is not an absolute path")
        above, name = os.path.split(_plain(path))
        if name in ("", ".."):
            raise UnsafePathError("names no file or directory in another")
        return self._inside(above), name

    def refuse_strangers(self, path: str, facts: os.stat_result | None, wanted: dict[str, t.Any]) -> None:
        """Where all may write, but none exchange what is others', as in /tmp, root has what is its own.

        What others have there they may exchange. Of a directory, that can only be for another one of theirs.
        """
        above = os.path.dirname(_plain(path))
        if not _is_shared(os.fstat(self._inside(above))):
            return
        theirs = wanted["state"] == "file" and wanted["owner"] not in self._owners
        if theirs:
            raise UnsafePathError(f"{above} can be written by all; a file that is not root's belongs elsewhere")
        if facts is None or (stat.S_ISDIR(facts.st_mode) and facts.st_uid == wanted.get("owner")):
            return
        if facts.st_uid not in self._owners:
            raise UnsafePathError(f"{above} can be written by all, and this is {account_of(facts.st_uid)}'s; remove it")
        if facts.st_nlink > 1 and not stat.S_ISDIR(facts.st_mode):
            raise UnsafePathError(f"{above} can be written by all, and this file has another name too; remove it")

    def make(self, path: str) -> None:
        """Make the directories that are missing above a path."""
        above = os.path.dirname(_plain(path))
        try:
            self._inside(above)
        except FileNotFoundError:
            self.make(above)
            folder, name = self.place_of(above)
            os.mkdir(name, 0o700, dir_fd=folder)
            handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                # Whatever the umask: who owns the directory below has to get there.
                os.fchmod(handle, 0o755)
            finally:
                os.close(handle)

    def close(self) -> None:
        """Forget what was open, as after a change of who may write where."""
        for handle in self._open.values():
            os.close(handle)
        self._open.clear()

    def _inside(self, path: str) -> int:
        """Open a directory that names may be looked up in."""
        handle = self._get(path, MOST_LINKS)
        self._refuse_others(handle, path)
        return handle

    def _get(self, path: str, links: int) -> int:
        handle = self._open.pop(path, None)
        if handle is None:
            handle = self._lead_on(path, links) if path != "/" else os.open("/", PASSING)
            if len(self._open) >= MOST_OPEN:
                os.close(self._open.pop(next(iter(self._open))))
        # The last of a dictionary is what was put into it last.
        self._open[path] = handle
        return handle

    def _lead_on(self, path: str, links: int) -> int:
        """Open a directory in the one above it."""
        above, name = os.path.split(path)
        folder = self._get(above, links)
        self._refuse_others(folder, above)
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(facts.st_mode):
            if facts.st_uid not in self._makers_of_links:
                raise UnsafePathError(f"{path} is a link of {account_of(facts.st_uid)}'s, which is not followed")
            if links == 0:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = os.readlink(name, dir_fd=folder)
            return os.dup(self._get(_plain(os.path.join(above, target)), links - 1))
        if not stat.S_ISDIR(facts.st_mode):
            raise UnsafePathError(f"{path} is not a directory")
        return os.open(name, PASSING, dir_fd=folder)

    def _further(self, handle: int) -> t.Iterator[str]:
        """Who else may write a directory. With such a list, the rights of the group are the most that it can give."""
        try:
            found = os.getxattr(f"/proc/self/fd/{handle}", ACCESS_LIST)
        except OSError:
            # There is none, or the file system knows of none.
            return
        for kind, rights, number in ACCESS_ENTRY.iter_unpack(found[4:]):
            if kind == NAMED_USER and rights & MAY_WRITE and number not in self._owners:
                yield account_of(number)
            elif kind == NAMED_GROUP and rights & MAY_WRITE and number not in ROOTS_GROUPS:
                yield f"the group {_group_of(number)}"

    def _refuse_others(self, handle: int, path: str) -> None:
        facts = os.fstat(handle)
        who, owner = None, None
        if facts.st_uid not in self._owners:
            who, owner = f"belongs to {account_of(facts.st_uid)}", facts.st_uid
        elif not facts.st_mode & stat.S_ISVTX:
            if facts.st_mode & stat.S_IWOTH:
                who = "can be written by everybody"
            elif facts.st_mode & stat.S_IWGRP and facts.st_gid not in ROOTS_GROUPS:
                who = f"can be written by the group {_group_of(facts.st_gid)}"
            elif facts.st_mode & stat.S_IWGRP:
                who = next((f"can be written by {name}, by its access list" for name in self._further(handle)), None)
        if who:
            raise UnsafePathError(
                f"{path} {who}, so that a path through it leads wherever they like; "
                "let it be root's alone, or name another place",
                owner,
            )


def _plain(path: str) -> str:
    """Without parts that say nothing. What .. is depends on what is before it, and is looked up like a name."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def _is_shared(facts: os.stat_result) -> bool:
    return bool(facts.st_mode & stat.S_ISVTX and facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _group_of(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
