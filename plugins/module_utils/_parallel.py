# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several things at the same time, each in a process of its own.

Not in threads: C(open_url) keeps how it speaks TLS and follows redirects in one place for the whole process.
Not in a pool: one of multiprocessing waits for ever for a worker that was killed.
"""

from __future__ import annotations

import typing as t
from multiprocessing import connection, get_context

Item = t.TypeVar("Item")
Result = t.TypeVar("Result")


class Died(Exception):
    """The process ended before it had a result."""


def in_parallel(
    work: t.Callable[[Item], Result], items: t.Sequence[Item], at_most: int
) -> t.Iterator[tuple[int, Result | Died]]:
    """Do the work on every item; give what became of each with the item's number, as they come."""
    context = get_context("fork")
    waiting = list(enumerate(items))[::-1]
    running: dict[t.Any, tuple[int, t.Any]] = {}
    while waiting or running:
        while waiting and len(running) < at_most:
            number, item = waiting.pop()
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_send, args=(there, work, item), daemon=True)
            process.start()
            # With the last writing end closed, the end of the process is the end of the pipe.
            there.close()
            running[here] = (number, process)
        ready: list[t.Any] = list(connection.wait(list(running)))
        for pipe in ready:
            number, process = running.pop(pipe)
            try:
                result = pipe.recv()
            except EOFError:
                process.join()
                result = Died(f"its process ended with code {process.exitcode} before it was done")
            process.join()
            pipe.close()
            yield number, result


def _send(there: t.Any, work: t.Callable[[Item], Result], item: Item) -> None:
    there.send(work(item))
