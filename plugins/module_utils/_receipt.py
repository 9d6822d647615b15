# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A note that a server was found as declared, for as long as neither can have changed.

The server's databases are looked at before it is asked. A change after that look leaves them in another state
than the noted one, whenever it came: the next run asks. A change before it is in the answers, for SQLite lets
nobody read while a commit is written into the file. One in a write-ahead log can be read a moment after it is
written, and two changes in one tick of a clock look like one: so a state is only noted when it had not changed
for C(SETTLED) seconds. A file that was put back with its former times has another C(ctime).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
import time
import typing as t

from ._private_files import read_private, write_private

# Another number makes all receipts void: raise it when a run would now find something to do that it left before.
FORMAT = 2
# Seconds. The coarsest clock of a file system that holds databases ticks every two.
SETTLED = 2
# The fingerprint is over passwords, and must not help anybody to guess one: about 15 ms a guess and a server.
ROUNDS = 60_000

State = t.List[t.List[int]]


class Receipt:
    """What is noted about one server, and the state that its databases are in now."""

    def __init__(self, path: str | None, databases: t.Sequence[str], declared: t.Mapping[str, t.Any]) -> None:
        self._path = path
        self._declared = declared
        now = time.time_ns()
        self._state = state_of(databases) if path and databases else None
        self._settled = self._state is not None and settled(self._state, now)

    def holds(self) -> bool:
        """Whether the server was found as declared, and nothing can have changed since."""
        noted = self._read()
        # What is quick to compare comes first.
        if self._state is None or noted.get("format") != FORMAT or noted.get("databases") != self._state:
            return False
        salt, fingerprint = noted.get("salt"), noted.get("fingerprint")
        if not isinstance(salt, str) or not isinstance(fingerprint, str):
            return False
        return hmac.compare_digest(fingerprint.encode(), fingerprint_of(self._declared, salt).encode())

    def write(self) -> None:
        """Note that the server, asked after this receipt was made, is as declared."""
        if self._path is None or not self._settled:
            return
        salt = os.urandom(16).hex()
        noted = {"format": FORMAT, "salt": salt, "databases": self._state}
        noted["fingerprint"] = fingerprint_of(self._declared, salt)
        write_private(self._path, json.dumps(noted) + "\n")

    def _read(self) -> dict[str, t.Any]:
        try:
            noted = json.loads((read_private(self._path) if self._path else None) or "{}")
        except ValueError:
            return {}
        return noted if isinstance(noted, dict) else {}


def fingerprint_of(declared: t.Mapping[str, t.Any], salt: str) -> str:
    """An HMAC-SHA256 of the declaration, many times over."""
    text = json.dumps(declared, sort_keys=True)
    return hashlib.pbkdf2_hmac("sha256", text.encode(), salt.encode(), ROUNDS).hex()


def state_of(databases: t.Sequence[str]) -> State | None:
    """What tells that SQLite files were written to or replaced; None where one is not there."""
    state: State = []
    for path in databases:
        file = _facts(path)
        if not file:
            return None
        # Without ctime, which changes when root reads it. Empty it says the same as none: whether a server runs.
        log = _facts(path + "-wal")[:4]
        state += [file, log if log and log[2] else []]
    return state


def _facts(path: str) -> list[int]:
    try:
        facts = os.stat(path)
    except OSError:
        return []
    if not stat.S_ISREG(facts.st_mode):
        return []
    return [facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]


def settled(state: State, now: int) -> bool:
    """Whether nothing of it changed for a while. Never where a clock ran back."""
    return all(max(facts[3:]) < now - SETTLED * 10**9 for facts in state if facts)
