# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are nobody's business but their owner's, written so that they are there as a whole or not at all.

A file is written beside its place, under a name that follows from its own: a run that is killed leaves that one file
at most, and the next run knows it. Its writer holds a lock on it, by which it is told from what a killed run left.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
import typing as t

# Seconds to wait for another run that is writing the same file.
PATIENCE = 10
# The mode of a draft between its making and its lock, when nothing is in it.
UNLOCKED = 0


def read_private(path: str) -> str | None:
    """The text of a file that nobody but this account can have written; None where there is no such file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
            return None
        return file.read().decode("utf-8", "replace")


def is_private(path: str) -> bool:
    """Whether nobody else can read it."""
    return stat.S_IMODE(os.lstat(path).st_mode) == 0o600


def write_private(path: str, text: str, finish: t.Callable[[int], None] | None = None) -> None:
    """Write it beside its place and rename it, so that nobody ever reads half of it or with a wider mode.

    C(finish) is told the descriptor before that, to give the file to whom it is for.
    """
    folder = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        write_into(folder, os.path.basename(path), text, finish)
    finally:
        os.close(folder)


def write_into(
    folder: int, name: str, text: str, finish: t.Callable[[int], None] | None = None, replace: bool = True
) -> bool:
    """Likewise in an open directory. Whether it is there now: unless it replaces, whoever was first has the name."""
    draft = draft_of(name)
    handle = _begin(folder, draft)
    with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        try:
            file.write(text)
            file.flush()
            if finish:
                finish(handle)
            os.fsync(handle)
            if replace:
                os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
                return True
            try:
                os.link(draft, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            except FileExistsError:
                return False
            finally:
                os.unlink(draft, dir_fd=folder)
            return True
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft, dir_fd=folder)
            raise


def link_into(folder: int, name: str, target: str) -> None:
    """Put a link in the place of whatever file or link there is."""
    draft = draft_of(name)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            os.symlink(target, draft, dir_fd=folder)
            os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
            return
        # Another run has made the same link, or removed it as left over: both are whole at every moment.
        except (FileExistsError, FileNotFoundError):
            if time.monotonic() > end:
                raise
            discard(folder, draft)


def draft_of(name: str) -> str:
    """Under what name a file stands until it is whole."""
    return f".{name}.new"


def is_left(folder: int, draft: str) -> bool:
    """Whether there is a draft that nobody is writing any more."""
    with _held(folder, draft) as held:
        return held


def discard(folder: int, draft: str) -> bool:
    """Remove a draft, unless somebody is writing it. Whether there was one."""
    with _held(folder, draft) as held:
        if held:
            os.unlink(draft, dir_fd=folder)
        return held


def _begin(folder: int, draft: str) -> int:
    """Make the draft and lock it, once nobody else is writing one."""
    end = time.monotonic() + PATIENCE
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        try:
            handle = os.open(draft, flags, UNLOCKED, dir_fd=folder)
        except FileExistsError:
            if not discard(folder, draft):
                if time.monotonic() > end:
                    raise OSError(errno.EBUSY, "is being written by somebody else", draft) from None
                time.sleep(0.05)
            continue
        if _lock(handle) and _is_named(handle, folder, draft):
            os.fchmod(handle, 0o600)
            if not os.fstat(handle).st_mode & 0o077:
                return handle
            # One of another system's, where it is mounted so that all files have one mode.
            os.unlink(draft, dir_fd=folder)
            os.close(handle)
            raise OSError(errno.EPERM, "is not written, since its file system lets others read it", draft)
        os.close(handle)


@contextlib.contextmanager
def _held(folder: int, draft: str) -> t.Iterator[bool]:
    """Hold what is left of a killed run, so that nobody else removes it: false where there is none."""
    try:
        facts = os.stat(draft, dir_fd=folder, follow_symlinks=False)
        if stat.S_IMODE(facts.st_mode) == UNLOCKED and abs(time.time() - facts.st_ctime) < PATIENCE / 2:
            yield False
            return
        handle = os.open(draft, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        yield False
        return
    except OSError:
        # A link, a socket, or of a mode that lets nobody in: nothing that is being written.
        yield True
        return
    try:
        yield _lock(handle) and _is_named(handle, folder, draft)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks.
        return True
    return True


def _is_named(handle: int, folder: int, name: str) -> bool:
    """Whether an open file is the one that is there under the name."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return False
