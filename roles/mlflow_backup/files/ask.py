"""Asks a team's server over its Unix socket, as its admin; by itself, it says whether a restored server is well."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import team as teams

SECONDS = 120
PAGE = 1000


class AskError(Exception):
    """What the server answered instead."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, which the standard library does not bring."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


class Server:
    """A server behind a socket, and who asks it."""

    def __init__(self, path: str, username: str, password: str) -> None:
        self.path = path
        credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.headers = {
            "Host": "localhost",
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/json",
        }

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
            raise AskError("the server does not accept the admin's password of the snapshot")
        if response.status != 200:
            raise AskError(f"{path}: {response.status}: {text[:500].decode('utf-8', 'replace')}")
        return text

    def counts(self) -> dict[str, int]:
        """Return how many users and experiments it knows, the deleted ones too."""
        users = len(json.loads(self.answer("/api/2.0/mlflow/users/list"))["users"])
        experiments, token = 0, None
        while experiments == 0 or token:
            body = {"view_type": "ALL", "max_results": PAGE, **({"page_token": token} if token else {})}
            page = json.loads(self.answer("/api/2.0/mlflow/experiments/search", body))
            found = page.get("experiments", [])
            experiments, token = experiments + len(found), page.get("next_page_token")
            if not found:
                break
        return {"users": users, "experiments": experiments}

    def artifact(self, path: str) -> bytes:
        """Return an artifact."""
        return self.answer(f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}")


def main(name: str) -> None:
    """Log in and read."""
    team = teams.load(name)
    password = (team.directory / "admin_password").read_text(encoding="utf-8")
    wanted = json.loads(Path(sys.stdin.readline().strip()).read_text(encoding="utf-8"))["counts"]
    found = Server(team.socket, team.admin_username, password).counts()
    for what, number in found.items():
        if number != wanted[what]:
            raise AskError(f"the server has {number} {what}, and the snapshot {wanted[what]}")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (AskError, OSError) as problem:
        sys.exit(str(problem))
