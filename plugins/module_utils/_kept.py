# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which secrets a server was given, since it never tells them: fingerprints in a file that is root's alone.

Beside each stands when the server says that the thing was last changed. A later change may have been one of the secret.
"""

from __future__ import annotations

import hmac
import json
import os
import typing as t

from ._errors import InvalidRequest
from ._private_files import read_private, write_private
from ._receipt import fingerprint_of

FORMAT = 1

Secret = t.Mapping[str, str]


class Kept:
    """What is noted about the secrets of one server; nothing, and nothing is written, without a C(path)."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._noted = self._read()

    @property
    def is_kept(self) -> bool:
        """Whether anything is noted at all."""
        return self._path is not None

    def holds(self, key: str, secret: Secret, changed: int) -> bool:
        """Whether this secret was given, and nothing changed since."""
        noted = self._noted.get(key)
        if not isinstance(noted, dict) or noted.get("changed") != changed:
            return False
        salt, fingerprint = noted.get("salt"), noted.get("fingerprint")
        if not isinstance(salt, str) or not isinstance(fingerprint, str):
            return False
        return hmac.compare_digest(fingerprint.encode(), fingerprint_of(secret, salt).encode())

    def note(self, key: str, secret: Secret, changed: int) -> None:
        """Note that it was given just now."""
        salt = os.urandom(16).hex()
        self._noted[key] = {"salt": salt, "fingerprint": fingerprint_of(secret, salt), "changed": changed}
        self._write()

    def touch(self, key: str, changed: int) -> None:
        """Note that something else of it was changed."""
        if isinstance(self._noted.get(key), dict):
            self._noted[key]["changed"] = changed
            self._write()

    def forget(self, key: str) -> None:
        """Note nothing of it any more."""
        if self._noted.pop(key, None) is not None:
            self._write()

    def _write(self) -> None:
        if not self._path:
            return
        try:
            write_private(self._path, json.dumps({"format": FORMAT, "secrets": self._noted}) + "\n")
        except OSError as error:
            raise InvalidRequest(
                f"secrets_file: {error}; the server has the secret, and will be given it again"
            ) from None

    def _read(self) -> dict[str, t.Any]:
        try:
            noted = json.loads((read_private(self._path) if self._path else None) or "{}")
        except ValueError:
            return {}
        if not isinstance(noted, dict) or noted.get("format") != FORMAT or not isinstance(noted.get("secrets"), dict):
            return {}
        return t.cast(t.Dict[str, t.Any], noted["secrets"])
