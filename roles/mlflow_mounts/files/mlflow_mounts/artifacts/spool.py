"""A file that its server gives as a whole only: it is kept as it comes, since no part can be asked for again."""

from __future__ import annotations

import errno
from typing import BinaryIO, cast

from mlflow_mounts.artifacts.asking import Answer

# Not /tmp, which is memory on newer Debians.
PLACE = "/var/tmp"  # noqa: S108 - the file has no name
AT_ONCE = 1 << 20
# Bytes of a file of which nobody says how long it is.
UNSAID = 256 << 20


def cut() -> OSError:
    """Return the error for a file that is another one meanwhile, or does not come whole."""
    return OSError(errno.EIO, "it did not come whole")


class Spool:
    """What has come of it, and the answer with the rest."""

    def __init__(self, answer: Answer) -> None:
        # Few need it, and it brings much into memory.
        import tempfile  # noqa: PLC0415

        self._file = cast(BinaryIO, tempfile.TemporaryFile(dir=PLACE))  # noqa: SIM115 - for as long as it is open
        self._answer: Answer | None = answer
        self._there = 0

    def measure(self, listed: int) -> int:
        """Return how long it is; where nobody says so, all of it has to come, and not less than was listed."""
        if self._answer and self._answer.length is not None:
            return self._answer.length
        self._fill(UNSAID)
        if self._answer:
            raise OSError(errno.EFBIG, "nobody says how long it is")
        if listed > self._there:
            raise cut()
        return self._there

    def read(self, offset: int, size: int) -> bytes:
        """Return a part, when it has come."""
        self._fill(offset + size)
        if self._there < offset + size:
            raise cut()
        self._file.seek(offset)
        return self._file.read(size)

    def _fill(self, end: int) -> None:
        while self._answer and self._there < end:
            try:
                data = self._answer.read(AT_ONCE)
                self._file.seek(self._there)
                self._file.write(data)
            except OSError:
                self._end()
                raise
            self._there += len(data)
            if not data:
                self._answer.done()
                self._answer = None

    def _end(self) -> None:
        if self._answer:
            self._answer.close()
            self._answer = None

    def close(self) -> None:
        """Keep nothing of it."""
        self._end()
        self._file.close()
