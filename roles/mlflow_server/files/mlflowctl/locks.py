"""One kind of lock: on a file or a directory, held by whoever has it open, and so never left behind by who has died."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

PAUSE = 0.5


def take(path: Path, patience: float | None = None) -> int | None:
    """Return what holds a lock until it is closed; None where another still has it after so many seconds.

    Without patience its holder is waited for, however long that is at work: it has an end itself.
    """
    how = os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_RDWR | os.O_CREAT
    handle = os.open(path, how | os.O_CLOEXEC, 0o600)
    try:
        if is_taken(handle, patience):
            return handle
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def is_held(path: Path) -> bool:
    """Say whether somebody has a lock. Makes none where there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not is_taken(handle, 0)
    finally:
        os.close(handle)


@contextlib.contextmanager
def held(path: Path, patience: float | None = None) -> Iterator[bool]:
    """Hold a lock if it is to be had in time; yield whether it was."""
    handle = take(path, patience)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def is_taken(handle: int, patience: float | None) -> bool:
    """Wait for it; say whether it was to be had."""
    if patience is None:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return True
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(PAUSE, left))
        else:
            return True
