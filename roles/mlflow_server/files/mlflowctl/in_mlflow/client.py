"""Asks a server over HTTP: one request at a time, as somebody, and never where it sends somebody."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any

from mlflowctl.in_mlflow.wait_until_healthy import UnixConnection


def log_in(username: str, password: str) -> dict[str, str]:
    """Return what says who asks."""
    word = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {word}", "Content-Type": "application/json"}


def over_socket(path: str, seconds: float) -> UnixConnection:
    """Return a way to the server that only a team's account can have made."""
    return UnixConnection(path, timeout=seconds)


def asked(
    connection: http.client.HTTPConnection, method: str, target: str, body: Any, headers: dict[str, str]
) -> tuple[int, bytes]:
    """Send one request; return the status and what is answered. OSError or HTTPException where nothing is."""
    if isinstance(connection, UnixConnection):
        # The server takes this name for its own, whatever it is called outside.
        headers = {**headers, "Host": "localhost"}
    try:
        connection.request(method, target, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
