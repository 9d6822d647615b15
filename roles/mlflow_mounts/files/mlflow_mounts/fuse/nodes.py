"""What the kernel knows by number: the nodes that it has looked up, and the handles that are open."""

from __future__ import annotations

import errno
import json
import threading
from typing import Any, Generic, TypeVar

Path = tuple[str, ...]
Opened = TypeVar("Opened")
ROOT = 1


def stale() -> OSError:
    """Return the error for a number that is not known."""
    return OSError(errno.ESTALE, "not known")


class Nodes:
    """Paths by number, each kept for as long as the kernel remembers it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = ROOT + 1
        self._paths: dict[int, Path] = {ROOT: ()}
        self._counts: dict[int, int] = {}
        self._numbers: dict[Path, int] = {(): ROOT}

    def path(self, number: int) -> Path:
        """Return where a node is."""
        try:
            return self._paths[number]
        except KeyError:
            raise stale() from None

    def number(self, path: Path) -> int:
        """Return a node's number; 0 where the kernel does not know it."""
        return self._numbers.get(path, 0)

    def remember(self, path: Path) -> int:
        """Return a node's number, which the kernel learns once more."""
        with self._lock:
            number = self._numbers.get(path)
            if number is None:
                number, self._next = self._next, self._next + 1
                self._numbers[path], self._paths[number] = number, path
            self._counts[number] = self._counts.get(number, 0) + 1
            return number

    def forget(self, number: int, times: int) -> None:
        """Forget a node once the kernel has forgotten it as often as it has learned it."""
        with self._lock:
            left = self._counts.get(number, 0) - times
            if number == ROOT or number not in self._paths:
                return
            self._counts[number] = left
            if left <= 0:
                del self._counts[number]
                self._numbers.pop(self._paths.pop(number), None)

    def __len__(self) -> int:
        return len(self._paths)


class Handles(Generic[Opened]):
    """What is open, by number. One from before this process is there, but has to be opened again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._known: dict[int, tuple[Path, Opened | None]] = {}

    def add(self, path: Path, opened: Opened) -> int:
        """Return the number of something that was opened."""
        with self._lock:
            self._last += 1
            self._known[self._last] = (path, opened)
            return self._last

    def get(self, number: int) -> tuple[Path, Opened | None]:
        """Return what is open, and where."""
        try:
            return self._known[number]
        except KeyError:
            raise stale() from None

    def again(self, number: int, path: Path, opened: Opened) -> Opened:
        """Keep what was opened again; who was quicker is kept instead."""
        with self._lock:
            if number not in self._known:
                raise stale()
            known = self._known[number][1]
            if known is None:
                self._known[number] = (path, opened)
            return opened if known is None else known

    def close(self, number: int) -> Opened | None:
        """Forget one; return what it was."""
        with self._lock:
            return self._known.pop(number, ((), None))[1]

    def all(self) -> list[Opened]:
        """Return all that is open in this process."""
        with self._lock:
            return [opened for _path, opened in self._known.values() if opened is not None]


def dump(nodes: Nodes, *handles: Handles[Any]) -> bytes:
    """Return all of it as a next process reads it."""
    kept = [(number, path, nodes._counts.get(number, 0)) for number, path in list(nodes._paths.items())]
    opened = [(each._last, [(number, path) for number, (path, _n) in list(each._known.items())]) for each in handles]
    return json.dumps({"next": nodes._next, "nodes": kept, "handles": opened}).encode()


def load(data: bytes, nodes: Nodes, *handles: Handles[Any]) -> None:
    """Go on with what a former process has left; with nothing where it left nothing."""
    if not data:
        return
    state = json.loads(data)
    nodes._next = state["next"]
    for number, path, count in state["nodes"]:
        nodes._paths[number], nodes._counts[number], nodes._numbers[tuple(path)] = tuple(path), count, number
    for each, (last, opened) in zip(handles, state["handles"]):
        each._last = last
        for number, path in opened:
            each._known[number] = (tuple(path), None)
