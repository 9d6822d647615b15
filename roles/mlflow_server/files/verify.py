"""Sees whether a team's server works, as its admin, over its Unix socket; first denies what it is told to deny.

Runs while nobody else is let in. Reads a list of {"username", "resource_type", "resource_id"}; says what is wrong.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import sys
from typing import Any
from urllib.parse import urlencode

import team as teams
from team import Team
from wait_until_healthy import UnixConnection

GRANT = "/api/3.0/mlflow/users/permissions/grant"
SECONDS = 120


class Refused(Exception):
    """What the server answered instead."""


def ask(team: Team, password: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Return the server's answer."""
    word = base64.b64encode(f"{team.admin_username}:{password}".encode()).decode()
    headers = {"Host": "localhost", "Authorization": f"Basic {word}", "Content-Type": "application/json"}
    connection = UnixConnection(team.socket, timeout=SECONDS)
    try:
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
    finally:
        connection.close()
    if answer.status != 200:
        raise Refused(f"{method} {path}: {answer.status} {text[:500]}")
    return json.loads(text)


def passwords(team: Team) -> list[str]:
    """Return the admin's passwords that may work: the one kept, and the one a first start sets."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        found.append((team.directory / "admin_password").read_text(encoding="utf-8").rstrip("\r\n"))
    with contextlib.suppress(FileNotFoundError):
        text = (team.directory / "bootstrap.env").read_text(encoding="utf-8")
        found.append(teams.unquoted(text.partition("MLFLOW_AUTH_ADMIN_PASSWORD=")[2].strip()))
    return found


def log_in(team: Team) -> str:
    """Return the password that works."""
    problem = Refused("no password of the admin is kept on the host")
    for password in passwords(team):
        try:
            ask(team, password, "GET", "/api/2.0/mlflow/users/current")
        except Refused as error:
            problem = error
        else:
            return password
    raise Refused(f"the admin '{team.admin_username}' cannot log in: {problem}")


def verify(team: Team, denials: list[dict[str, str]]) -> None:
    """Raise for what does not work."""
    password = log_in(team)
    for denial in denials:
        ask(team, password, "POST", GRANT, {**denial, "permission": "DENY"})
    found = ask(team, password, "POST", "/api/2.0/mlflow/experiments/search", {"max_results": 1})
    for experiment in found.get("experiments", []):
        asked = urlencode({"experiment_id": experiment["experiment_id"]})
        ask(team, password, "GET", f"/api/2.0/mlflow/experiments/get?{asked}")


if __name__ == "__main__":
    try:
        verify(teams.load(sys.argv[1]), json.load(sys.stdin))
    except (OSError, Refused, http.client.HTTPException, ValueError) as error:
        sys.exit(f"{error}")
