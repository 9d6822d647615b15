"""Files that are there as a whole after a power cut, and directories of root's own."""

from __future__ import annotations

import os
from pathlib import Path

from mlflowctl import trees


def sync(path: str) -> None:
    """Let a power cut not undo it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that root alone reads; after a power cut it is there as a whole, or as it was."""
    part = path.with_name(f".{path.name}.new")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        # On a full disk there may be half a secret in it.
        part.unlink(missing_ok=True)
        raise
    sync(str(path.parent))


def fresh(path: Path, mode: int = 0o700) -> Path:
    """Return an empty directory of root's, whatever was there before."""
    remove(path)
    path.mkdir(mode=0o700)
    # Whatever the umask.
    path.chmod(mode)
    return path


def remove(path: Path) -> None:
    """Remove what is there, and no more: a link is not followed. What people have made may be of any depth."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        trees.remove(path, [])
