"""Which log-ins MLflow has found to be somebody's: whoever makes one up is a stranger, as who has none.

Nothing of them is kept but digests, with a key that nobody but this process has. Who has just come is not known before
the first request of theirs is answered.
"""

from __future__ import annotations

import contextvars
import hashlib
import secrets
import threading
from typing import Any

# How many are known at most; who has not asked for longest is forgotten.
MOST = 4096
KEY = secrets.token_bytes(32)
known: dict[bytes, None] = {}
lock = threading.Lock()
# That of the request that is being answered.
said: contextvars.ContextVar[bytes | None] = contextvars.ContextVar("said", default=None)


def digest(headers: Any) -> bytes | None:
    """Return that of what could be a log-in; MLflow takes it from two headers."""
    found = sorted(value for name, value in headers if name.endswith(b"authorization"))
    return hashlib.blake2b(repr(found).encode(), key=KEY, digest_size=16).digest() if found else None


def knows(headers: Any) -> bool:
    """Say whether a request is from somebody."""
    return digest(headers) in known


def is_known() -> bool:
    """Say whether the request that is being answered is from somebody."""
    return said.get() in known


def note(is_right: bool) -> None:
    """Note what MLflow has found out about the log-in of the request that is being answered."""
    login = said.get()
    if login is None:
        return
    with lock:
        known.pop(login, None)
        if is_right:
            known[login] = None
        if len(known) > MOST:
            del known[next(iter(known))]


class Noted:
    """An application whose requests are told apart by their log-ins."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        said.set(digest(scope["headers"]) if scope["type"] == "http" else None)
        await self.app(scope, receive, send)
