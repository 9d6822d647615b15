"""Requests of the kernel and answers to them, as bytes. Nothing here opens, waits or remembers."""

from __future__ import annotations

import os
import stat
import struct
from typing import NamedTuple, Union

LOOKUP, FORGET, GETATTR, READLINK, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 5, 14, 15, 17, 18
INIT, OPENDIR, READDIR, RELEASEDIR = 26, 27, 28, 29
INTERRUPT, DESTROY, BATCH_FORGET, READDIRPLUS = 36, 38, 42, 44
# What would write. The mount is read-only, so that the kernel asks for none of these by itself.
WRITES = frozenset({4, 6, 8, 9, 10, 11, 12, 13, 16, 21, 24, 35, 43, 45, 47})

# Enough for any request to a file system that nobody writes.
REQUEST_SIZE = 1 << 17
# Bytes of one read, at most: 256 pages.
PIECE = 1 << 20
# Seconds for which the kernel does not ask about a name or its attributes again.
KERNEL_SECONDS = 5
# Seconds after which a kernel from 6.15 on ends the mount of a process that does not answer. Above all patience here.
GIVES_UP_AFTER = 300

HEADER = struct.Struct("=IIQQIIIHH")
ANSWER = struct.Struct("=IiQ")
ATTRIBUTES = struct.Struct("=6Q10I")
ENTRY = struct.Struct("=4Q2I")
DIRENT = struct.Struct("=QQII")
MAJOR, MINOR = 7, 45
# Reads side by side, names with their attributes, looks side by side, large reads, more flags.
WANTED = 1 << 0 | 1 << 13 | 1 << 14 | 1 << 18 | 1 << 22 | 1 << 30
EXTENDED = 1 << 30
# Among the further flags: a limit on the time for an answer.
TIME_LIMIT = 1 << 10
INVALIDATE_NODE = 2

# Part of a file may be a look into more of it, without a copy.
Data = Union[bytes, memoryview]


class ProtocolError(ValueError):
    """Bytes that are no request."""


class Request(NamedTuple):
    """One request."""

    opcode: int
    unique: int
    node: int
    body: bytes


class Attributes(NamedTuple):
    """What a file, directory or link is."""

    mode: int
    size: int = 0
    mtime: int = 0


class Named(NamedTuple):
    """One line of a directory. The number is 0 where the kernel does not know the node."""

    name: bytes
    attributes: Attributes
    node: int = 0


def request(data: bytes) -> Request:
    """Take a request apart."""
    if len(data) < HEADER.size:
        raise ProtocolError(f"{len(data)} bytes are no request")
    length, opcode, unique, node, _uid, _gid, _pid, _extra, _padding = HEADER.unpack_from(data)
    if length != len(data):
        raise ProtocolError(f"{len(data)} bytes say that they are {length}")
    return Request(opcode, unique, node, data[HEADER.size :])


def numbers(body: bytes, layout: str, offset: int = 0) -> tuple[int, ...]:
    """Read numbers from a body."""
    try:
        return struct.unpack_from(f"={layout}", body, offset)
    except struct.error as error:
        raise ProtocolError(str(error)) from None


def name_in(body: bytes) -> str:
    """Read the name that is looked up, whatever its bytes are."""
    return body.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def as_bytes(name: str) -> bytes:
    """Return a name as the kernel has it."""
    return name.encode("utf-8", "surrogateescape")


def forgotten(asked: Request) -> list[tuple[int, int]]:
    """Return the nodes that the kernel forgets, and how often each."""
    if asked.opcode == FORGET:
        return [(asked.node, numbers(asked.body, "Q")[0])]
    (count,) = numbers(asked.body, "I")
    found = []
    for place in range(count):
        node, times = numbers(asked.body, "QQ", 8 + 16 * place)
        found.append((node, times))
    return found


def answer(unique: int, error: int, *parts: Data) -> list[Data]:
    """Return an answer, in parts to be written in one piece."""
    return [ANSWER.pack(ANSWER.size + sum(map(len, parts)), -error, unique), *parts]


def agreed(asked: Request) -> bytes:
    """Return what the kernel and this program agree on.

    Raises ProtocolError where the kernel begins with something else, or speaks another protocol.
    """
    major, minor, ahead, flags = numbers(asked.body, "4I")
    if (asked.opcode, major) != (INIT, MAJOR):
        raise ProtocolError(f"the kernel begins with {asked.opcode} of version {major}")
    more = 0
    if flags & EXTENDED and len(asked.body) >= 20:
        more = numbers(asked.body, "I", 16)[0] & TIME_LIMIT
    return struct.pack(
        "=4I2H2I2H2IH22x",
        *(MAJOR, min(minor, MINOR), min(ahead, 8 * PIECE), flags & WANTED),
        # Twelve requests beside those that somebody waits for; no writes; times in seconds; 256 pages.
        *(12, 9, 4096, 10**9, 256, 0),
        *(more, 0, GIVES_UP_AFTER if more else 0),
    )


def attributes(node: int, what: Attributes, uid: int, gid: int) -> bytes:
    """Return what a node is."""
    blocks, times = -(-what.size // 512), (what.mtime,) * 3
    return ATTRIBUTES.pack(node, what.size, blocks, *times, 0, 0, 0, what.mode, 1, uid, gid, 0, PIECE, 0)


def looked_up(node: int, what: Attributes, uid: int, gid: int) -> bytes:
    """Return the answer to a look-up."""
    return ENTRY.pack(node, 0, KERNEL_SECONDS, KERNEL_SECONDS, 0, 0) + attributes(node, what, uid, gid)


def got_attributes(node: int, what: Attributes, uid: int, gid: int) -> bytes:
    """Return the answer to a question about attributes."""
    return struct.pack("=QII", KERNEL_SECONDS, 0, 0) + attributes(node, what, uid, gid)


def opened(handle: int, *, keep_pages: bool = False) -> bytes:
    """Return the answer to an open; the kernel may go on with the pages it has."""
    return struct.pack("=QII", handle, 2 if keep_pages else 0, 0)


def wants_to_write(body: bytes) -> bool:
    """Say whether an open is for more than reading."""
    return numbers(body, "I")[0] & os.O_ACCMODE != os.O_RDONLY


def line_size(name: bytes, *, plus: bool) -> int:
    """Return the bytes that a line of a directory takes."""
    size = DIRENT.size + len(name)
    return size + -size % 8 + (ENTRY.size + ATTRIBUTES.size if plus else 0)


def line(place: int, named: Named, ids: tuple[int, int] | None) -> bytes:
    """Return a line of a directory, with all about the node where the owner's numbers are given."""
    name = named.name
    unknown = (1 << 63) | place
    text = DIRENT.pack(named.node or unknown, place + 1, len(name), stat.S_IFMT(named.attributes.mode) >> 12) + name
    about = looked_up(named.node, named.attributes, *ids) if ids else b""
    return about + text + bytes(-len(text) % 8)


def statistics() -> bytes:
    """Return the answer to statfs: a file system without room."""
    return struct.pack("=5Q10I", 0, 0, 0, 0, 0, 4096, 255, 4096, *[0] * 7)


def invalidated(node: int) -> bytes:
    """Return the news that a node's attributes are others, which no request asked for."""
    # A negative offset: its pages stay.
    news = struct.pack("=Qqq", node, -1, 0)
    return struct.pack("=IiQ", ANSWER.size + len(news), INVALIDATE_NODE, 0) + news
