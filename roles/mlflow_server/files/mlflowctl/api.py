"""Asks a team's server over its Unix socket, as its admin: root gets there also while nobody else is let in."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from mlflowctl.errors import Problem, named
from mlflowctl.in_mlflow import client

SECONDS = 120
# For all that one is asked, artifacts aside, however it parts its answers.
PATIENCE = 3600
# Letters of what a server says in a message.
SAID = 500


class AskError(Problem):
    """What the server answered instead."""


class Server:
    """A server behind a socket, and who asks it."""

    def __init__(self, path: str, username: str, password: str) -> None:
        self.path = path
        self.headers = client.log_in(username, password)
        self.patience: float = PATIENCE

    def answer(self, path: str, body: Any = None, take: client.Take = client.whole) -> bytes:
        """Return what it answers, or what is taken of that."""
        connection, method = client.over_socket(self.path, SECONDS), "GET" if body is None else "POST"
        if self.patience <= 0:
            raise AskError(f"the server does not come to an end: all that it was asked took {PATIENCE} s")
        began = time.monotonic()
        try:
            status, text = client.asked(connection, method, path, body, self.headers, take)
        except (OSError, http.client.HTTPException) as error:
            raise AskError(f"the server does not answer: {named(str(error)[:SAID])}") from None
        finally:
            if take is not client.checksum:
                self.patience -= time.monotonic() - began
        if status == 401:
            raise AskError("the server does not accept the admin's password")
        if status != 200:
            raise AskError(f"{path}: {status}: {named(text[:SAID].decode('utf-8', 'replace'))}")
        return text

    def ask(self, path: str, body: Any = None) -> dict[str, Any]:
        """Return what it answers in JSON."""
        text = self.answer(path, body)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise AskError(f"{path}: the answer is no JSON")
        return found
