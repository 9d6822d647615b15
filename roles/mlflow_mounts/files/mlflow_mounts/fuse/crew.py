"""Threads that work for one team: a new one where nobody is free, up to a number, so that one team's server keeps
nobody from another's. Python's own pool is not taken for what it brings into the memory of each process.
"""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

Work = Callable[[], object]
# Seconds after which a thread ends that nobody needs.
IDLE = 15.0


class Crew:
    """Some threads, which end with the process, or when there is nothing to do."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: SimpleQueue[Work] = SimpleQueue()
        self._free = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.threads = 0

    def submit(self, work: Work) -> None:
        """Have something done; only one thread may call this. Raises OSError where nobody is there to do it."""
        self._work.put(work)
        if self._free.acquire(blocking=False):
            return
        with self._lock:
            if self.threads >= self._most:
                return
            try:
                threading.Thread(target=self._go_on, daemon=True).start()
            except RuntimeError:
                # Whoever is there does it later.
                if self.threads:
                    return
                self._work.get_nowait()
                raise OSError(errno.EAGAIN, "there are too many threads") from None
            self.threads += 1

    def _go_on(self) -> None:
        while True:
            try:
                # Nothing of what was done is kept in memory while nobody asks.
                self._work.get(timeout=IDLE)()
            except Empty:
                if self._ended():
                    return
                continue
            except Exception:  # noqa: BLE001 - who does the next work is not to be missing
                sys.excepthook(*sys.exc_info())
            self._free.release()

    def _ended(self) -> bool:
        """Say that nobody counts on this thread any more, unless somebody does already."""
        if not self._free.acquire(blocking=False):
            return False
        with self._lock:
            if not self._work.empty():
                self._free.release()
                return False
            self.threads -= 1
            return True
