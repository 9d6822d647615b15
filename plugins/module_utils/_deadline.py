# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An end for work that waits in many places, each of which has only an end of its own."""

from __future__ import annotations

import contextlib
import signal
import threading
import typing as t

# Seconds after which the alarm comes again: a library may take the first for trouble of its own, and try once more.
AGAIN = 1


@contextlib.contextmanager
def deadline(seconds: float) -> t.Iterator[None]:
    """Raise TimeoutError when the work takes longer. Only a process' main thread can be told."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(*_signal: object) -> None:
        raise TimeoutError(f"no whole answer within {seconds} seconds")

    former = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
