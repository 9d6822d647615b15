"""What systemd and the kernel say of the teams' units now; asking wakes nobody."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from mlflowctl import commands, systemd

PROPERTIES = (
    "Id,ActiveState,SubState,UnitFileState,StateChangeTimestamp,CPUUsageNSec,MemoryCurrent,MemoryMax,ControlGroup,Listen,"
    "StopWhenUnneeded"
)
SECONDS = 30
# Where the kernel counts what a control group had at most, since it was made: with and without unified cgroups.
PEAKS = ("/sys/fs/cgroup{group}/memory.peak", "/sys/fs/cgroup/memory{group}/memory.max_usage_in_bytes")
CURRENT = ("/sys/fs/cgroup{group}/memory.current", "/sys/fs/cgroup/memory{group}/memory.usage_in_bytes")
# A socket that listens, in /proc/self/net/tcp.
LISTENS = "0A"
STATES = ("awake", "asleep", "starting", "failing", "stopped")

Shown = dict[str, str]


class UnitError(Exception):
    """Why systemd could not be asked."""


def shown(names: Iterable[str]) -> dict[str, Shown]:
    """Return what systemd says of units, by name, of those that it has a file of."""
    wanted = list(names)
    if not wanted:
        return {}
    command = ["systemctl", "show", "--timestamp=unix", f"--property={PROPERTIES}", *wanted]
    return systemd.blocks(commands.printed(command, UnitError, SECONDS))


def of_team(name: str) -> list[str]:
    """Return the units that are asked about."""
    return [
        f"mlflow@{name}.service",
        f"mlflow-listen@{name}.service",
        f"mlflow-listen@{name}.socket",
        f"mlflow-backup@{name}.timer",
    ]


def state(server: Shown, socket: Shown, failed_starts: int) -> str:
    """Return what a team's server is at; failing is one that tried to start and has not come to it since."""
    active = server.get("ActiveState")
    if active in ("active", "reloading", "deactivating"):
        return "awake"
    if active == "failed" or failed_starts:
        return "failing"
    if active == "activating":
        return "starting"
    return "asleep" if socket.get("ActiveState") == "active" else "stopped"


def amount(value: str | None) -> int | None:
    """Return a number of systemd's; its words for none, and what stands for it, are none."""
    with contextlib.suppress(TypeError, ValueError):
        found = int(str(value))
        return found if found < 1 << 63 else None
    return None


def seconds_of(moment: str | None) -> int | None:
    """Return a moment as systemd prints it, in seconds."""
    return amount((moment or "").lstrip("@"))


def from_kernel(places: Iterable[str], group: str) -> int | None:
    """Return what the kernel counts of a control group, where it does."""
    for place in places if group else ():
        with contextlib.suppress(OSError, ValueError):
            return int(Path(place.format(group=group)).read_text(encoding="ascii"))
    return None


def waiting(socket: Shown) -> int | None:
    """Return how many connections wait in a team's socket, unless that is a file."""
    port = socket.get("Listen", "").split(" ")[0].rpartition(":")[2]
    if not port.isdigit():
        return None
    found = None
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == int(port):
                    found = (found or 0) + int(fields[4].partition(":")[2], 16)
    return found
