"""Answers the kernel for one user, until nobody has looked for a while."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from mlflow_mounts import patience
from mlflow_mounts.fuse import nodes, wire
from mlflow_mounts.fuse.crew import Crew

# Requests to one team at the same time: its server keeps nobody from another's.
TOGETHER = 16
# Seconds that what is asked already has before the process ends.
LAST_SECONDS = 10.0
ENDED, UNMOUNTED = 0, 3


class Entry(Protocol):
    """What stands in a directory."""

    @property
    def attributes(self) -> wire.Attributes: ...
    @property
    def target(self) -> str: ...


class File(Protocol):
    """An open file."""

    @property
    def size(self) -> int: ...
    @property
    def version(self) -> str: ...
    def read(self, offset: int, size: int) -> wire.Data: ...
    def at_hand(self, offset: int, size: int) -> wire.Data | None: ...
    def close(self) -> None: ...


class Tree(Protocol):
    """What is shown. Each of these raises OSError."""

    def entry(self, path: nodes.Path) -> Entry: ...
    def children(self, path: nodes.Path) -> Mapping[str, Entry]: ...
    def open(self, path: nodes.Path) -> File: ...
    def rest(self) -> None: ...


Listing = list[tuple[str, Entry]]
Undo = list[Callable[[], object]]
Serve = Callable[[wire.Request, Undo], "tuple[wire.Data, ...]"]


class Session:
    """The kernel's end of one mount."""

    def __init__(self, fd: int, tree: Tree, idle: float) -> None:
        self.fd, self.tree, self.idle = fd, tree, idle
        self.ids = (os.getuid(), os.getgid())
        self.nodes = nodes.Nodes()
        self.files: nodes.Handles[File] = nodes.Handles()
        self.listings: nodes.Handles[Listing] = nodes.Handles()
        # Versions of files whose pages the kernel has.
        self.versions: dict[nodes.Path, str] = {}
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
                self.nodes.forget(node, times)
        elif asked.opcode == wire.INTERRUPT:
            self._answer(wire.numbers(asked.body, "Q")[0], errno.EINTR)
        elif asked.opcode == wire.DESTROY:
            return False
        else:
            self.waiting.add(asked.unique)
            found = self._at_hand(asked)
            if found is None:
                self._crew(asked).submit(partial(self._work, asked, time.monotonic()))
            else:
                self._answer(asked.unique, 0, found)
        return True

    def _at_hand(self, asked: wire.Request) -> wire.Data | None:
        """Return what is read where it is in memory: most is, and to wake a thread for it costs more than all else."""
        if asked.opcode != wire.READ:
            return None
        with contextlib.suppress(OSError, wire.ProtocolError):
            handle, offset, size = wire.numbers(asked.body, "QQI")
            file = self.files.get(handle)[1]
            return file.at_hand(offset, min(size, wire.PIECE)) if file else None
        return None

    def _crew(self, asked: wire.Request) -> Crew:
        try:
            path = self.nodes.path(asked.node)
        except OSError:
            path = ("",)
        # A team's directory itself is asked of its server as well.
        if not path and asked.opcode == wire.LOOKUP:
            path = (wire.name_in(asked.body),)
        team = path[0] if path else ""
        # Whoever tries many names has no crew for each.
        known = team if team in self.crews or len(self.crews) < 1000 else ""
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
            told = self._answer(asked.unique, 0, *self._serve(asked, undo))
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
        try:
            os.writev(self.fd, wire.answer(unique, error, *parts))
        except OSError as problem:
            if problem.errno not in (errno.ENOENT, errno.ENODEV):
                raise
            return False
        return error == 0

    def _serve(self, asked: wire.Request, undo: Undo) -> tuple[wire.Data, ...]:
        serve: Serve | None = {
            wire.LOOKUP: self._look_up,
            wire.GETATTR: self._attributes,
            wire.READLINK: self._link,
            wire.OPEN: self._open,
            wire.OPENDIR: self._open_directory,
            wire.READ: self._read,
            wire.READDIR: self._list,
            wire.READDIRPLUS: self._list,
            wire.RELEASE: self._close,
            wire.RELEASEDIR: self._close_directory,
            wire.STATFS: self._statistics,
        }.get(asked.opcode)
        if serve is None:
            # The kernel does not ask again for what is not there at all.
            raise OSError(errno.EROFS if asked.opcode in wire.WRITES else errno.ENOSYS, str(asked.opcode))
        return serve(asked, undo)

    def _look_up(self, asked: wire.Request, undo: Undo) -> tuple[bytes, ...]:
        path = (*self.nodes.path(asked.node), wire.name_in(asked.body))
        what = self.tree.entry(path).attributes
        return (wire.looked_up(self._learned(path, undo), what, *self.ids),)

    def _learned(self, path: nodes.Path, undo: Undo) -> int:
        number = self.nodes.remember(path)
        undo.append(lambda: self.nodes.forget(number, 1))
        return number

    def _attributes(self, asked: wire.Request, _undo: Undo) -> tuple[bytes, ...]:
        what = self.tree.entry(self.nodes.path(asked.node)).attributes
        return (wire.got_attributes(asked.node, what, *self.ids),)

    def _link(self, asked: wire.Request, _undo: Undo) -> tuple[bytes, ...]:
        entry = self.tree.entry(self.nodes.path(asked.node))
        if not stat.S_ISLNK(entry.attributes.mode):
            raise OSError(errno.EINVAL, "no link")
        return (wire.as_bytes(entry.target),)

    def _open(self, asked: wire.Request, undo: Undo) -> tuple[bytes, ...]:
        path = self.nodes.path(asked.node)
        if wire.wants_to_write(asked.body):
            raise OSError(errno.EROFS, "read-only")
        listed = self.tree.entry(path).attributes.size
        file = self.tree.open(path)
        same = bool(file.version) and self.versions.get(path) == file.version
        self.versions[path] = file.version
        handle = self.files.add(path, file)
        undo.append(lambda: self.files.close(handle))
        undo.append(file.close)
        if file.size != listed:
            # It has grown since it was listed, or was not told before: the kernel asks for its size again.
            with contextlib.suppress(OSError):
                os.write(self.fd, wire.invalidated(asked.node))
        return (wire.opened(handle, keep_pages=same),)

    def _open_directory(self, asked: wire.Request, undo: Undo) -> tuple[bytes, ...]:
        path = self.nodes.path(asked.node)
        handle = self.listings.add(path, list(self.tree.children(path).items()))
        undo.append(lambda: self.listings.close(handle))
        return (wire.opened(handle),)

    def _read(self, asked: wire.Request, _undo: Undo) -> tuple[wire.Data, ...]:
        handle, offset, size = wire.numbers(asked.body, "QQI")
        path, file = self.files.get(handle)
        if file is None:
            # Opened by a process before this one.
            again = self.tree.open(path)
            file = self.files.again(handle, path, again)
            if file is not again:
                again.close()
        return (file.read(offset, min(size, wire.PIECE)),)

    def _list(self, asked: wire.Request, undo: Undo) -> tuple[bytes, ...]:
        handle, offset, size = wire.numbers(asked.body, "QQI")
        path, listing = self.listings.get(handle)
        if listing is None:
            listing = self.listings.again(handle, path, list(self.tree.children(path).items()))
        plus, found = asked.opcode == wire.READDIRPLUS, bytearray()
        for place in range(offset, len(listing)):
            name, entry = listing[place]
            raw, below = wire.as_bytes(name), (*path, name)
            if len(found) + wire.line_size(raw, plus=plus) > size:
                break
            number = self._learned(below, undo) if plus else self.nodes.number(below)
            found += wire.line(place, wire.Named(raw, entry.attributes, number), self.ids if plus else None)
        return (bytes(found),)

    def _close(self, asked: wire.Request, _undo: Undo) -> tuple[bytes, ...]:
        file = self.files.close(wire.numbers(asked.body, "Q")[0])
        if file is not None:
            file.close()
        return ()

    def _close_directory(self, asked: wire.Request, _undo: Undo) -> tuple[bytes, ...]:
        self.listings.close(wire.numbers(asked.body, "Q")[0])
        return ()

    @staticmethod
    def _statistics(_asked: wire.Request, _undo: Undo) -> tuple[bytes, ...]:
        return (wire.statistics(),)
