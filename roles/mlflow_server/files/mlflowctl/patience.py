"""A look at what may never answer, such as a disk that is away: it has an end for who looks."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from mlflowctl import links
from mlflowctl.commands import LateError
from mlflowctl.errors import shown

# For a disk to answer at all; a share may be mounted only now.
DISK_SECONDS = 60


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


def refuse_silent(places: Iterable[str | Path], seconds: float | None = None) -> None:
    """Raise where a disk does not answer that is at one of these, or that is mounted below: before anybody looks."""
    real = [Path(answered(place, seconds)) for place in sorted(set(map(str, places)))]
    for place in sorted(links.mounted()):
        if any(Path(place).is_relative_to(it) for it in real):
            answered(place, seconds)


def answered(place: str, seconds: float | None) -> str:
    """Return where a place really is, once its disk has answered; what is not there is for others to say."""
    try:
        return str(waited_for(DISK_SECONDS if seconds is None else seconds, partial(look_at, place)))
    except LateError as error:
        raise LateError(shown(f"{place} {error}")) from None


def look_at(place: str) -> str:
    """Ask its disk, which may remember what it has itself, and return where it really is."""
    with contextlib.suppress(OSError):
        os.statvfs(place)
    return os.path.realpath(place)
