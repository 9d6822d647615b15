# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work with the rights of one account, in a process of its own that is ended when it takes too long.

Nobody is to look into that process, also not the account: it was root's, with whatever that knows of others.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import selectors
import signal
import time
import typing as t

# Seconds to wait for a process that was killed. One that waits for a file server may never go.
BURIAL = 2
# Of prctl(2).
SET_DUMPABLE = 4


class Helper:
    """One process that works as one account, and sends what its work yields."""

    def __init__(self, account: pwd.struct_passwd, work: t.Callable[[], t.Iterable[t.Any]], seconds: float) -> None:
        self.items: list[t.Any] = []
        self.error: str | None = f"did not come to its end within {seconds:g} seconds"
        self._said = b""
        self.reading, writing = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            _live(account, work, writing, seconds)
        os.close(writing)

    def listen(self) -> bool:
        """Take what was sent; false where nothing more comes."""
        piece = os.read(self.reading, 1 << 16)
        *lines, self._said = (self._said + piece).split(b"\n")
        for kind, value in map(json.loads, lines):
            if kind == "item":
                self.items.append(value)
            else:
                self.error = value
        return bool(piece)

    def end(self) -> None:
        """Let nothing be left of the process."""
        os.close(self.reading)
        os.kill(self._process, signal.SIGKILL)
        until = time.monotonic() + BURIAL
        while os.waitpid(self._process, os.WNOHANG)[0] == 0 and time.monotonic() < until:
            time.sleep(0.01)


def work_as(
    tasks: t.Sequence[tuple[pwd.struct_passwd, t.Callable[[], t.Iterable[t.Any]]]], seconds: float
) -> list[Helper]:
    """Do each task as its account, side by side, and say what each came to."""
    helpers = [Helper(account, work, seconds) for account, work in tasks]
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for helper in helpers:
            selector.register(helper.reading, selectors.EVENT_READ, helper)
        while selector.get_map() and time.monotonic() < end:
            for key, _events in selector.select(max(0, end - time.monotonic())):
                if not key.data.listen():
                    selector.unregister(key.fd)
    for helper in helpers:
        helper.end()
    return helpers


def _live(
    account: pwd.struct_passwd, work: t.Callable[[], t.Iterable[t.Any]], writing: int, seconds: float
) -> t.NoReturn:
    """All that the process does."""
    try:
        # Also when the one who would end it was killed.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(seconds) + 1)
        _send(writing, ["end", _outcome(account, work, writing)])
    finally:
        os._exit(0)


def _outcome(account: pwd.struct_passwd, work: t.Callable[[], t.Iterable[t.Any]], writing: int) -> str | None:
    try:
        become(account)
        for item in work():
            _send(writing, ["item", item])
    except Exception as error:  # noqa: BLE001 - whatever it is, it ends this account's work alone
        return str(error) if isinstance(error, (OSError, ValueError)) else repr(error)
    return None


def become(account: pwd.struct_passwd) -> None:
    """Have the rights of an account and no others, for good. Who is not root has nobody else's."""
    if os.geteuid() == 0:
        os.setgroups(os.getgrouplist(account.pw_name, account.pw_gid))
        os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    # The account may end it by a signal that has a picture of its memory made. Of who has changed their user the kernel
    # makes none, unless fs.suid_dumpable is 2, as it is where systemd keeps such pictures for the account to read.
    ctypes.CDLL(None).prctl(SET_DUMPABLE, 0, 0, 0, 0)


def _send(writing: int, message: t.Any) -> None:
    left = json.dumps(message).encode() + b"\n"
    while left:
        left = left[os.write(writing, left) :]
