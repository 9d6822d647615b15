"""Files that say they have more than stands on any disk: whoever reads one reads zeros for days, and fills another.

MLflow writes none of them, but whoever can write to the directory makes one of any size with a single call.
"""

from __future__ import annotations

import os

from mlflowctl.errors import Problem, named

# So much that is on no disk do the files of a team have together: some programs leave a little out.
MOST = 64 << 30
# After so many pieces, a file is taken at its word.
MOST_PIECES = 1000


class HolesError(Problem):
    """There is more of that than anybody has written by mistake."""


class Holes:
    """What the files of a team leave out, all together."""

    def __init__(self) -> None:
        self.bytes = 0

    def add(self, handle: int, path: str) -> None:
        """Count an open file; raise when it is enough."""
        self.bytes += left_out(handle)
        if self.bytes > MOST:
            size = os.fstat(handle).st_size
            raise HolesError(
                f"artifact {named(path)} says that it has {size >> 30} GiB, most of which nobody has written: it is "
                "sparse; remove it, and whatever is like it"
            )


def left_out(handle: int) -> int:
    """Return how many bytes of a file are on no disk; those are, that a file system compresses."""
    facts = os.fstat(handle)
    least = facts.st_size - facts.st_blocks * 512
    if least <= 0:
        return 0
    disk = os.fstatvfs(handle)
    if facts.st_size > disk.f_blocks * disk.f_frsize:
        # Also where a file system does not tell.
        return least
    found = end = pieces = 0
    while end < facts.st_size and pieces < MOST_PIECES:
        try:
            hole = os.lseek(handle, end, os.SEEK_HOLE)
            if hole >= facts.st_size:
                break
            end = following(handle, hole, facts.st_size)
        except OSError:
            # It does not tell, or the file was cut off meanwhile.
            break
        found += end - hole
        pieces += 1
    os.lseek(handle, 0, os.SEEK_SET)
    return found if pieces < MOST_PIECES else max(found, least)


def following(handle: int, hole: int, size: int) -> int:
    """Return where something stands again after a hole."""
    try:
        return os.lseek(handle, hole, os.SEEK_DATA)
    except OSError:
        return size
