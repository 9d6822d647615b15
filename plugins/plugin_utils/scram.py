# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A password as PostgreSQL keeps it, so that the password itself is in no statement that is sent there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

# What PostgreSQL takes for a new password by itself.
ITERATIONS = 4096
SALT_BYTES = 16
# A role may set what is kept of its own password: more iterations than these would hold up whoever looks.
KEPT = re.compile(r"SCRAM-SHA-256\$(?P<iterations>[1-9][0-9]{0,4}):(?P<salt>[^$]+)\$(?P<keys>[^:]+:.+)", re.ASCII)


def verifier(password: str) -> str:
    """What PostgreSQL keeps of a password, with a salt of its own."""
    return _with_salt(password, secrets.token_bytes(SALT_BYTES), ITERATIONS)


def is_of(kept: str | None, password: str) -> bool:
    """Whether this is kept of that password; what is kept of it in another way than SCRAM is not."""
    found = KEPT.fullmatch(kept or "")
    if not found:
        return False
    try:
        salt = base64.b64decode(found["salt"], validate=True)
    except ValueError:
        return False
    made = _with_salt(password, salt, int(found["iterations"]))
    return hmac.compare_digest(made.encode(), str(kept).encode())


def _with_salt(password: str, salt: bytes, iterations: int) -> str:
    """RFC 5803, of a password in ASCII, which has one spelling alone."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client, server = (hmac.digest(salted, word, "sha256") for word in (b"Client Key", b"Server Key"))
    keys = (base64.b64encode(key).decode() for key in (hashlib.sha256(client).digest(), server))
    return f"SCRAM-SHA-256${iterations}:{base64.b64encode(salt).decode()}${':'.join(keys)}"
