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
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlflowctl import commands
from mlflowctl import team as teams
from mlflowctl.in_mlflow.wait_until_healthy import is_healthy
from mlflowctl.transaction import main_process

# What takes longer, such as an upload, is cut off, and begun again by the client.
SECONDS = 3
# A call that Python has no name for; its number is the same on every kind of processor.
PIDFD_GETFD = 438
EPOLL_CTL_DEL = 2
QUEUE = "anon_inode:[eventpoll]"
LIBC = ctypes.CDLL(None, use_errno=True)
# Where descriptors are out of the way of those that are looked for.
HIGH = 200
# Seconds until nobody is accepted any more, on a host that is busy.
PATIENCE = 2


def is_about_to_stop(unit: str) -> bool:
    """Say whether systemd waits to stop or restart a unit."""
    shown = commands.run(["systemctl", "show", "--property=Job", "--value", unit])
    return shown.stdout.strip() not in ("", "0")


def passing_on(name: str) -> int:
    """The process that passes connections on; 0 where there is none."""
    unit = f"mlflow-listen@{name}.service"
    shown = commands.run(["systemctl", "show", "--property=MainPID", "--value", unit])
    return int(shown.stdout or 0)


@contextlib.contextmanager
def shared(process: int) -> Iterator[tuple[dict[int, int], dict[int, int]]]:
    """Yield what another process waits with, and what connections come in at: descriptors of our own by its numbers."""
    queues: dict[int, int] = {}
    listeners: dict[int, int] = {}
    handle = out_of_the_way(os.pidfd_open(process))
    try:
        for number in map(int, os.listdir(f"/proc/{process}/fd")):
            what = kind(process, number)
            if what == QUEUE:
                queues[number] = taken(handle, number)
            elif what.startswith("socket:"):
                # A connection is not kept: it is to be over when the process says so.
                with contextlib.suppress(OSError), socket.socket(fileno=taken(handle, number)) as it:
                    if it.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        listeners[number] = fcntl.fcntl(it.fileno(), fcntl.F_DUPFD_CLOEXEC, HIGH)
        yield queues, listeners
    finally:
        for each in (handle, *queues.values(), *listeners.values()):
            os.close(each)


def kind(process: int, number: int) -> str:
    """Return what a descriptor of a process is; nothing where it has just been closed."""
    try:
        return os.readlink(f"/proc/{process}/fd/{number}")
    except FileNotFoundError:
        return ""


def taken(handle: int, number: int) -> int:
    """Return a descriptor of our own of what another process has as this one."""
    theirs = LIBC.syscall(PIDFD_GETFD, handle, number, 0)
    if theirs < 0:
        raise OSError(ctypes.get_errno(), "a descriptor of what passes connections on cannot be had")
    return out_of_the_way(theirs)


def out_of_the_way(low: int) -> int:
    """Give a descriptor of our own a high number."""
    high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, HIGH)
    os.close(low)
    return high


def accept_nobody(process: int) -> None:
    """Let a process go on with the connections that it has, and leave new ones in the socket that systemd holds too.

    There is no signal for it that socket-proxyd would know. So the socket is taken off the list of what it waits for.
    While it accepts somebody it takes it off and puts it on again by itself: only when it sleeps does that last.
    """
    end = time.monotonic() + PATIENCE
    with shared(process) as (queues, listeners):
        for number, listener in listeners.items():
            # The kernel knows an entry by what it is and by its number.
            os.dup2(listener, number)
        try:
            while time.monotonic() < end:
                for queue in queues.values():
                    for number in listeners:
                        LIBC.epoll_ctl(queue, EPOLL_CTL_DEL, number, None)
                sleep = sleep_of(process)
                listens = any(waits_for(process, queue, listeners) for queue in queues)
                # Awake, or awake meanwhile, it may be about to put it on again.
                if not listens and sleep is not None and sleep == sleep_of(process):
                    return
                time.sleep(0.001)
        finally:
            for number in listeners:
                os.close(number)


def sleep_of(process: int) -> str | None:
    """Return which of its sleeps a process is in; None where it is awake."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return lines["voluntary_ctxt_switches"] if lines["State"].startswith("S") else None


def waits_for(process: int, queue: int, numbers: Iterable[int]) -> bool:
    """Say whether one of these is on a list of what a process waits for."""
    lines = Path(f"/proc/{process}/fdinfo/{queue}").read_text(encoding="utf-8").splitlines()
    return any(line.startswith("tfd:") and int(line.split()[1]) in numbers for line in lines)


def finish(name: str) -> None:
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


def main(name: str) -> None:
    """Do it, for systemd."""
    finish(name)
