"""What root does in directories that a team could write to: by descriptors, so that no link of its leads out of them.

Whoever calls this has seen to it that nobody of the team's runs any more (processes.py). What it has made before is
still there.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from mlflowctl import commands

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class LinkError(OSError):
    """A directory is none, and what stands there leads to another."""


def open_directory(path: Path, own: Iterable[Path]) -> int:
    """Open a directory part by part; its own are all directories of the team.

    Root may have put a link in place of one of them, or above. Below the outermost every link may be the team's, also
    one that has become root's with all the rest.
    """
    outer = min((len(it.parts) for it in own if path.is_relative_to(it)), default=len(path.parts))
    handle = os.open("/", DIRECTORY)
    for number, name in enumerate(path.parts[1:], 2):
        try:
            following = step(handle, name, number <= outer, path)
        finally:
            os.close(handle)
        handle = following
    return handle


def step(folder: int, name: str, trusted: bool, path: Path) -> int:
    """Open the next directory on a path."""
    try:
        return os.open(name, DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    except NotADirectoryError:
        facts = os.lstat(name, dir_fd=folder)
        if not stat.S_ISLNK(facts.st_mode):
            raise
        if trusted and facts.st_uid == os.geteuid():
            return os.open(name, DIRECTORY, dir_fd=folder)
        raise LinkError(f"{path}: {name} has become a link") from None


def open_file(folder: int, name: str) -> IO[bytes]:
    """Open a file of a directory; no link is followed, and no pipe waited for."""
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{name} is not a regular file")
    return os.fdopen(handle, "rb")


def walk(
    root: int, changing: bool = False, but: tuple[type[OSError], ...] = (), deepest: int = sys.maxsize
) -> Iterator[tuple[int, os.stat_result, tuple[str, ...]]]:
    """Yield all below a directory, however deep: each with the directory it is in, and the parts of its path.

    Where people go on changing it, what has gone meanwhile is none of it, and neither is what fails by one of these, or
    is deeper than that: each directory is opened from the first one on.
    """
    gone: tuple[type[OSError], ...] = (FileNotFoundError, NotADirectoryError, *but) if changing else but
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        above = waiting.pop()
        folder = os.dup(root)
        try:
            for part in above:
                following = os.open(part, DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = following
            for name in sorted(os.listdir(folder)):
                with contextlib.suppress(*gone):
                    facts = os.lstat(name, dir_fd=folder)
                    if stat.S_ISDIR(facts.st_mode) and len(above) < deepest:
                        waiting.append((*above, name))
                    yield folder, facts, (*above, name)
        except gone:
            continue
        finally:
            os.close(folder)


def change_owner(path: Path, own: Iterable[Path], former: str | None, owner: str, mode: int | None = None) -> None:
    """Give what the former owner has there to another; what is of others, behind a second name, stays theirs.

    With a mode, the directory has that before: whom its owner has let in, by an access list too, does not come with it.
    """
    handle = open_directory(path, own)
    try:
        if mode is not None:
            os.fchmod(handle, mode)
        was = former or str(os.fstat(handle).st_uid)
        within(handle, "chown", "--recursive", "--no-dereference", f"--from={was}", owner, "--", ".")
    finally:
        os.close(handle)


def remove(path: Path, own: Iterable[Path]) -> None:
    """Remove a directory; one that is mounted, or that root has put a link to, stays as root's with nothing in it."""
    folder = open_directory(path.parent, own)
    try:
        handle = open_directory(path, own)
        try:
            within(handle, "find", ".", "-mindepth", "1", "-delete")
            named = os.lstat(path.name, dir_fd=folder)
            if stat.S_ISDIR(named.st_mode) and os.fstat(handle).st_dev == os.fstat(folder).st_dev:
                os.rmdir(path.name, dir_fd=folder)
            else:
                os.fchown(handle, 0, 0)
        finally:
            os.close(handle)
    finally:
        os.close(folder)


def within(handle: int, *command: str) -> None:
    """Run a command in an opened directory."""
    place = f"/proc/self/fd/{handle}"
    commands.printed(
        command,
        lambda said: OSError(f"{where(handle)}: {said}"),
        commands.WORK_SECONDS,
        cwd=place,
        pass_fds=(handle,),
    )


def where(handle: int) -> str:
    """Return where an open directory is, whatever leads there."""
    return os.readlink(f"/proc/self/fd/{handle}")
