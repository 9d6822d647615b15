"""Threads that work for one team: a new one where nobody is free, up to a number, so that one team's server keeps
nobody from another's. Python's own pool is not taken for what it brings into the memory of each process.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[], object]


class Crew:
    """Some threads, which end with the process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: SimpleQueue[Work] = SimpleQueue()
        self._free = threading.Semaphore(0)
        self._threads = 0

    def submit(self, work: Work) -> None:
        """Have something done; only one thread may call this."""
        self._work.put(work)
        if not self._free.acquire(blocking=False) and self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._go_on, daemon=True).start()

    def _go_on(self) -> None:
        while True:
            try:
                # Nothing of what was done is kept in memory while nobody asks.
                self._work.get()()
            except Exception:  # noqa: BLE001 - who does the next work is not to be missing
                sys.excepthook(*sys.exc_info())
            self._free.release()
