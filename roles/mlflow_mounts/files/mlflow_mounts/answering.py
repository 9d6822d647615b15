"""What a process with the rights of one user does: answer for their directory, and end when nobody looks."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial

from mlflow_mounts.artifacts.tree import Tree
from mlflow_mounts.fuse.session import ENDED, Session

# Of root.mounts.WORKING, which is not imported here: this is no program of root's.
WORKING = b"!"
LARGEST = 256 << 20


def serve(fuse: int, state: int, home: str, idle: float) -> int:
    """Answer; return what the process is to end with."""
    threading.stack_size(256 << 10)
    kept = os.pread(state, LARGEST, 0)
    os.ftruncate(state, 0)
    os.pwrite(state, WORKING, 0)
    session = Session(fuse, Tree(home), idle)
    session.answers.load(kept)
    signal.signal(signal.SIGTERM, lambda *_: session.end())
    ended = session.run()
    if ended == ENDED:
        data = session.answers.dump()
        os.ftruncate(state, 0)
        os.pwrite(state, data, 0)
    return ended


def with_idle(idle: float) -> partial[int]:
    """Return what serves, with the seconds after which it ends."""
    return partial(serve, idle=idle)
