"""A team's port: the sockets that systemd listens with, and who is connected there."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from mlflowctl import finish

SYSTEMD = 1
# Python has no name for it. No interface has the number NOWHERE, so that nobody comes from there; 0 is any.
SO_BINDTOIFINDEX, NOWHERE, ANYWHERE = 62, 2**31 - 1, 0
# As the kernel's tables call connections that are made, about to be made, and half closed by the other side. Those that
# nobody has accepted yet are among them.
OPEN = ("01", "03", "08")
TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6")


@contextlib.contextmanager
def listening(port: int, process: int) -> Iterator[list[socket.socket]]:
    """Yield the sockets with which a process listens at a port, shared with it."""
    with contextlib.ExitStack() as open_ones:
        handle = finish.out_of_the_way(os.pidfd_open(process))
        open_ones.callback(os.close, handle)
        found = []
        for number in map(int, os.listdir(f"/proc/{process}/fd")):
            if not finish.kind(process, number).startswith("socket:"):
                continue
            it = open_ones.enter_context(socket.socket(fileno=finish.taken(handle, number)))
            if (
                it.family in (socket.AF_INET, socket.AF_INET6)
                and it.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                and it.getsockname()[1] == port
            ):
                found.append(it)
        yield found


def refuse(port: int, process: int = SYSTEMD) -> None:
    """Refuse whoever comes from now on, as if nobody listened. Who came before is accepted all the same."""
    bind(port, process, NOWHERE)


def admit(port: int, process: int = SYSTEMD) -> None:
    """Let them in again."""
    bind(port, process, ANYWHERE)


def is_refusing(port: int, process: int = SYSTEMD) -> bool:
    """Say whether it refuses whoever comes."""
    with listening(port, process) as sockets:
        return any(each.getsockopt(socket.SOL_SOCKET, SO_BINDTOIFINDEX) == NOWHERE for each in sockets)


def bind(port: int, process: int, interface: int) -> None:
    """Let whoever listens at a port do it at one interface."""
    with listening(port, process) as sockets:
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, SO_BINDTOIFINDEX, interface)


def connections(port: int) -> int:
    """Return how many have come in at a port, and are not gone."""
    found = 0
    for table in TABLES:
        # A host without IPv6 has one alone.
        with contextlib.suppress(FileNotFoundError):
            found += sum(is_open(line.split(), port) for line in Path(table).read_text("ascii").splitlines()[1:])
    return found


def is_open(fields: list[str], port: int) -> bool:
    """Say whether a line of the kernel's is a connection that came in at a port."""
    return int(fields[1].rpartition(":")[2], 16) == port and fields[3] in OPEN
