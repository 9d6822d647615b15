"""How long whoever works for a request may still take: each request has one minute, whatever it consists of."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Seconds. A server may be waking, or hang.
PATIENCE = 60.0

_of_thread = threading.local()


def timed_out() -> OSError:
    """Return the error for what took too long."""
    return OSError(errno.ETIMEDOUT, "no answer in time")


def begin(asked_at: float | None = None) -> None:
    """Let this thread work for a request that came at a time of the monotonic clock."""
    _of_thread.ends = (time.monotonic() if asked_at is None else asked_at) + PATIENCE


def left() -> float:
    """Return the seconds that are left; raises where none are."""
    found = getattr(_of_thread, "ends", time.monotonic() + PATIENCE) - time.monotonic()
    if found <= 0:
        raise timed_out()
    return float(found)


@contextmanager
def turn(lock: threading.Lock) -> Iterator[None]:
    """Wait for a lock, but not beyond the end of patience."""
    if not lock.acquire(timeout=left()):
        raise timed_out()
    try:
        yield
    finally:
        lock.release()
