"""Lets a team's server finish what it is answering before what passes connections on is stopped.

An answer that is cut off in its middle is an error to MLflow's client, and whoever comes while the server ends would
get none. systemd stops what passes connections on first (ExecStop of mlflow-listen@): from here on it accepts nobody
any more, who comes waits in the socket, and what was accepted is answered.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import team as teams
from changes import main_process, plain_run
from wait_until_healthy import is_healthy

# What takes longer, such as an upload, is cut off, and begun again by the client.
SECONDS = 3
# A call that Python has no name for; its number is the same on every kind of processor.
PIDFD_GETFD = 438
EPOLL_CTL_DEL = 2
LIBC = ctypes.CDLL(None, use_errno=True)
# Where descriptors are out of the way of those that are looked for.
HIGH = 200
# Seconds until nobody is accepted any more, on a host that is busy.
PATIENCE = 2


def is_about_to_stop(unit: str) -> bool:
    """Say whether systemd waits to stop or restart a unit."""
    shown = plain_run(["systemctl", "show", "--property=Job", "--value", unit], capture_output=True)
    return shown.stdout.strip() not in ("", "0")


def passing_on(name: str) -> int:
    """The process that passes connections on; 0 where there is none."""
    unit = f"mlflow-listen@{name}.service"
    shown = plain_run(["systemctl", "show", "--property=MainPID", "--value", unit], capture_output=True)
    return int(shown.stdout or 0)


@contextlib.contextmanager
def descriptors(process: int) -> Iterator[dict[int, int]]:
    """Yield descriptors of our own of what another process has open to wait for or to listen on, by its numbers."""
    found: dict[int, int] = {}
    low = os.pidfd_open(process)
    handle = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, HIGH)
    os.close(low)
    try:
        for number in map(int, os.listdir(f"/proc/{process}/fd")):
            if is_queue(process, number) or os.readlink(f"/proc/{process}/fd/{number}").startswith("socket:"):
                theirs = LIBC.syscall(PIDFD_GETFD, handle, number, 0)
                if theirs < 0:
                    raise OSError(ctypes.get_errno(), f"a descriptor of process {process} cannot be had")
                found[number] = fcntl.fcntl(theirs, fcntl.F_DUPFD_CLOEXEC, HIGH)
                os.close(theirs)
        yield found
    finally:
        for each in (handle, *found.values()):
            os.close(each)


def accept_nobody(process: int) -> None:
    """Let a process go on with the connections that it has, and leave new ones in the socket that systemd holds too.

    There is no signal for it that socket-proxyd would know. So the socket is taken off the list of what it waits for.
    While it accepts somebody it takes it off and puts it on again by itself: only when it sleeps does that last.
    """
    end = time.monotonic() + PATIENCE
    with descriptors(process) as found:
        queues = [number for number in found if is_queue(process, number)]
        doors = [number for number in found if number not in queues and listens(found[number])]
        for number in doors:
            # The kernel knows an entry by what it is and by its number.
            os.dup2(found[number], number)
        try:
            while time.monotonic() < end:
                for queue in queues:
                    for number in doors:
                        LIBC.epoll_ctl(found[queue], EPOLL_CTL_DEL, number, None)
                if is_asleep(process) and not any(waits_for(process, queue, doors) for queue in queues):
                    return
                time.sleep(0.001)
        finally:
            for number in doors:
                os.close(number)


def is_asleep(process: int) -> bool:
    """Say whether a process waits for something to happen."""
    stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    return stat.rpartition(") ")[2].startswith("S")


def waits_for(process: int, queue: int, numbers: list[int]) -> bool:
    """Say whether one of these is on a list of what a process waits for."""
    lines = Path(f"/proc/{process}/fdinfo/{queue}").read_text(encoding="utf-8").splitlines()
    return any(line.startswith("tfd:") and int(line.split()[1]) in numbers for line in lines)


def is_queue(process: int, number: int) -> bool:
    """Say whether a descriptor is a list of what a process waits for."""
    return os.readlink(f"/proc/{process}/fd/{number}") == "anon_inode:[eventpoll]"


def listens(handle: int) -> bool:
    """Say whether a socket is one that connections come in at."""
    with socket.socket(fileno=os.dup(handle)) as it:
        return it.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def drain(name: str) -> None:
    """Tell the server what systemd is about to tell it, and wait until it is gone."""
    team = teams.load(name)
    process = main_process(team)
    if process == 0 or not is_about_to_stop(team.server):
        return
    try:
        accept_nobody(passing_on(name))
    except OSError as error:
        # Where the host forbids it, who comes meanwhile tries again.
        print(f"who connects until the server has ended is cut off: {error}", file=sys.stderr)
    # Connections are taken in their order: when this one is answered, those before it have been begun.
    is_healthy(team.socket)
    os.kill(process, signal.SIGTERM)
    end = time.monotonic() + SECONDS
    while Path(f"/proc/{process}").exists() and time.monotonic() < end:
        time.sleep(0.02)


if __name__ == "__main__":
    try:
        drain(sys.argv[1])
    except (KeyError, OSError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
