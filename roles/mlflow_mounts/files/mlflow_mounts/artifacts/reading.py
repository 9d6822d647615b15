"""An open artifact: read forward as one stream, elsewhere in pieces. Each request is the server's to refuse."""

from __future__ import annotations

import collections
import errno
import re
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Protocol

from mlflow_mounts import patience
from mlflow_mounts.artifacts.asking import QUIET, Answer
from mlflow_mounts.artifacts.spool import Spool, cut
from mlflow_mounts.fuse.wire import Data

PIECE = 1 << 20
KEPT = 16
# How far ahead of a stream it is waited for, in pieces.
NEAR = 8
# What a restart of the server does to who reads: it is asked once more.
CUT = (errno.EIO, errno.ECONNRESET, errno.EPIPE, errno.EHOSTUNREACH)
PLACE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})\Z")


class Asker(Protocol):
    """Who asks for it."""

    def ask(self, method: str, path: str, body: str | None = None, /, **headers: str) -> Answer:
        """Send a request; return what is answered, without its body."""


def whole_size(answer: Answer, first: int, last: int) -> int:
    """Return the size of a file of which a part came; raises where it is another part."""
    found = PLACE.match(answer.header("Content-Range"))
    if not found or int(found[1]) != first or int(found[2]) > last or int(found[3]) >= 1 << 62:
        answer.close()
        raise cut()
    return int(found[3])


def _part_of(data: bytes, start: int, size: int) -> Data:
    return data if len(data) == size else memoryview(data)[start : start + size]


class Room:
    """How many pieces there are of all files: who opens thousands has those that were last asked for."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: collections.deque[tuple[weakref.ref[Artifact], int]] = collections.deque()

    def enter(self, file: Artifact, index: int) -> None:
        """Have one more; another one goes for it."""
        with self._lock:
            self._kept.append((weakref.ref(file), index))
            gone = self._kept.popleft() if len(self._kept) > self._most else None
        owner = gone and gone[0]()
        if gone and owner:
            owner.let_go(gone[1])


class Artifact:
    """One open file."""

    def __init__(self, team: Asker, url: str, room: Room, listed: int = 0) -> None:
        self._team, self._url, self._room = team, url, room
        self._lock = threading.Lock()
        self._pieces: collections.OrderedDict[int, bytes] = collections.OrderedDict()
        # What comes, and the piece that comes next.
        self._stream: tuple[Answer, int] | None = None
        self._spool: Spool | None = None
        # The piece that was last asked for before anybody read it.
        self._ahead = 0
        self._used = time.monotonic()
        self._closed = False
        self.size, self.version = 0, ""
        try:
            # May it be read, how long is it, which is it, and its beginning: one request.
            answer = team.ask("GET", url, Range=f"bytes=0-{PIECE - 1}")
        except OSError as error:
            # No range of an empty file is right.
            if error.errno != errno.ERANGE:
                raise
            return
        tag = answer.header("ETag")
        self.version = tag and f"{tag} {answer.header('Last-Modified')}"
        try:
            self._begin(answer, listed)
        except OSError:
            answer.close()
            self.close()
            raise

    def _begin(self, answer: Answer, listed: int) -> None:
        if answer.status == 206:
            self.size = whole_size(answer, 0, PIECE - 1)
            self._keep(0, self._exactly(answer, min(PIECE, self.size)))
            answer.done()
        else:
            self._spool = Spool(answer)
            self.size = self._spool.measure(listed)

    def _keep(self, index: int, data: bytes) -> bytes:
        self._pieces[index] = data
        while len(self._pieces) > KEPT:
            self._pieces.popitem(last=False)
        self._room.enter(self, index)
        return data

    def let_go(self, index: int) -> None:
        """Keep a piece no longer; also while somebody reads, who has it already or asks for it again."""
        self._pieces.pop(index, None)

    @staticmethod
    def _exactly(answer: Answer, size: int) -> bytes:
        data = answer.read(size)
        if len(data) != size:
            answer.close()
            raise cut()
        return data

    def read(self, offset: int, size: int) -> Data:
        """Return a part; less than was asked for at the end only."""
        with patience.turn(self._lock):
            if self._closed:
                raise OSError(errno.EBADF, "closed meanwhile")
            self._used = time.monotonic()
            size = max(0, min(size, self.size - offset))
            if not size:
                return b""
            if self._spool:
                return self._spool.read(offset, size)
            first, last = offset // PIECE, (offset + size - 1) // PIECE
            pieces = [self._piece(index) for index in range(first, last + 1)]
            return _part_of(pieces[0] if first == last else b"".join(pieces), offset - first * PIECE, size)

    def at_hand(self, offset: int, size: int) -> Data | None:
        """Return a part that is in memory in one piece, also while somebody waits for another; None for any else."""
        index, start = divmod(offset, PIECE)
        # Nothing that is kept changes.
        piece = self._pieces.get(index)
        size = min(size, self.size - offset)
        if piece is None or not 0 < size <= len(piece) - start:
            return None
        self._used = time.monotonic()
        return _part_of(piece, start, size)

    def ahead(self, offset: int) -> Callable[[], None] | None:
        """Return what fetches the piece after this one, once, where it comes anyway: so nobody waits for the other."""
        following, stream = offset // PIECE + 1, self._stream
        if stream is None or stream[1] != following or following == self._ahead:
            return None
        self._ahead = following
        return partial(self._fetch_ahead, following)

    def _fetch_ahead(self, index: int) -> None:
        # Else somebody reads it already.
        if self._lock.acquire(blocking=False):
            try:
                if self._stream and self._stream[1] == index:
                    self._from_stream(index)
            except OSError:
                # Who reads it asks once more, and is told.
                pass
            finally:
                self._lock.release()

    def _length(self, index: int) -> int:
        return min(PIECE, self.size - index * PIECE)

    def _piece(self, index: int) -> bytes:
        known = self._pieces.get(index)
        if known is not None:
            return known
        try:
            return self._fetched(index)
        except OSError as error:
            if error.errno not in CUT:
                raise
        self._close_stream()
        return self._fetched(index)

    def _fetched(self, index: int) -> bytes:
        if self._stream and not 0 <= index - self._stream[1] < NEAR:
            self._close_stream()
        if not self._stream and index - 1 in self._pieces:
            first = index * PIECE
            self._stream = (self._part(first, self.size - 1), index)
        if self._stream:
            return self._from_stream(index)
        first = index * PIECE
        answer = self._part(first, first + self._length(index) - 1)
        data = self._exactly(answer, self._length(index))
        answer.done()
        return self._keep(index, data)

    def _part(self, first: int, last: int) -> Answer:
        try:
            answer = self._team.ask("GET", self._url, Range=f"bytes={first}-{last}")
        except OSError as error:
            if error.errno == errno.ERANGE:
                raise cut() from None
            raise
        # A file may have grown since it was opened, and is read as far as it went then.
        if answer.status != 206 or whole_size(answer, first, last) < self.size:
            answer.close()
            raise cut()
        return answer

    def _from_stream(self, index: int) -> bytes:
        data = b""
        while self._stream and self._stream[1] <= index:
            answer, following = self._stream
            try:
                data = self._keep(following, self._exactly(answer, self._length(following)))
            except OSError:
                self._close_stream()
                raise
            self._stream = (answer, following + 1)
            if (following + 1) * PIECE >= self.size:
                self._stream = None
                answer.done()
        return data

    def rest(self) -> None:
        """Let a server sleep whose file nobody reads any more, though it is open."""
        if time.monotonic() - self._used > QUIET and self._lock.acquire(blocking=False):
            try:
                self._close_stream()
            finally:
                self._lock.release()

    def _close_stream(self) -> None:
        if self._stream:
            self._stream[0].close()
            self._stream = None

    def close(self) -> None:
        """Have nothing open any more, when whoever still reads has come to an end."""
        with self._lock:
            self._closed = True
            self._pieces.clear()
            self._close_stream()
            if self._spool:
                self._spool.close()
