"""Answers the kernel for one user, until nobody has looked for a while."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import sys
import threading
import time
from functools import partial

from mlflow_mounts import patience
from mlflow_mounts.fuse import wire
from mlflow_mounts.fuse.answers import Ahead, Answers, Tree, Undo
from mlflow_mounts.fuse.crew import Crew, Work

# Requests to one team at the same time: its server keeps nobody from another's.
TOGETHER = 16
# Crews, of which each may have so many threads: whoever looks for many names has none for each.
MOST_CREWS = 32
# Seconds that what is asked already has before the process ends.
LAST_SECONDS = 10.0
ENDED, UNMOUNTED = 0, 3
# Of the kernel: its own signals to itself begin here.
LEAST_NO_ERROR = 512


class Session:
    """The kernel's end of one mount."""

    def __init__(self, fd: int, tree: Tree, idle: float) -> None:
        self.fd, self.tree, self.idle = fd, tree, idle
        self.answers = Answers(fd, tree)
        self.waiting: set[int] = set()
        self.crews: dict[str, Crew] = {}
        self._asked_to_end = False
        self._awake, self._ring = socket.socketpair()

    def end(self) -> None:
        """End soon, after what was asked already; also from a handler of a signal."""
        self._asked_to_end = True
        with contextlib.suppress(OSError):
            self._ring.send(b"\0", socket.MSG_DONTWAIT)

    def run(self) -> int:
        """Answer until nobody has asked for a while; say how it ended."""
        threading.Thread(target=self._rest, daemon=True).start()
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.register(self._awake, select.POLLIN)
        while True:
            ready = poll.poll(self.idle * 1000)
            if self._asked_to_end or not (ready or self.waiting):
                self._finish()
                return ENDED
            try:
                if ready and not self._take(os.read(self.fd, wire.REQUEST_SIZE)):
                    return UNMOUNTED
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return UNMOUNTED
                if error.errno not in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
                    raise

    def _finish(self) -> None:
        until = time.monotonic() + LAST_SECONDS
        while self.waiting and time.monotonic() < until:
            time.sleep(0.01)
        for unique in list(self.waiting):
            self._answer(unique, errno.EINTR)

    def _take(self, data: bytes) -> bool:
        """Take one request; false after the last one. Nothing is waited for here, so that Ctrl-C is heard at once."""
        if not data:
            return False
        asked = wire.request(data)
        if asked.opcode in (wire.FORGET, wire.BATCH_FORGET):
            for node, times in wire.forgotten(asked):
                self.answers.nodes.forget(node, times)
        elif asked.opcode == wire.INTERRUPT:
            self._answer(wire.numbers(asked.body, "Q")[0], errno.EINTR)
        elif asked.opcode == wire.DESTROY:
            return False
        else:
            self.waiting.add(asked.unique)
            # Most of what is read is there: to wake a thread for it costs more than all else.
            found = self.answers.at_hand(asked)
            if found is None:
                self._submit(asked, partial(self._work, asked, time.monotonic()))
            else:
                part, following = found
                self._answer(asked.unique, 0, part)
                if following:
                    self._submit(asked, partial(self._ahead, following))
        return True

    def _submit(self, asked: wire.Request, work: Work) -> None:
        try:
            self._crew(asked).submit(work)
        except OSError as error:
            self._answer(asked.unique, error.errno or errno.EAGAIN)

    @staticmethod
    def _ahead(fetch: Ahead) -> None:
        patience.begin()
        fetch()

    def _crew(self, asked: wire.Request) -> Crew:
        try:
            path = self.answers.nodes.path(asked.node)
        except OSError:
            path = ("",)
        # A team's directory itself is asked of its server as well.
        if not path and asked.opcode == wire.LOOKUP:
            path = (wire.name_in(asked.body),)
        team = path[0] if path else ""
        if team not in self.crews and len(self.crews) >= MOST_CREWS:
            self.crews = {name: crew for name, crew in self.crews.items() if crew.threads}
        known = team if team in self.crews or len(self.crews) < MOST_CREWS else ""
        if known not in self.crews:
            self.crews[known] = Crew(TOGETHER)
        return self.crews[known]

    def _rest(self) -> None:
        while True:
            time.sleep(1)
            try:
                self.tree.rest()
            except Exception:  # noqa: BLE001 - nothing is left undone but to save
                sys.excepthook(*sys.exc_info())

    def _work(self, asked: wire.Request, at: float) -> None:
        patience.begin(at)
        undo: Undo = []
        try:
            if asked.unique not in self.waiting:
                return
            patience.left()
            told = self._answer(asked.unique, 0, *self.answers.give(asked, undo))
        except OSError as error:
            told = self._answer(asked.unique, error.errno or errno.EIO)
        except wire.ProtocolError:
            told = self._answer(asked.unique, errno.EINVAL)
        except Exception:  # noqa: BLE001 - whatever an answer of a server led to
            sys.excepthook(*sys.exc_info())
            told = self._answer(asked.unique, errno.EIO)
        if not told:
            # Who asked is gone: the kernel has not learned of what it would have to give back.
            for step in undo:
                step()

    def _answer(self, unique: int, error: int, *parts: wire.Data) -> bool:
        """Answer once; false where somebody has, or nobody waits any more."""
        try:
            self.waiting.remove(unique)
        except KeyError:
            return False
        # The kernel takes no other number for an error's, and would go on waiting.
        error = error if 0 <= error < LEAST_NO_ERROR else errno.EIO
        try:
            os.writev(self.fd, wire.answer(unique, error, *parts))
        except OSError as problem:
            if problem.errno not in (errno.ENOENT, errno.ENODEV):
                raise
            return False
        return error == 0
