"""Asks a team's server over its Unix socket, as its admin: root gets there also while nobody else is let in."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any

from mlflowctl.errors import Problem
from mlflowctl.in_mlflow.wait_until_healthy import UnixConnection

SECONDS = 120


class AskError(Problem):
    """What the server answered instead."""


class Server:
    """A server behind a socket, and who asks it."""

    def __init__(self, path: str, username: str, password: str) -> None:
        self.path = path
        word = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.headers = {"Host": "localhost", "Authorization": f"Basic {word}", "Content-Type": "application/json"}

    def answer(self, path: str, body: Any = None) -> bytes:
        """Return what it answers."""
        connection = UnixConnection(self.path, timeout=SECONDS)
        try:
            connection.request("GET" if body is None else "POST", path, body and json.dumps(body), self.headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise AskError(f"the server does not answer: {error}") from None
        finally:
            connection.close()
        if response.status == 401:
            raise AskError("the server does not accept the admin's password")
        if response.status != 200:
            raise AskError(f"{path}: {response.status}: {text[:500].decode('utf-8', 'replace')}")
        return text

    def ask(self, path: str, body: Any = None) -> Any:
        """Return what it answers in JSON."""
        return json.loads(self.answer(path, body))
