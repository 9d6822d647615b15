"""A look at what may never answer, such as a disk that is away: it has an end for who looks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from mlflowctl.commands import LateError


def waited_for(seconds: float, look: Callable[[], Any]) -> Any:
    """Return what a look comes to, or raise what it raises; LateError where it comes to nothing in time.

    Nobody can end it: what it looks with is left to itself, and ends with this process.
    """
    found: list[Any] = []
    failed: list[BaseException] = []

    def go() -> None:
        try:
            found.append(look())
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise LateError(f"does not answer within {seconds:g} s")
    return found[0]
