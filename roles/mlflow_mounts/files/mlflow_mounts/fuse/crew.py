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
        self._lock = threading.Lock()
        # Threads that wait for work which is not there yet, and work that waits for a thread: never both.
        self._idle = self._owed = 0
        self.threads = 0

    def submit(self, work: Work) -> None:
        """Have something done. Raises OSError where nobody is there to do it."""
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self.threads < self._most and self._started():
                self.threads += 1
            elif self.threads:
                # Whoever is there does it later.
                self._owed += 1
            else:
                raise OSError(errno.EAGAIN, "there are too many threads")
            self._work.put(work)

    def _started(self) -> bool:
        try:
            threading.Thread(target=self._go_on, daemon=True).start()
        except RuntimeError:
            return False
        return True

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
            with self._lock:
                if self._owed:
                    self._owed -= 1
                else:
                    self._idle += 1

    def _ended(self) -> bool:
        """Say that nobody counts on this thread any more, unless each that is there is counted on."""
        with self._lock:
            if not self._idle:
                return False
            self._idle -= 1
            self.threads -= 1
            return True
