"""What the C library does with memory that is not needed any more."""

from __future__ import annotations

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENAS = -1, -3, -8

_libc = ctypes.CDLL(None)


def save() -> None:
    """Let threads share what there is, and pieces of files have the pages of former ones, since new ones cost time."""
    # One arena: what is free at the end of another one is never given back. Threads of Python take turns anyway.
    _libc.mallopt(MMAP_THRESHOLD, 4 << 20)
    _libc.mallopt(TRIM_THRESHOLD, 32 << 20)
    _libc.mallopt(ARENAS, 1)


def give_back() -> None:
    """Give the system what is free."""
    _libc.malloc_trim(0)
