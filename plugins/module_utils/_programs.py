# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of several files that comes to a host as a whole: a directory for each version, and a link to the one.

The directory is named by a digest of what is in it, and made aside. So the link never leads to half of one, and who
runs goes on with the version that it began with: the former one stays, and whatever a process still uses.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import stat
import typing as t

PROCESSES = "/proc"
# What Python writes beside the files that it loads.
CACHE = "__pycache__"
LENGTH = 16

Files = t.Dict[str, str]


def target_of(name: str, files: Files) -> str:
    """Where the link of a program leads: into its version, to what has the program's own name there."""
    told = hashlib.sha256()
    for path in sorted(files):
        for text in (path.encode(), files[path].encode("utf-8", "surrogateescape")):
            told.update(f"{len(text)}:".encode() + text)
    return f"{name}-{told.hexdigest()[:LENGTH]}/{name}"


def refuse_paths(files: Files) -> None:
    """Raise for names that lead elsewhere."""
    for path in files:
        if os.path.isabs(path) or not set(path.split("/")).isdisjoint(("", ".", "..", CACHE)):
            raise ValueError(f"'{path}' is not a path below a directory")


def is_whole(folder: int, target: str, files: Files) -> bool:
    """Whether all files of a version are there as they are to be, and no others."""
    root, found = _path(folder, target), {}
    try:
        for above, folders, names in os.walk(root, onerror=_raise):
            folders[:] = [name for name in folders if name != CACHE]
            for path in (above, *(os.path.join(above, name) for name in names)):
                facts = os.lstat(path)
                if facts.st_uid != os.geteuid() or facts.st_mode & 0o022 or stat.S_ISLNK(facts.st_mode):
                    return False
            for name in names:
                with open(os.path.join(above, name), "rb") as file:
                    found[os.path.relpath(file.name, root)] = file.read()
    except OSError:
        return False
    return found == {path: text.encode("utf-8", "surrogateescape") for path, text in files.items()}


def build(folder: int, target: str, files: Files) -> None:
    """Make a version, unless another run was quicker; one that somebody has changed is made anew."""
    version, _slash, name = target.partition("/")
    with _alone(folder):
        if is_whole(folder, target, files):
            return
        aside, broken = (_path(folder, f".{version}.{what}") for what in ("new", "old"))
        for path in (aside, broken):
            shutil.rmtree(path, ignore_errors=True)
        for path in sorted(files):
            _write(aside, os.path.join(name, path), files[path])
        for above, _folders, _names in os.walk(aside, topdown=False):
            os.chmod(above, 0o755)  # noqa: S103 - the teams' accounts run parts of it, too
            _sync(above)
        if os.path.lexists(_path(folder, version)):
            os.rename(_path(folder, version), broken)
        os.rename(aside, _path(folder, version))
        _sync(_path(folder, "."))
        shutil.rmtree(broken, ignore_errors=True)


def remove_others(folder: int, name: str, kept: t.Container[str]) -> None:
    """Remove all versions but some, and but those that a process uses; what killed runs have left, too."""
    one = re.compile(rf"\.?{re.escape(name)}-[0-9a-f]{{{LENGTH}}}(\.new|\.old)?")
    with _alone(folder):
        found = [it for it in os.listdir(_path(folder, ".")) if one.fullmatch(it) and it not in kept]
        for version in found and _unused(found):
            shutil.rmtree(_path(folder, version), ignore_errors=True)


def _unused(versions: list[str]) -> list[str]:
    """Those that no process has open, and none was started from."""
    for process in filter(str.isdecimal, os.listdir(PROCESSES)):
        said = ""
        # It may have ended.
        with contextlib.suppress(OSError), open(f"{PROCESSES}/{process}/cmdline", "rb") as file:
            said = os.fsdecode(file.read())
        with contextlib.suppress(OSError):
            for number in os.listdir(f"{PROCESSES}/{process}/fd"):
                with contextlib.suppress(OSError):
                    said += "\0" + os.readlink(f"{PROCESSES}/{process}/fd/{number}")
        versions = [version for version in versions if f"/{version}/" not in said]
    return versions


def _write(root: str, path: str, text: str) -> None:
    place = os.path.join(root, path)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
        os.fchmod(handle, 0o644)
        file.flush()
        os.fsync(handle)


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _path(folder: int, name: str) -> str:
    """A path in an open directory that nobody but root can write."""
    return f"/proc/self/fd/{folder}/{name}"


@contextlib.contextmanager
def _alone(folder: int) -> t.Iterator[None]:
    """Wait for another run that is at the same place."""
    handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _raise(error: OSError) -> None:
    raise error
