# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are nobody's business but root's."""

from __future__ import annotations

import os
import stat
import tempfile
import typing as t


def read_private(path: str) -> str | None:
    """The text of a file that nobody but this account can have written; None where there is no such file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
            return None
        return file.read().decode("utf-8", "replace")


def is_private(path: str) -> bool:
    """Whether nobody else can read it."""
    return stat.S_IMODE(os.lstat(path).st_mode) == 0o600


def write_private(path: str, text: str, finish: t.Callable[[int], None] | None = None) -> None:
    """Write it beside its place and rename it, so that nobody ever reads half of it or with a wider mode.

    C(finish) is told the descriptor before that, to give the file to whom it is for.
    """
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".new", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            if finish:
                finish(handle)
            os.fsync(handle)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
