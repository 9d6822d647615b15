# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A note that a server was found as declared, for as long as neither can have changed.

A command of the host's says in what state the server's databases are; what it says is kept, and told to it again.
That state is looked at before the server is asked: a change after it leaves another one, whenever it came, and a
change before it is in the answers.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import subprocess
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ._private_files import read_private, write_private

# Another number makes all receipts void: raise it when a run would now find something to do that it left before.
FORMAT = 3
# The fingerprint is over passwords, and must not help anybody to guess one: about 15 ms a guess and a server.
ROUNDS = 60_000
# For what the command says about all servers. Whoever waits longer asks them.
LOOK_SECONDS = 300

Server = t.Mapping[str, t.Any]
State = t.Dict[str, t.Any]


class Receipt:
    """What is noted about one server, and the state that its databases are in now."""

    def __init__(self, server: Server) -> None:
        self._path: str | None = server["receipt"]
        self._declared = server
        noted = self._read()
        # Only what was noted of this very declaration says anything about it.
        self.noted: State | None = noted.get("state") if self._is_of(noted) else None
        self._state: State | None = None
        self.holds = False

    @property
    def question(self) -> State:
        """What the command is told about the server."""
        return {"noted": self.noted, "names": with_versions(self._declared)}

    def hear(self, answer: t.Any) -> None:
        """Take what the command says about it."""
        if isinstance(answer, dict):
            self.holds = answer.get("holds") is True and self.noted is not None
            self._state = answer.get("state")

    def write(self) -> None:
        """Note that the server, asked after the command was, is as declared; or that it still is."""
        if self._path is None or not self._state:
            return
        salt = os.urandom(16).hex()
        noted = {"format": FORMAT, "salt": salt, "state": self._state}
        noted["fingerprint"] = fingerprint_of(self._declared, salt)
        write_private(self._path, json.dumps(noted) + "\n")

    def outdate(self) -> None:
        """Take away what was noted of another declaration, now that the server was changed to be as this one.

        What was noted of this very declaration stays: the server is to be so again, and who watches it compares.
        """
        if self._path is not None and self.noted is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)

    def _read(self) -> dict[str, t.Any]:
        try:
            noted = json.loads((read_private(self._path) if self._path else None) or "{}")
        except ValueError:
            return {}
        return noted if isinstance(noted, dict) else {}

    def _is_of(self, noted: dict[str, t.Any]) -> bool:
        salt, fingerprint = noted.get("salt"), noted.get("fingerprint")
        if noted.get("format") != FORMAT or not isinstance(salt, str) or not isinstance(fingerprint, str):
            return False
        return hmac.compare_digest(fingerprint.encode(), fingerprint_of(self._declared, salt).encode())


def receipts_of(servers: t.Sequence[Server], command: t.Sequence[str]) -> dict[str, Receipt]:
    """The receipts of servers, by name. Without a command none of them holds, and none is written."""
    with ThreadPoolExecutor(4) as pool:
        receipts = dict(zip((server["name"] for server in servers), pool.map(Receipt, servers)))
    asked = {server["name"]: receipts[server["name"]] for server in servers if server["receipt"]}
    answers = _answers(command, {name: receipt.question for name, receipt in asked.items()}) if command else {}
    for name, receipt in asked.items():
        receipt.hear(answers.get(name))
    return receipts


def _answers(command: t.Sequence[str], questions: State) -> State:
    """What the command says; nothing where it is not there yet, or cannot say."""
    if not questions:
        return {}
    try:
        done = subprocess.run(
            list(command), input=json.dumps(questions), capture_output=True, text=True, check=True, timeout=LOOK_SECONDS
        )
        answers = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return answers if isinstance(answers, dict) else {}


def with_versions(declared: Server) -> list[str]:
    """The registered models and prompts of which it matters what versions there are."""
    things = [*(declared.get("registered_models") or []), *(declared.get("prompts") or [])]
    return sorted({thing["name"] for thing in things if thing["aliases"] or thing.get("template") is not None})


def fingerprint_of(declared: t.Mapping[str, t.Any], salt: str) -> str:
    """An HMAC-SHA256 of the declaration, many times over."""
    text = json.dumps(declared, sort_keys=True)
    return hashlib.pbkdf2_hmac("sha256", text.encode(), salt.encode(), ROUNDS).hex()
