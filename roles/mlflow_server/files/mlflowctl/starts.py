"""Lets only so many servers of the host start at the same time; the others wait for their turn, with their clients.

A start takes a processor for seconds, and memory that an idle server gives back. What a server was let in for is
noted as its invocation, and counts for as long as systemd says that this invocation is starting: nobody has
to give anything back, whatever ends the server or the host.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from mlflowctl import locks, systemd

# What takes longer does not wait for a processor, but for a database that is away: it keeps nobody else waiting.
TURN_SECONDS = 30
PAUSE = 0.2
# Of which a server that starts needs up to 300 MB, beside those that run.
MEMORY_OF_A_START = 1024**3
STARTING = ("start-pre", "start", "start-post")
CGROUPS = [Path("/sys/fs/cgroup") / name for name in ("", "unified", "systemd")]
PROPERTIES = ("ActiveState", "SubState", "InvocationID", "ControlGroup")


def default_number() -> int:
    """How many may start at once: one for each processor, as far as the memory goes, and never one alone."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(2, min(len(os.sched_getaffinity(0)), memory // MEMORY_OF_A_START))


def unit_of(name: str) -> str:
    """The unit of a team's server."""
    return f"mlflow@{name}.service"


def states(*names: str) -> dict[str, dict[str, str]]:
    """What systemd says of teams' servers, by team; nothing where it cannot be asked."""
    units = {unit_of(name): name for name in names}
    return {units[unit]: about for unit, about in systemd.show(units, PROPERTIES).items()}


class Starts:
    """Who was let in, in a directory with a file for each."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def note(self, name: str) -> None:
        """From here on this invocation of the server starts without asking again."""
        invocation = states(name).get(name, {}).get("InvocationID", "")
        part = self.directory / f".{name}"
        part.write_text(f"{invocation} {time.monotonic()}")
        part.rename(self.directory / name)

    def read(self, name: str) -> tuple[str, float]:
        """The invocation of a server that was let in last, and when."""
        try:
            invocation, when = (self.directory / name).read_text().split(" ")
            return invocation, float(when)
        except (FileNotFoundError, ValueError):
            return "", 0

    def are_starting(self) -> int:
        """How many have their turn now."""
        since = time.monotonic() - TURN_SECONDS
        noted = {path.name: self.read(path.name) for path in self.directory.glob("[!.]*")}
        recent = {name: invocation for name, (invocation, when) in noted.items() if when > since}
        return sum(
            state["SubState"] in STARTING and state["InvocationID"] == recent[name]
            for name, state in states(*recent).items()
        )

    @contextlib.contextmanager
    def turn(self, most: int) -> Iterator[None]:
        """Wait until another one may start. One alone looks, the others wait for that one without doing anything."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locks.held(self.directory / ".turn"):
            while self.are_starting() >= most:
                time.sleep(PAUSE)
            yield

    def runs(self, name: str) -> bool:
        """Whether anything of a server runs, or will without asking here again.

        With the lock "server" held, one that was not let in before waits for that lock, and so will one that systemd is
        about to start again, or a client wakes. But what was stopped may have left processes.
        """
        state = states(name).get(name, {})
        sub = state.get("SubState", "dead")
        if sub == "start-pre":
            return self.read(name)[0] == state["InvocationID"]
        if sub.startswith("auto-restart") or state.get("ActiveState") in ("inactive", "failed", None):
            return bool(processes(state.get("ControlGroup", "")))
        return True


def processes(group: str) -> list[str]:
    """The processes of a control group, also of those below it."""
    found: list[str] = []
    for root in CGROUPS if group else []:
        for file in (root / group.lstrip("/")).glob("**/cgroup.procs"):
            with contextlib.suppress(OSError):
                found += file.read_text().split()
    return found
