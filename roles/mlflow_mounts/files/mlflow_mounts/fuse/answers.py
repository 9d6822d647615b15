"""What the kernel is told of a tree, when somebody waits for it or when it is in memory."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Mapping
from typing import Protocol

from mlflow_mounts.fuse import nodes, wire

Ahead = Callable[[], None]


class Entry(Protocol):
    """What stands in a directory."""

    @property
    def attributes(self) -> wire.Attributes:
        """Its kind, size and times."""

    @property
    def target(self) -> str:
        """Where a link leads."""


class File(Protocol):
    """An open file."""

    @property
    def size(self) -> int:
        """How long it is."""

    @property
    def version(self) -> str:
        """What differs when it has been replaced."""

    def read(self, offset: int, size: int) -> wire.Data:
        """Return a part, when it has come."""

    def at_hand(self, offset: int, size: int) -> wire.Data | None:
        """Return a part that is in memory, or None."""

    def ahead(self, offset: int) -> Ahead | None:
        """Return what fetches the piece after this one, or None."""

    def close(self) -> None:
        """Let go of it."""


class Tree(Protocol):
    """What is shown. Each of these raises OSError."""

    def entry(self, path: nodes.Path) -> Entry:
        """Return what stands at a path."""

    def children(self, path: nodes.Path) -> Mapping[str, Entry]:
        """Return what is in a directory, by name."""

    def open(self, path: nodes.Path) -> File:
        """Open a file to read it."""

    def rest(self) -> None:
        """Let servers sleep that nobody reads from."""


# Files of which is known which version the kernel has; of others it asks for the pages once more.
MOST_VERSIONS = 4096

Listing = list[tuple[str, Entry]]
Undo = list[Callable[[], object]]
Serve = Callable[[wire.Request, Undo], "tuple[wire.Data, ...]"]


class Answers:
    """What is known of what the kernel was told."""

    def __init__(self, fd: int, tree: Tree) -> None:
        self._fd, self._tree = fd, tree
        self._ids = (os.getuid(), os.getgid())
        self.nodes = nodes.Nodes()
        self.files: nodes.Handles[File] = nodes.Handles()
        self.listings: nodes.Handles[Listing] = nodes.Handles()
        # Versions of files whose pages the kernel has.
        self._versions: dict[nodes.Path, str] = {}

    def load(self, data: bytes) -> None:
        """Know what a process before this one has told."""
        nodes.load(data, self.nodes, self.files, self.listings)

    def dump(self) -> bytes:
        """Return what the next process has to know."""
        return nodes.dump(self.nodes, self.files, self.listings)

    def at_hand(self, asked: wire.Request) -> tuple[wire.Data, Ahead | None] | None:
        """Return what is read where it is in memory, without waiting, and what fetches what comes next."""
        if asked.opcode != wire.READ:
            return None
        with contextlib.suppress(OSError, wire.ProtocolError):
            handle, offset, size = wire.numbers(asked.body, "QQI")
            file = self.files.get(handle)[1]
            found = file.at_hand(offset, min(size, wire.PIECE)) if file else None
            if file and found is not None:
                return found, file.ahead(offset)
        return None

    def give(self, asked: wire.Request, undo: Undo) -> tuple[wire.Data, ...]:
        """Return what is asked for, in parts; raises OSError. Undo is for where nobody hears of it any more."""
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
        what = self._tree.entry(path).attributes
        return (wire.looked_up(self._learned(path, undo), what, *self._ids),)

    def _learned(self, path: nodes.Path, undo: Undo) -> int:
        number = self.nodes.remember(path)
        undo.append(lambda: self.nodes.forget(number, 1))
        return number

    def _attributes(self, asked: wire.Request, _undo: Undo) -> tuple[bytes, ...]:
        what = self._tree.entry(self.nodes.path(asked.node)).attributes
        return (wire.got_attributes(asked.node, what, *self._ids),)

    def _link(self, asked: wire.Request, _undo: Undo) -> tuple[bytes, ...]:
        entry = self._tree.entry(self.nodes.path(asked.node))
        if not stat.S_ISLNK(entry.attributes.mode):
            raise OSError(errno.EINVAL, "no link")
        return (wire.as_bytes(entry.target),)

    def _open(self, asked: wire.Request, undo: Undo) -> tuple[bytes, ...]:
        path = self.nodes.path(asked.node)
        if wire.wants_to_write(asked.body):
            raise OSError(errno.EROFS, "read-only")
        listed = self._tree.entry(path).attributes.size
        file = self._tree.open(path)
        same = bool(file.version) and self._versions.get(path) == file.version
        if len(self._versions) >= MOST_VERSIONS:
            self._versions.clear()
        self._versions[path] = file.version
        handle = self.files.add(path, file)
        undo.append(lambda: self.files.close(handle))
        undo.append(file.close)
        if file.size != listed:
            # It has grown since it was listed, or was not told before: the kernel asks for its size again.
            with contextlib.suppress(OSError):
                os.write(self._fd, wire.invalidated(asked.node))
        return (wire.opened(handle, keep_pages=same),)

    def _open_directory(self, asked: wire.Request, undo: Undo) -> tuple[bytes, ...]:
        path = self.nodes.path(asked.node)
        handle = self.listings.add(path, list(self._tree.children(path).items()))
        undo.append(lambda: self.listings.close(handle))
        return (wire.opened(handle),)

    def _read(self, asked: wire.Request, _undo: Undo) -> tuple[wire.Data, ...]:
        handle, offset, size = wire.numbers(asked.body, "QQI")
        path, file = self.files.get(handle)
        if file is None:
            # Opened by a process before this one.
            again = self._tree.open(path)
            try:
                file = self.files.again(handle, path, again)
            finally:
                # Another thread was quicker, or it is closed meanwhile.
                if file is not again:
                    again.close()
        return (file.read(offset, min(size, wire.PIECE)),)

    def _list(self, asked: wire.Request, undo: Undo) -> tuple[bytes, ...]:
        handle, offset, size = wire.numbers(asked.body, "QQI")
        path, listing = self.listings.get(handle)
        if listing is None:
            listing = self.listings.again(handle, path, list(self._tree.children(path).items()))
        plus, found = asked.opcode == wire.READDIRPLUS, bytearray()
        for place in range(offset, len(listing)):
            name, entry = listing[place]
            raw, below = wire.as_bytes(name), (*path, name)
            if len(found) + wire.line_size(raw, plus=plus) > size:
                break
            number = self._learned(below, undo) if plus else self.nodes.number(below)
            found += wire.line(place, wire.Named(raw, entry.attributes, number), self._ids if plus else None)
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
